"""The services' logs: the last lines, narrowed, followed, and as files (manual §8.3)."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from appliance.operations.logs import FindLogs
from appliance.operations.operation import NotFound
from appliance.operations.watch import LOGGED
from webadmin.context import ask
from webadmin.formats import number
from webadmin.server.tail import Tail, last_lines, new_lines, octets_of

KINDS = {
    "activity": _l("Commands and answers"),
    "debug": _l("Decisions"),
    "w3c": _l("W3C"),
}
_LENGTHS = (100, 500, 2000)
_ID = re.compile(r"(?<![0-9A-Z])(?=[0-9A-Z]*[0-9])[0-9A-HJKMNP-TV-Z]{16}(?![0-9A-Z])")


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    blueprint.add_url_rule("/logs", "logs", logs)
    blueprint.add_url_rule("/logs/new", "new_log_lines", new_log_lines)
    blueprint.add_url_rule("/logs/<service>/<name>", "log_file", log_file)


def logs() -> str:
    """Show the end of a log."""
    service, kind, containing, length = _asked()
    files = ask(FindLogs(service=service, kind=kind))
    tail = last_lines(files, containing=containing, most=length)
    return render_template(
        "server/logs.html",
        tail=tail,
        lines=_told(tail),
        next=_next(tail, service=service, kind=kind, containing=containing, length=length),
        tabs=[
            (each, url_for(".logs", service=each, kind=kind), each == service, None)
            for each in LOGGED
        ],
        service=service,
        kinds=KINDS,
        kind=kind,
        containing=containing,
        length=length,
        lengths=[(each, _("%(count)s lines", count=number(each))) for each in _LENGTHS],
        follow=request.args.get("follow") == "yes",
        files=[(path.name, path.stat().st_size) for path in reversed(files)],
    )


def new_log_lines() -> str:
    """Return what was written since the last look, as a part of the page."""
    service, kind, containing, length = _asked()
    files = ask(FindLogs(service=service, kind=kind))
    end = request.args.get("end", 0, type=int)
    tail = new_lines(
        files,
        containing=containing,
        file=request.args.get("file", ""),
        end=max(0, end),
        most=length,
    )
    return render_template(
        "server/log_lines.html",
        lines=_told(tail),
        next=_next(tail, service=service, kind=kind, containing=containing, length=length),
    )


def log_file(service: str, name: str) -> Response:
    """Hand out a log as a file."""
    for kind in KINDS:
        for path in ask(FindLogs(service=service, kind=kind)):
            if path.name == name:
                return _as_file(path)
    raise NotFound(_("There is no log %(name)s any more.", name=name))


def _as_file(path: Path) -> Response:
    return Response(
        octets_of(path),
        mimetype="text/plain",
        headers={"Content-Disposition": f'attachment; filename="{path.name}"'},
    )


def _asked() -> tuple[str, str, str, int]:
    args = request.args
    service, kind = args.get("service", LOGGED[0]), args.get("kind", "activity")
    length = args.get("length", _LENGTHS[0], type=int)
    return (
        service if service in LOGGED else LOGGED[0],
        kind if kind in KINDS else "activity",
        args.get("q", "").strip(),
        length if length in _LENGTHS else _LENGTHS[0],
    )


def _told(tail: Tail) -> list[list[tuple[str, bool]]]:
    return [pieces(line) for line in tail.lines]


def _next(tail: Tail, *, service: str, kind: str, containing: str, length: int) -> str:
    """Return where to ask for the lines that follow."""
    return url_for(
        ".new_log_lines",
        service=service,
        kind=kind,
        q=containing or None,
        length=length,
        file=tail.file,
        end=tail.end,
    )


def pieces(line: str) -> list[tuple[str, bool]]:
    """Split a line at the ids of messages; each piece with whether it is one."""
    found: list[tuple[str, bool]] = []
    place = 0
    line = line.replace("\t", "  ")
    for match in _ID.finditer(line):
        found += [(line[place : match.start()], False), (match[0], True)]
        place = match.end()
    return [piece for piece in (*found, (line[place:], False)) if piece[0]]
