"""`posthouse logs`: what the services wrote (manual §8.3)."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session
from appliance.operations.watch import LOGGED
from appliance.settings.kinds import Duration, Instant

_BLOCK = 64 << 10
_POLL_S = 0.25
_USUAL = 20
_SLACK = timedelta(seconds=5)  # by which lines of several processes may stand out of order
_LENGTH = Duration(0, 3650 * 86_400)


class _Moment(click.ParamType[datetime]):
    name = "moment"

    def convert(self, value: Any, param: object, ctx: object) -> datetime:  # noqa: ANN401, ARG002 - click's interface
        """Take a moment, or a length of time before now."""
        try:
            return datetime.now(UTC) - timedelta(seconds=_LENGTH.parse(str(value)))
        except ValueError:
            pass
        try:
            moment = Instant().parse(str(value))
        except ValueError:
            moment = None
        if moment is None:
            self.fail(
                f"{value!r} is neither a length of time such as 10m nor a moment such as "
                "2026-11-23T14:30:00Z"
            )
        return moment


@click.group(cls=VerbGroup)
def logs() -> None:
    """The services' logs."""


@logs.command(
    example="""
    posthouse logs show SMTP
    posthouse logs show SMTP --kind debug --follow
    posthouse logs show SMTP --kind debug --since 10m
    posthouse logs show MTA --message 01K3Z8Q4T9XW2M7B
    """
)
@click.argument("service", type=click.Choice(LOGGED, case_sensitive=False))
@click.option(
    "--kind",
    type=click.Choice(("activity", "debug", "w3c")),
    default="activity",
    show_default=True,
    help="Commands and answers, decisions in sentences, or the W3C format.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option(
    "--message", type=options.MESSAGE_ID, metavar="ID", default="", help="Only of this message."
)
@click.option(
    "-n",
    "lines",
    type=click.IntRange(0),
    metavar="N",
    help=f"The last N lines; without it {_USUAL}, with --message or --since all.",
)
@click.option(
    "--since",
    type=_Moment(),
    default=None,
    help="Only since then: 2026-11-23T14:30:00Z, or 10m for the last ten minutes.",
)
@click.pass_obj
def show(
    session: Session,
    *,
    service: str,
    kind: str,
    follow: bool,
    message: str,
    lines: int | None,
    since: datetime | None,
) -> None:
    """Show the last lines of a service's log."""
    from appliance.operations.logs import FindLogs

    if since is not None and kind == "w3c":
        raise click.UsageError("--since is for the activity and debug logs; W3C has its own times")

    def find() -> list[Path]:
        return session.ask(FindLogs(service=service, kind=kind))

    files = find()
    if not files and not follow:
        click.echo(f"There is no {kind} log of {service} yet.", err=True)
        return
    # What is there now is printed first; a line written meanwhile belongs to what follows.
    ends = [(path, path.stat().st_size) for path in files]
    wanted = message.encode()
    if lines is None and not wanted and since is None:
        lines = _USUAL
    for line in last_lines(ends, wanted, lines, since=since):
        _print(line)
    if follow:
        for line in new_lines(find, ends[-1] if ends else None):
            if wanted in line:
                _print(line)


def _print(line: bytes) -> None:
    columns = line.decode("utf-8", "replace").rstrip("\r\n").split("\t")
    click.echo("\t".join(map(output.printable, columns)))


def last_lines(
    ends: list[tuple[Path, int]],
    wanted: bytes,
    number: int | None,
    *,
    since: datetime | None = None,
) -> list[bytes]:
    """Return the last lines of some files, the newest file last.

    Args:
        ends: each file with the size up to which it counts.
        wanted: only lines that hold this.
        number: how many; None for all.
        since: only lines written then or later; None for all.
    """
    first = None if since is None else since.replace(microsecond=0)
    found: deque[bytes] = deque()
    for path, end in reversed(ends):
        for line in _backwards(path, end):
            if number is not None and len(found) >= number:
                return list(found)
            if first is not None:
                at = _written_at(line)
                if at is not None and at < first - _SLACK:
                    return list(found)
                if at is None or at < first:
                    continue
            if wanted in line:
                found.appendleft(line)
    return list(found)


def _written_at(line: bytes) -> datetime | None:
    """Return when a line was written; None where it does not say so."""
    try:
        return datetime.strptime(line[:17].decode("ascii"), "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _backwards(path: Path, end: int) -> Iterator[bytes]:
    """Yield a file's lines from the last to the first, reading it by the block."""
    rest = b""
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _BLOCK)
            file.seek(start)
            block = file.read(end - start) + rest
            end = start
            lines = block.splitlines(keepends=True)
            rest = lines.pop(0) if start and lines else b""
            yield from reversed(lines)
    if rest:
        yield rest


def new_lines(
    find: Callable[[], list[Path]],
    begin: tuple[Path, int] | None,
    *,
    pause: Callable[[], None] = lambda: time.sleep(_POLL_S),
) -> Iterator[bytes]:
    """Yield lines as they are written, going on to the next file when the clock begins one.

    Args:
        find: returns the files there are, the newest last.
        begin: a file and where to begin in it; None waits for the first file.
        pause: waits until it is worth looking again.
    """
    path, place = begin or (None, 0)
    rest = b""
    while True:
        newest = max(find(), key=lambda each: each.stat().st_mtime_ns, default=None)
        if path is not None and path.exists():
            with path.open("rb") as file:
                file.seek(min(place, os.fstat(file.fileno()).st_size))
                lines = (rest + file.read()).splitlines(keepends=True)
                place = file.tell()
            rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
            yield from lines
        if newest is not None and newest != path:
            path, place, rest = newest, 0, b""
            continue
        pause()
