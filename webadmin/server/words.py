"""Times inside sentences, as the console's pages write them."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint
from flask_babel import format_datetime, get_timezone
from flask_babel import gettext as _
from markupsafe import Markup

from appliance.runtime.clock import MICROSECONDS, to_iso
from webadmin import formats

_TENTH_US = MICROSECONDS // 10
_HUNDREDTH_US = MICROSECONDS // 100
_MINUTE_US = 60 * MICROSECONDS
_DAY = timedelta(days=1)


def register(blueprint: Blueprint) -> None:
    """Give templates the filters of this module."""
    for each in (soon, due, clock, day, elapsed, actor):
        blueprint.add_app_template_filter(each)
    blueprint.add_app_template_filter(to_iso, "iso")
    blueprint.add_app_template_filter(formats.exactly, "in_full")


def soon(us: int) -> str:
    """Say when something is due, as it stands in a sentence: at 15:09, on 26 Nov at 12:29."""
    then, now = formats.moment(us), datetime.now(get_timezone())
    if then <= now:
        return _("at once")
    time = format_datetime(then, "HH:mm", rebase=False)
    if then.date() == now.date():
        return _("at %(time)s", time=time)
    return _(
        "on %(day)s at %(time)s", day=format_datetime(then, _("d MMM"), rebase=False), time=time
    )


def due(us: int) -> Markup:
    """Show shortly when something is due: 15:09 within a day, else 26 Nov 12:29; exact on hover."""
    then = formats.moment(us)
    is_near = then - datetime.now(get_timezone()) < _DAY
    shown = format_datetime(then, "HH:mm" if is_near else _("d MMM HH:mm"), rebase=False)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        to_iso(us), formats.exactly(us), shown
    )


def clock(us: int) -> str:
    """Return the time of day to the second."""
    return format_datetime(formats.moment(us), "HH:mm:ss", rebase=False)


def day(us: int) -> str:
    """Return the date."""
    return format_datetime(formats.moment(us), _("d MMM y"), rebase=False)


def elapsed(us: int) -> str:
    """Say a length of time, down to thousandths of a second: 0.004 s, 1.9 s, 2 h 9 min."""
    if us >= _MINUTE_US:
        return formats.span(us // MICROSECONDS)
    digits = 3 if us < _HUNDREDTH_US else 2 if us < _TENTH_US else 1
    return f"{formats.number(round(us / MICROSECONDS, digits))} s"


def actor(text: str) -> str:
    """Say who did something: the audit writes `operator:anna`."""
    kind, _colon, name = text.partition(":")
    return {
        "operator": _("operator %(name)s", name=name),
        "admin": _("admin %(name)s", name=name),
        "mailbox": name,
        "service": _("service %(name)s", name=name),
        "token": _("token %(name)s", name=name),
    }.get(kind, text)
