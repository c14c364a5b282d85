"""One run: a fresh server, its preparation, the measured phase, its figures."""

from __future__ import annotations

import dataclasses
import os
import resource
import time

from clients import fetch, login_sessions, send_mail
from rows import Row, Work
from server import Server, wait_until

__all__ = ["Figures", "RunError", "measure"]

SETTLE = 0.3
"""Seconds in which late work (queue marks, removed queue files) still counts as CPU."""

DELIVERY = 90.0
"""Seconds in which everything accepted must be in its mailbox."""


class RunError(Exception):
    """The run did not do what it should have measured."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run gave.

    Attributes:
        seconds: the measured phase.
        rate: units a second in it.
        cpu_us: microseconds of the server's CPU per unit, over the whole phase and `SETTLE`.
        client_cpu_us: the same of the client.
        accepted_seconds: until the last 250 (accept rows).
        session_seconds: with login and QUIT (POP3 rows).
        load: the machine's load average before the run.
    """

    seconds: float
    rate: float
    cpu_us: float
    client_cpu_us: float
    load: float
    accepted_seconds: float | None = None
    session_seconds: float | None = None


def _client_cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


def _prepare(server: Server, row: Row) -> None:
    """Fills the mailboxes and opens each once, so that indexes and caches are warm."""
    if row.work is Work.ACCEPT:
        # One message a connection: maps are read, processes forked, folders made.
        send_mail(
            server.smtp,
            server.accounts,
            count=row.connections,
            size=row.size,
            connections=row.connections,
        )
        wait_until(lambda: server.delivered() >= row.connections, "warm-up delivered", pause=0.02)
        return
    server.fill(row.held * row.mailboxes or row.count, row.size)
    login_sessions(server.pop3, server.accounts, 4 * row.mailboxes)


def measure(server: Server, row: Row) -> Figures:
    """Runs the row's work on a started server.

    Raises:
        ClientError: the server answered otherwise than expected.
        ServerError: the server did not deliver in time.
        RunError: the mailboxes don't show what they should.
        OSError: a connection broke.
    """
    load = os.getloadavg()[0]
    _prepare(server, row)
    os.sync()
    before = server.delivered() if row.work is Work.ACCEPT else 0
    cpu, client_cpu = server.cpu_seconds(), _client_cpu()
    accepted: float | None = None
    whole: float | None = None
    start = time.perf_counter()
    match row.work:
        case Work.ACCEPT:
            send_mail(
                server.smtp,
                server.accounts,
                count=row.count,
                size=row.size,
                connections=row.connections,
                reuse=row.reuse,
            )
            accepted = time.perf_counter() - start
            done = before + row.count
            wait_until(
                lambda: server.delivered() >= done, "all delivered", patience=DELIVERY, pause=0.01
            )
            seconds = time.perf_counter() - start
        case Work.LOGIN:
            seconds = login_sessions(server.pop3, server.accounts, row.count)
        case Work.RETR | Work.RETR_DELE:
            delete = row.work is Work.RETR_DELE
            seconds, whole = fetch(
                server.pop3,
                server.accounts,
                count=row.count,
                size=row.size,
                window=row.window,
                delete=delete,
            )
            # The deletion happens at QUIT, so QUIT belongs to the work.
            seconds = whole if delete else seconds
    client_cpu = _client_cpu() - client_cpu
    time.sleep(SETTLE)
    cpu = server.cpu_seconds() - cpu
    _check(server, row)
    return Figures(
        seconds=round(seconds, 4),
        rate=round(row.count / seconds, 1),
        cpu_us=round(cpu / row.count * 1e6, 1),
        client_cpu_us=round(client_cpu / row.count * 1e6, 1),
        accepted_seconds=None if accepted is None else round(accepted, 4),
        session_seconds=None if whole is None else round(whole, 4),
        load=round(load, 2),
    )


def _check(server: Server, row: Row) -> None:
    """Makes sure that the work was really done: nothing doubled, nothing left."""
    if row.work is Work.ACCEPT and (found := server.delivered()) != row.count + row.connections:
        raise RunError(
            f"{row.count + row.connections} messages were sent, {found} are in the mailboxes"
        )
    if row.work is Work.RETR_DELE and (found := server.delivered()):
        raise RunError(f"{found} messages are left after RETR + DELE of all")
