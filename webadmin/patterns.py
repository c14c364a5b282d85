"""The pattern page: every part of the design system once, in each state a person meets it.

It needs no session and asks the house nothing: what it shows is written here. Its own controls are
links, so that any combination of theme, density, skin and direction has an address.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree as ET

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _

from webadmin import look as looks
from webadmin.assets import FOLDER
from webadmin.formats import number
from webadmin.plots import Drawing, Series, Span, bars, level
from webadmin.skins import DEFAULT, SKINS

blueprint = Blueprint("patterns", __name__)

_DIRECTIONS = ("ltr", "rtl")
_HALF_HOUR_US = 1_800_000_000
_BEGIN_US = 1_795_269_600_000_000  # 21 November 2026, 15:00 UTC
_STEPS = 48
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Shown:
    """The look of this page, as its address asks for it."""

    theme: str
    density: str
    skin: str
    dir: str
    locale: str

    def address(self, **changed: str) -> str:
        """Return the address of this page with something changed."""
        asked = replace(self, **changed)
        wanted: dict[str, Any] = {
            "theme": asked.theme,
            "density": asked.density,
            "skin": "" if asked.skin == DEFAULT else asked.skin,
            "dir": "" if asked.dir == "ltr" else asked.dir,
        }
        return url_for(".patterns", **{name: value for name, value in wanted.items() if value})


@blueprint.get("/patterns")
def patterns() -> str:
    """Show the parts."""
    known = looks.checked(
        request.args.get("theme", ""),
        request.args.get("density", ""),
        request.args.get("skin", ""),
    )
    direction = request.args.get("dir", "")
    shown = Shown(
        theme=known.theme,
        density=known.density,
        skin=known.skin or DEFAULT,
        dir=direction if direction in _DIRECTIONS else "ltr",
        locale=known.locale,
    )
    return render_template(
        "patterns.html",
        look=shown,
        controls=_controls(shown),
        icons=icons(),
        traffic=_traffic(),
        queue=_queue(),
        logins=_logins(),
    )


def icons() -> list[str]:
    """Return the names of all icons."""
    sprite = ET.parse(FOLDER / "icons.svg")  # noqa: S314 - our own file
    return [
        symbol.attrib["id"].removeprefix("i-")
        for symbol in sprite.iter("{http://www.w3.org/2000/svg}symbol")
    ]


def _controls(shown: Shown) -> list[tuple[str, list[tuple[str, str, bool]]]]:
    """Return the page's own choices: name, then words, address and whether chosen."""
    themes = {"": _("System"), "light": _("Light"), "dark": _("Dark")}
    densities = {"compact": _("One line"), "": _("Three lines"), "roomy": _("Roomy")}
    directions = {"ltr": _("Left to right"), "rtl": _("Right to left")}
    return [
        (_("Theme"), [(w, shown.address(theme=v), v == shown.theme) for v, w in themes.items()]),
        (
            _("List height"),
            [(w, shown.address(density=v), v == shown.density) for v, w in densities.items()],
        ),
        (
            _("Direction"),
            [(w, shown.address(dir=v), v == shown.dir) for v, w in directions.items()],
        ),
        (_("Skin"), [(w, shown.address(skin=v), v == shown.skin) for v, w in SKINS.items()]),
    ]


def _clock(at_us: int) -> str:
    minutes = at_us // 60_000_000
    return f"{minutes // 60 % _HOURS_A_DAY:02}:{minutes % 60:02}"


def _wave(step: int, height: float) -> float:
    """Return a day's traffic: quiet at night, the same for every visit."""
    return height * (1.15 - math.cos((step - 22) * math.tau / _STEPS)) + step * 37 % 11


def _span() -> Span:
    return Span(since=_BEGIN_US, step=_HALF_HOUR_US, steps=_STEPS)


def _traffic() -> Drawing:
    accepted = [round(_wave(step, 230)) for step in range(_STEPS)]
    deferred = [90 if step in (44, 45, 46) else step * 7 % 13 for step in range(_STEPS)]
    rejected = [40 + step * 29 % 47 for step in range(_STEPS)]
    series = (
        Series(accepted),
        Series(deferred, kind="p-warn"),
        Series(rejected, kind="p-grey"),
    )
    return bars(series, _span(), number=number, clock=_clock, now=_("now"))


def _queue() -> Drawing:
    values = [round(8 + _wave(step, 2) / 3 + (max(0, step - 43) * 5.4)) for step in range(_STEPS)]
    flag = (_BEGIN_US + 43 * _HALF_HOUR_US, _("12:30 mx.quay.example defers"))
    return level(Series(values), _span(), number=number, clock=_clock, now=_("now"), flag=flag)


def _logins() -> Drawing:
    values = [step * 5 % 4 + 1 if step not in (33, 34, 35) else 0 for step in range(_STEPS)]
    attack = [{33: 58, 34: 134, 35: 92}.get(step, 0) for step in range(_STEPS)]
    series = (Series(values), Series(attack, kind="p-bad"))
    return bars(series, _span(), number=number, clock=_clock, now=_("now"))
