"""One run: a started server, its preparation, the measured phase, its figures."""

from __future__ import annotations

import contextlib
import os
import resource
import statistics
import time
from contextlib import AbstractContextManager

import idle
from clients import send_mail
from pop3_load import fetch, list_all, login_sessions
from rows import Row, Work
from server import Server, Watch, Watched, wait_until
from smtp_load import send

__all__ = ["Figures", "RunError", "measure"]

SETTLE = 0.3
"""Seconds in which late work (queue marks, removed queue files) still counts as CPU."""

LIST_SETTLE = 3.0
"""Seconds after which Dovecot trusts its index of a folder that has just changed."""

DELIVERY = 90.0
"""Seconds in which everything accepted must be in its mailbox."""

_DELIVERS = {Work.ACCEPT, Work.SPREAD, Work.LATENCY, Work.FANOUT}

Figures = dict[str, float]
"""What a run gave, by name; `paired.MEASURES` says what each is. In all of them:

`seconds` of the measured phase, `rate` of units a second in it, `cpu_us` of all the server's
processes per unit, over the whole phase and `SETTLE`, `client_cpu_us` of the client's, and the
machine's `load` average before the run.
"""


class RunError(Exception):
    """The run did not do what it should have measured."""


def _nobody(_: Watched) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


def _client_cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


def _prepare(server: Server, row: Row) -> None:
    """Warms the server up, so that caches, processes, folders and indexes are there."""
    addresses = [account.address for account in server.accounts]
    match row.work:
        case Work.ACCEPT:
            # One message a connection: maps are read, processes forked, folders made.
            send_mail(
                server.smtp,
                server.accounts,
                count=row.connections,
                size=row.size,
                connections=row.connections,
            )
            wait_until(
                lambda: server.delivered() >= row.connections, "warm-up delivered", pause=0.02
            )
        case Work.SPREAD | Work.LATENCY:
            each = [(address,) for address in addresses] * max(row.connections // row.mailboxes, 1)
            send(server.smtp, each, size=row.size, connections=row.connections)
            wait_until(server.is_settled, "warm-up delivered", patience=DELIVERY)
        case Work.FANOUT:
            send(server.smtp, [addresses], size=row.size, connections=1, pipelined=True)
            wait_until(server.is_settled, "warm-up delivered", patience=DELIVERY)
        case Work.LIST:
            if not server.delivered():
                server.fill(row.held, row.size)
            for pause in (0, 0, 0, LIST_SETTLE, 0, 0, 0, 0):  # each of several processes is warm
                list_all(server.pop3, server.accounts[0], row.held)
                time.sleep(pause)
        case Work.IDLE_SMTP | Work.IDLE_POP3:
            pass
        case _:
            server.fill(row.held * row.mailboxes or row.count, row.size)
            login_sessions(server.pop3, server.accounts, 4 * row.mailboxes)


def measure(server: Server, row: Row, watch: Watch = _nobody) -> Figures:
    """Runs the row's work on a started server.

    Args:
        server: which.
        row: what to do.
        watch: entered for as long as the work lasts.

    Raises:
        ClientError: the server answered otherwise than expected.
        ServerError: the server did not deliver in time.
        RunError: the mailboxes don't show what they should.
        OSError: a connection broke.
    """
    load = os.getloadavg()[0]
    _prepare(server, row)
    os.sync()
    before = server.delivered() if row.work in _DELIVERS else 0
    cpu, client_cpu = server.cpu_seconds(), _client_cpu()
    with watch(server):
        figures = _work(server, row, before)
    client_cpu = _client_cpu() - client_cpu
    if row.work in _DELIVERS:
        wait_until(server.is_settled, "all delivered", patience=DELIVERY)
    time.sleep(SETTLE)
    cpu = server.cpu_seconds() - cpu
    _check(server, row, before)
    found = {
        "rate": row.count / figures["seconds"],
        "cpu_us": cpu / row.count * 1e6,
        "client_cpu_us": client_cpu / row.count * 1e6,
        "load": load,
        **figures,
    }
    return {name: float(f"{value:.5g}") for name, value in found.items()}


def _work(server: Server, row: Row, before: int) -> Figures:
    """Does what the row measures, `before` messages being in the mailboxes."""
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
            return {"seconds": time.perf_counter() - start, "accepted_seconds": accepted}
        case Work.SPREAD | Work.LATENCY:
            boxes = [(account.address,) for account in server.accounts]
            each = [boxes[number % len(boxes)] for number in range(row.count)]
            sent = send(server.smtp, each, size=row.size, connections=row.connections)
            waits = statistics.quantiles(sent.waits, n=100)
            if row.work is Work.SPREAD:
                wait_until(server.is_settled, "all delivered", patience=DELIVERY, pause=0.01)
            end = time.perf_counter()
            if row.work is Work.SPREAD:
                _check(server, row, before)
            return {
                "seconds": end - start,
                "accepted_seconds": sent.ended - start,
                "p50_ms": waits[49] * 1000,
                "p99_ms": waits[98] * 1000,
            }
        case Work.FANOUT:
            addresses = [account.address for account in server.accounts]
            sent = send(server.smtp, [addresses], size=row.size, connections=1, pipelined=True)
            wait_until(server.is_settled, "all delivered", patience=DELIVERY, pause=0.002)
            end = time.perf_counter()
            _check(server, row, before)
            return {
                "seconds": end - sent.data_sent,
                "whole_seconds": end - sent.began,
                "wait_seconds": sent.waits[0],
            }
        case Work.LOGIN:
            return {"seconds": login_sessions(server.pop3, server.accounts, row.count)}
        case Work.LIST:
            times = [list_all(server.pop3, server.accounts[0], row.held) for _ in range(row.count)]
            return {"seconds": sum(times), "session_ms": statistics.median(times) * 1000}
        case Work.IDLE_SMTP | Work.IDLE_POP3:
            return idle.hold(server, row)
        case Work.RETR | Work.RETR_DELE:
            delete = row.work is Work.RETR_DELE
            seconds, whole = fetch(
                server.pop3,
                server.accounts,
                count=row.count,
                held=row.held or row.count // row.mailboxes,
                size=row.size,
                window=row.window,
                delete=delete,
            )
            # The deletion happens at QUIT, so QUIT belongs to the work.
            return {"seconds": whole if delete else seconds, "session_seconds": whole}


def _check(server: Server, row: Row, before: int) -> None:
    """Makes sure that the work was really done: nothing doubled, nothing left."""
    if row.work in _DELIVERS and (found := server.delivered()) != before + row.count:
        raise RunError(f"{before + row.count} messages were sent, {found} are in the mailboxes")
    if row.work is Work.RETR_DELE and (found := server.delivered()):
        raise RunError(f"{found} messages are left after RETR + DELE of all")
