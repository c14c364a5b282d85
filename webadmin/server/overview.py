"""The first page: is mail flowing, what needs the operator, how do the numbers move?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from appliance.operations.badmail import ListBadMail
from appliance.operations.health import Finding, Health, Severity, ShowHealth
from appliance.operations.operation import NotFound
from appliance.operations.postoffices import ListPostOffices
from appliance.operations.queue import CountDestinations
from appliance.settings import trends as trend_settings
from webadmin.context import ask, house
from webadmin.formats import number, size
from webadmin.server.figures import SPANS, TABLES, Figures, Length, figures, table

_MOST_BAD_MAIL = 99
_RANKED = 5
_NEEDS_NOBODY = Severity.INFO
# What to do about a finding, by the first word of its cause.
_BUTTONS = {
    "service": _l("See the services"),
    "queue": _l("See the messages"),
    "disk": _l("See what takes the space"),
    "certificate": _l("Change the certificate"),
    "logins": _l("See the log"),
    "badmail": _l("See the copies"),
    "setting": _l("See the setting"),
}
_STOPS = ("service", "queue.behind", "disk")  # causes of BAD findings that keep mail from flowing


@dataclass(frozen=True, slots=True)
class Need:
    """A finding as the page shows it.

    Attributes:
        finding: itself.
        button: what to do.
        href: where.
    """

    finding: Finding
    button: str
    href: str


def register(blueprint: Blueprint) -> None:
    """Add the page to the room."""
    blueprint.add_url_rule("/", "home", home)
    blueprint.add_url_rule("/numbers/<what>", "numbers", numbers)


def home() -> str:
    """Show the server at a glance; a part of the page is what refreshes itself."""
    span = _span()
    health = ask(ShowHealth())
    bad_mail = len(ask(ListBadMail(most=_MOST_BAD_MAIL)))
    shown = figures(span, health)
    is_part = bool(request.headers.get("HX-Request"))
    return render_template(
        "server/glance.html" if is_part else "server/home.html",
        heading=heading(health, shown),
        explanation=explanation(health),
        health=health,
        needs=[_need(each) for each in health.findings],
        needing=needing(health.findings),
        figures=shown,
        waiting=[
            (
                each.destination,
                url_for(".queue", destination=each.destination),
                each.waiting,
                number(each.waiting),
            )
            for each in ask(CountDestinations(most=_RANKED))
        ],
        refused=[
            (
                each.name,
                url_for(".logs", service="SMTP", kind="debug", q=each.name),
                each.value,
                number(each.value),
            )
            for each in shown.rules
        ],
        space=[
            (each.name, url_for(".postoffice", name=each.name), each.value, size(each.value))
            for each in shown.store
        ],
        has_postoffices=bool(ask(ListPostOffices())),
        bad_mail=bad_mail,
        most_bad_mail=_MOST_BAD_MAIL,
        span=span,
        choices=_choices(".home", span),
        tables={each: url_for(".numbers", what=each, hours=span.hours) for each in TABLES},
        now=house().clock.now_us(),
    )


def numbers(what: str) -> str:
    """Show what a plot draws as a table, the newest first."""
    if what not in TABLES:
        raise NotFound(_("There is no plot %(what)s.", what=what))
    span = _span()
    found = table(what, span)
    return render_template(
        "server/numbers.html",
        title=TABLES[what],
        span=span,
        choices=_choices(".numbers", span, what=what),
        columns=found.columns,
        rows=found.rows,
    )


def heading(health: Health, shown: Figures) -> str:
    """Say in a sentence how the server is."""
    needs = needing(health.findings)
    for each in health.findings:
        if each.severity is Severity.BAD and each.cause.startswith(_STOPS):
            return f"{each.title}."
    if shown.is_new:
        if not needs:
            return _("Everything runs. No mail has passed yet.")
        return ngettext(
            "Everything runs. One thing needs you.",
            "Everything runs. %(count)s things need you.",
            needs,
            count=number(needs),
        )
    if not needs:
        return _("Mail is flowing. Nothing needs you.")
    return ngettext(
        "Mail is flowing. One thing needs you.",
        "Mail is flowing. %(count)s things need you.",
        needs,
        count=number(needs),
    )


def explanation(health: Health) -> str:
    """Name what the heading counts."""
    titles = [each.title for each in health.findings if each.severity is not _NEEDS_NOBODY]
    return ". ".join(title.rstrip(".") for title in titles[:3]) + "." if titles else ""


def needing(findings: Sequence[Finding]) -> int:
    """Count the findings that somebody should look at."""
    return sum(each.severity is not _NEEDS_NOBODY for each in findings)


def _span() -> Length:
    """Return the length of time that was asked for, as far back as numbers are kept."""
    hours = request.args.get("hours", 24, type=int)
    return next((each for each in _spans() if each.hours == hours), SPANS[0])


def _spans() -> list[Length]:
    kept = house().settings[trend_settings.days] * 24
    return [each for each in SPANS if each.hours <= kept]


def _choices(endpoint: str, span: Length, what: str = "") -> list[tuple[object, str, bool]]:
    return [
        (each.label, url_for(endpoint, what=what or None, hours=each.hours), each is span)
        for each in _spans()
    ]


def _need(finding: Finding) -> Need:
    area = finding.cause.partition(".")[0]
    button = str(_BUTTONS.get(area, _l("Look")))
    return Need(finding, button, f"{url_for('.home')}{finding.link}" if finding.link else "")
