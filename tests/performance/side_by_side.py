"""The row `side-by-side`: sending, delivering and reading at once, against each by itself.

In each round a fresh load of `smtp-source`, 50 connections that are never done; a reader that logs
in, says STAT and QUIT, again and again; and a letter after the other that is timed from its 250
until a POP3 session counts it. First the load alone, then reader and letters alone, then all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import poplib
import smtplib
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import clients
import profiling
from plan import Plan
from posthouse_server import Posthouse, commit
from result import Better, Measure, Result
from server import Watch, wait_until

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "look", "run"]

NAME = "side-by-side"
TITLE = "receiving, delivering and reading at once, against each alone"
AGAINST = "each alone"
GOALS = "-"
_SECONDS = 6.0  # of each phase
_CONNECTIONS = 50
_LOAD = 1_000_000  # messages: more than are sent in the time
_LOOK_S = 0.005  # between two looks for a letter
_READER, _LETTERS, _LOADED = 0, 1, 2  # whose mailbox: the place in the accounts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Phase:
    """What one phase gave; nothing for what it had not."""

    messages: float = 0.0  # delivered a second
    sessions: float = 0.0  # a second
    session_ms: Sequence[float] = ()
    seen_ms: Sequence[float] = ()
    cores: float = 0.0  # that the server's processes used


def _stat(server: Posthouse, account: clients.Account) -> int:
    session = poplib.POP3(*server.pop3, timeout=clients.PATIENCE)
    session.user(account.login)
    session.pass_(account.password)
    count, _ = session.stat()
    session.quit()
    return count


def _read(server: Posthouse, until: float) -> list[float]:
    """Returns the milliseconds from connect to the answer to QUIT of each session."""
    taken = []
    while time.perf_counter() < until:
        begin = time.perf_counter()
        _stat(server, server.accounts[_READER])
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def _write(server: Posthouse, until: float) -> list[float]:
    """Returns the milliseconds from each letter's 250 until a new session counts it.

    Raises:
        ClientError: a letter does not come.
    """
    account, taken = server.accounts[_LETTERS], []
    while time.perf_counter() < until:
        before = _stat(server, account)
        with smtplib.SMTP(*server.smtp, timeout=clients.PATIENCE) as session:
            session.sendmail(clients.SENDER, [account.address], "Subject: when\r\n\r\nthen\r\n")
            begin = time.perf_counter()
        while _stat(server, account) == before:
            if time.perf_counter() > begin + clients.PATIENCE:
                raise clients.ClientError("a letter that was taken does not come")
            time.sleep(_LOOK_S)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


@contextlib.contextmanager
def _load(server: Posthouse) -> Iterator[None]:
    host, port = server.smtp
    address = server.accounts[_LOADED].address
    with subprocess.Popen(
        [
            *("smtp-source", "-d", "-s", str(_CONNECTIONS), "-m", str(_LOAD), "-l", "4096"),
            *("-f", clients.SENDER, "-t", address, f"inet:{host}:{port}"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as client:
        try:
            yield
            if client.poll() is not None:
                raise clients.ClientError("smtp-source ended early")
        finally:
            client.kill()


def _phase(server: Posthouse, seconds: float, *, load: bool, people: bool) -> _Phase:
    """Has a load, people, or both at the server for some seconds.

    Raises:
        ClientError: somebody was not served.
    """
    found: dict[str, list[float]] = {"_read": [], "_write": []}
    failed: list[BaseException] = []
    with contextlib.ExitStack() as stack:
        before, cpu = server.delivered(), server.cpu_seconds()
        if load:
            stack.enter_context(_load(server))
        begin = time.perf_counter()

        def note(what: Callable[[Posthouse, float], list[float]]) -> None:
            try:
                found[what.__name__] = what(server, begin + seconds)
            except Exception as error:  # noqa: BLE001 - raised below, in the thread that measures
                failed.append(error)

        threads = [threading.Thread(target=note, args=(each,)) for each in (_read, _write)]
        for thread in threads if people else ():
            thread.start()
        for thread in threads if people else ():
            thread.join()
        time.sleep(max(0.0, begin + seconds - time.perf_counter()))
        took = time.perf_counter() - begin
        cpu = server.cpu_seconds() - cpu
        delivered = server.delivered() - before
    if failed:
        raise clients.ClientError(f"somebody was not served: {failed[0]}")
    wait_until(server.is_settled, "all delivered", patience=clients.PATIENCE)
    return _Phase(
        messages=delivered / took if load else 0.0,
        sessions=len(found["_read"]) / took,
        session_ms=found["_read"],
        seen_ms=found["_write"],
        cores=cpu / took,
    )


def _p99(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def _measure(
    name: str,
    label: str,
    rounds: Sequence[tuple[_Phase, _Phase]],
    value: Callable[[_Phase], float],
    better: Better = Better.LESS,
) -> Measure:
    alone, both = ([float(f"{value(each):.4g}") for each in side] for side in zip(*rounds))  # noqa: B905 - pairs
    return Measure(name=name, label=label, better=better, peer=alone, ours=both)


def look(plan: Plan) -> profiling.Profile:
    """Profiles all at once.

    Raises:
        ProfileError, ClientError, ServerError: no profile came about.
    """
    with Posthouse(plan.work, 3) as server:
        for account in server.accounts:
            _stat(server, account)

        def work(watch: Watch) -> None:
            with watch(server):
                _phase(server, max(1.0, _SECONDS * plan.scale), load=True, people=True)

        return profiling.profile(work)


def run(plan: Plan) -> Result:
    """Measures the row.

    Raises:
        ClientError: somebody was not served.
        ServerError: the server did not start, or did not deliver.
    """
    sending: list[tuple[_Phase, _Phase]] = []
    reading: list[tuple[_Phase, _Phase]] = []
    seconds = max(1.0, _SECONDS * plan.scale)
    with Posthouse(plan.work, 3) as server:
        for account in server.accounts:
            _stat(server, account)
        for number in range(1, plan.pairs + 1):
            load = _phase(server, seconds, load=True, people=False)
            people = _phase(server, seconds, load=False, people=True)
            both = _phase(server, seconds, load=True, people=True)
            sending.append((load, both))
            reading.append((people, both))
            plan.say(
                f"  round {number}: {load.messages:.0f} | {both.messages:.0f} messages/s, "
                f"{people.sessions:.0f} | {both.sessions:.0f} sessions/s\n"
            )
        settings = server.settings()
    median = statistics.median
    return Result(
        row=NAME,
        title=TITLE,
        sides=("alone", "at once"),
        measures=[
            _measure("rate", "messages/s delivered", sending, lambda p: p.messages, Better.MORE),
            _measure("sessions", "POP3 sessions/s", reading, lambda p: p.sessions, Better.MORE),
            _measure("session_ms", "a session, ms", reading, lambda p: median(p.session_ms)),
            _measure("session_p99_ms", "of 100 sessions the longest, ms", reading,
                     lambda p: _p99(p.session_ms)),
            _measure("seen_ms", "from a 250 until it is seen, ms", reading,
                     lambda p: median(p.seen_ms)),
            _measure("seen_p99_ms", "of 100 letters the latest, ms", reading,
                     lambda p: _p99(p.seen_ms)),
            _measure("cores", "cores the server uses", sending, lambda p: p.cores, Better.MORE),
        ],
        details={
            "order": "each round: the load alone, reader and letters alone, all at once; "
            f"{seconds:g} s each",
            "posthouse": {
                "commit": commit(),
                "settings besides the demonstration's": settings,
                "fsync": "SQLite WAL, synchronous=FULL",
            },
        },
    )  # fmt: skip
