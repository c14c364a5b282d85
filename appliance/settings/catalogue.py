"""The whole catalogue: every section imported, every setting found by name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from appliance.settings import (
    auth,
    backup,
    httpmail,
    journey,
    limits,
    log,
    mta,
    pop,
    relay,
    retry,
    smarthost,
    smtp,
    tls,
    trends,
    web,
)
from appliance.settings.setting import Setting, SettingsError, _registry

SECTIONS = (
    *(smtp, relay, retry, smarthost, mta, pop),
    *(httpmail, web, auth, tls, limits, log, journey, trends, backup),
)


def every() -> list[Setting[Any]]:
    """Return all settings, by name."""
    return [_registry[name] for name in sorted(_registry)]


def named(name: str) -> Setting[Any]:
    """Return the setting of a name.

    Raises:
        SettingsError: there is none; the nearest names are suggested.
    """
    setting = _registry.get(name)
    if setting is None:
        near = get_close_matches(name, _registry, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see `posthouse settings list`"
        raise SettingsError(f"there is no setting {name!r}{hint}")
    return setting
