"""Values as readers are used to them: times, sizes, numbers, initials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from babel.numbers import format_decimal
from flask import Flask
from flask_babel import format_datetime, get_locale, get_timezone, ngettext
from flask_babel import gettext as _
from markupsafe import Markup, escape

from appliance.runtime.clock import MICROSECONDS

_KIB = 1024
_UNITS = ("KB", "MB", "GB", "TB")
# In this order: later ones are also in what the earlier ones say of themselves.
_BROWSERS = (
    ("Firefox/", "Firefox"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def register(app: Flask) -> None:
    """Give templates the filters of this module."""
    app.jinja_env.filters.update(
        when=when,
        at=at,
        ago=ago,
        span=span,
        size=size,
        number=number,
        initials=initials,
        browser=browser,
    )


def moment(us: int) -> datetime:
    """Return a time of the system (µs) in the reader's zone."""
    return datetime.fromtimestamp(us / MICROSECONDS, UTC).astimezone(get_timezone())


def when(us: int) -> Markup:
    """Show a time shortly, as lists do: 14:32, Tue 16:50, 18 Nov, 3 Nov 2025; exact on hover."""
    if not us:
        return escape(_("never"))
    then, now = moment(us), datetime.now(get_timezone())
    if then.date() == now.date():
        shape = "HH:mm"
    elif now - timedelta(days=6) < then <= now:
        shape = "EEE HH:mm"
    else:
        shape = _("d MMM") if then.year == now.year else _("d MMM y")
    return element(us, format_datetime(then, shape, rebase=False))


def at(us: int) -> Markup:
    """Show a time in full, to the second."""
    return element(us, exactly(us)) if us else escape(_("never"))


def exactly(us: int) -> str:
    """Return a time in full as text."""
    return format_datetime(moment(us), _("d MMM y, HH:mm:ss"), rebase=False)


def ago(us: int) -> str:
    """Say how long ago a time is."""
    passed = datetime.now(UTC) - datetime.fromtimestamp(us / MICROSECONDS, UTC)
    return span(max(0, int(passed.total_seconds())))


def span(seconds: float) -> str:
    """Say a length of time in its two largest units: 2 h 29 min."""
    whole = int(seconds)
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    if days:
        return ngettext("%(num)s day", "%(num)s days", days) + (f" {hours} h" if hours else "")
    if hours:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{minutes} min" if minutes else f"{left} s"


def size(octets: float) -> str:
    """Show a size with two digits that count: 212 KB, 4.1 MB."""
    amount = octets / _KIB
    unit = _UNITS[0]
    for unit in _UNITS:
        if amount < _KIB * 0.98 or unit == _UNITS[-1]:
            break
        amount /= _KIB
    shown = (
        round(amount, 1)
        if 0 < amount < 10 and unit != "KB"
        else max(round(amount), int(octets > 0))
    )
    return f"{number(shown)} {unit}"


def number(value: float) -> str:
    """Show a number with the separators of the reader's language."""
    return str(format_decimal(value, locale=get_locale()))


def initials(name: str) -> str:
    """Return the two letters that stand for a person."""
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    letters = words[0][0] + words[1][0] if len(words) > 1 else "".join(words)[:2]
    return letters.upper()


def browser(agent: str) -> str:
    """Name a browser and its system by what it says of itself."""
    name = next((name for mark, name in _BROWSERS if mark in agent), _("A program"))
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return _("%(browser)s on %(system)s", browser=name, system=system) if system else str(name)


def element(us: int, text: str) -> Markup:
    """Return words for a time as the element that says it exactly."""
    then = datetime.fromtimestamp(us / MICROSECONDS, UTC)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        then.isoformat(timespec="seconds"), exactly(us), text
    )
