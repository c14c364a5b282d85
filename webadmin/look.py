"""How a reader wants pages to look: theme, density, skin, language, time zone; kept in cookies.

Owns: nothing. A cookie that holds anything unknown counts as absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import available_timezones

from flask import current_app, request
from flask_babel import Babel, get_locale

from webadmin.skins import SKINS

LOOK_COOKIE = "posthouse-look"
ZONE_COOKIE = "posthouse-tz"  # set by app.js from the browser's own
THEMES = ("", "light", "dark")
DENSITIES = ("", "compact", "roomy")
LANGUAGES = {"en": "English", "de": "Deutsch"}
_ZONES = frozenset(available_timezones())


@dataclass(frozen=True, slots=True)
class Look:
    """What a page's root element says."""

    theme: str = ""
    density: str = ""
    skin: str = ""
    language: str = ""

    def cookie(self) -> str:
        """Return the cookie's value."""
        return f"{self.theme}.{self.density}.{self.skin}.{self.language}"

    @property
    def locale(self) -> str:
        """The language of the page."""
        return str(get_locale() or "en").replace("_", "-")

    @property
    def dir(self) -> str:
        """The direction its language is written in."""
        locale = get_locale()
        return locale.text_direction if locale is not None else "ltr"


def checked(theme: str = "", density: str = "", skin: str = "", language: str = "") -> Look:
    """Return a look of what is known among the values."""
    return Look(
        theme if theme in THEMES else "",
        density if density in DENSITIES else "",
        skin if skin in SKINS else "",
        language if language in LANGUAGES else "",
    )


def look() -> Look:
    """Return the look of the request."""
    values = request.cookies.get(LOOK_COOKIE, "").split(".")
    return checked(*values[:4])


def set_up(babel: Babel) -> None:
    """Have languages and time zones chosen by the request."""
    babel.init_app(
        current_app,
        locale_selector=_language,
        timezone_selector=_zone,
    )


def _language() -> str:
    return look().language or request.accept_languages.best_match(LANGUAGES) or "en"


def _zone() -> str:
    named = request.cookies.get(ZONE_COOKIE, "").replace("%2F", "/")
    return named if named in _ZONES else "UTC"
