"""Times as a list and a message show them: short where a heading says the rest."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from flask_babel import format_date, format_datetime, get_timezone
from flask_babel import gettext as _

from webadmin.formats import moment

_DAYS_BY_NAME = 6


def today() -> date:
    """Return the reader's day."""
    return datetime.now(get_timezone()).date()


def day_key(at: int, now: date) -> str:
    """Return what names the heading of a time (µs): a day of late, a month before."""
    day = moment(at).date()
    return day.isoformat() if _is_recent(day, now) else f"{day:%Y-%m}"


def day_heading(at: int, now: date) -> str:
    """Return that heading."""
    day = moment(at).date()
    if day == now:
        return _("Today")
    if day == now - timedelta(days=1):
        return _("Yesterday")
    if _is_recent(day, now):
        return str(format_date(day, "EEEE", rebase=False))
    return str(format_date(day, "LLLL" if day.year == now.year else "LLLL y", rebase=False))


def below_heading(at: int, now: date) -> str:
    """Say when, below that heading."""
    then = moment(at)
    shape = "HH:mm" if _is_recent(then.date(), now) else _("d MMM")
    return str(format_datetime(then, shape, rebase=False))


def without_heading(at: int, now: date) -> str:
    """Say when, where nothing says the day."""
    then = moment(at)
    before = _("d MMM") if then.year == now.year else _("d MMM y")
    return str(format_datetime(then, "HH:mm" if then.date() == now else before, rebase=False))


def on_day(at: int) -> str:
    """Say when in full, to the minute."""
    then, now = moment(at), today()
    clock = str(format_datetime(then, "HH:mm", rebase=False))
    if then.date() == now:
        return _("Today %(clock)s", clock=clock)
    if then.date() == now - timedelta(days=1):
        return _("Yesterday %(clock)s", clock=clock)
    shape = _("EEE d MMM, HH:mm") if then.year == now.year else _("EEE d MMM y, HH:mm")
    return str(format_datetime(then, shape, rebase=False))


def _is_recent(day: date, now: date) -> bool:
    return now - timedelta(days=_DAYS_BY_NAME) <= day
