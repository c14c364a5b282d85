"""The services: which run, since when, how many are connected (manual §5.8)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from flask import Blueprint, render_template
from flask_babel import gettext as _
from flask_babel import ngettext
from prometheus_client.parser import text_string_to_metric_families

from appliance.operations.health import ServiceState, ShowHealth
from appliance.operations.services import ListServices, Process, ReadMetrics
from webadmin.context import ask

_LOGS = {
    "smtp": "SMTP",
    "sender": "SMTP",
    "mta": "MTA",
    "pop3": "POP",
    "web": "WEB",
    "httpmail": "HTTPMAIL",
    "housekeeping": "MTA",
}
_CONNECTIONS = "posthouse_connections"


@dataclass(frozen=True, slots=True)
class Line:
    """A service on the page.

    Attributes:
        state: its name and how many processes of it run.
        processes: these.
        connections: open at this moment, by process id.
        log: the folder of its logs; empty for none of its own.
    """

    state: ServiceState
    processes: tuple[Process, ...]
    connections: Counter[int]
    log: str


def register(blueprint: Blueprint) -> None:
    """Add the page to the room."""
    blueprint.add_url_rule("/services", "services", services)


def services() -> str:
    """Show the services."""
    lines = service_lines()
    down = [each.state.name for each in lines if each.state.expected and not each.processes]
    if down:
        heading = ngettext(
            "%(names)s does not run", "%(names)s do not run", len(down), names=", ".join(down)
        )
    else:
        heading = _("All %(count)s services run", count=len(lines))
    return render_template("server/services.html", lines=lines, heading=heading)


def service_lines() -> list[Line]:
    """Return the services with their processes, by name."""
    processes = ask(ListServices())
    connections = _connections()
    return [
        Line(
            state=state,
            processes=tuple(each for each in processes if each.service == state.name),
            connections=connections.get(state.name, Counter()),
            log=_LOGS.get(state.name, ""),
        )
        for state in ask(ShowHealth()).services
    ]


def _connections() -> dict[str, Counter[int]]:
    """Return how many connections each process has open."""
    found: dict[str, Counter[int]] = {}
    for family in text_string_to_metric_families(ask(ReadMetrics())):
        for sample in family.samples:
            if sample.name == _CONNECTIONS:
                of = found.setdefault(sample.labels["process"], Counter())
                of[int(sample.labels["pid"])] += int(sample.value)
    return found
