"""`make kills`: end a service at a labelled step under load, again and again, then count the mail.

On PostgreSQL its connections are cut, it is restarted, and it is made to crash, too.

Prints for each step how often a process was ended there, how many recipients had been acknowledged
meanwhile, and how many of them were lost or doubled. Exits 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import psycopg
from load import Ledger, Sink, drain
from target import Server, free_port_base, furnish, load, wait_for

from appliance.runtime.steps import STEPS
from tests.support.postgresql import DURABLE, OwnCluster, own

_ARMED_S = 40.0
_SETTLE_S = 120.0
_HANG_UP, _RESTART, _CRASH = _BLOWS = (
    "postgresql.hang-up",  # all connections are cut, whatever is under way on them
    "postgresql.restart",
    "postgresql.crash",
)
_BLOW_WITHIN_S = 0.5
_LEASE_S = 3
# Steps at which the sender may end with answers it has not marked yet.
_ENDS_SENDER = (
    *("sender.sent", "sender.connected", "queue.commit.before", "queue.commit.after"),
    *_BLOWS,
)
_CONNECTIONS = 5  # smtp.max_send_per_destination


class Gate:
    """What ends a process of the server at a step, see `gated.py`."""

    def __init__(self, folder: Path) -> None:
        """Have its files in a folder."""
        self._armed = folder / "armed"
        self._record = folder / "killed"

    def environment(self, broken: str) -> dict[str, str]:
        """Return what the server is told."""
        return {
            "KILL_FILE": str(self._armed),
            "KILL_RECORD": str(self._record),
            "BREAK": broken,
            "LEASE_S": str(_LEASE_S),
        }

    def kill(self, step: str, passes: int) -> bool:
        """Arm a step and wait until a process has ended there; returns whether one has."""
        before = self._kills()
        draft = self._armed.with_suffix(".new")
        draft.write_text(f"{step} {passes}", encoding="ascii")
        draft.replace(self._armed)
        deadline = time.monotonic() + _ARMED_S
        while self._kills() == before and time.monotonic() < deadline:
            threading.Event().wait(0.005)
        self.disarm()
        return self._kills() > before

    def disarm(self) -> None:
        """End nobody any more."""
        self._armed.unlink(missing_ok=True)

    def _kills(self) -> int:
        return len(self._record.read_text().splitlines()) if self._record.exists() else 0


def strike(cluster: OwnCluster, blow: str) -> None:
    """Do something to PostgreSQL that its clients feel."""
    if blow == _HANG_UP:
        with psycopg.connect(cluster.url("kills"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return
    cluster.stop("fast" if blow == _RESTART else "immediate")
    cluster.start()


@contextlib.contextmanager
def database(kind: str) -> Iterator[OwnCluster | None]:
    """Have a PostgreSQL with an empty database, where one is asked for."""
    if kind == "sqlite":
        yield None
        return
    with own(DURABLE) as cluster:
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE kills")
        yield cluster


def run(*, count: int, seed: int, broken: str, steps: Sequence[str], kind: str) -> int:
    """Kill, count and tell; returns the exit code."""
    chooser = random.Random(seed)
    ledger = Ledger()
    sink = Sink(ledger)
    sink.open()
    plan = [steps[number % len(steps)] for number in range(count)]
    chooser.shuffle(plan)
    with (
        tempfile.TemporaryDirectory(prefix="posthouse-kills-") as folder,
        database(kind) as cluster,
    ):
        gate = Gate(Path(folder))
        server = Server(
            Path(folder) / "home",
            Path(folder) / "serve.log",
            port_base=free_port_base(),
            gate=gate.environment(broken),
            database_url=cluster.url("kills") if cluster else "",
        )
        try:
            accounts = furnish(server, sink.port)
            done: Counter[str] = Counter()
            started = time.monotonic()
            with load(ledger, server, accounts, seed=seed):
                for number, step in enumerate(plan):
                    ledger.round = number
                    if step in _BLOWS:
                        assert cluster is not None
                        threading.Event().wait(chooser.uniform(0, _BLOW_WITHIN_S))
                        strike(cluster, step)
                        done[step] += 1
                    else:
                        done[step] += gate.kill(step, chooser.randint(1, 15))
                    print(f"\r{number + 1}/{count} {step:<24}", end="", file=sys.stderr, flush=True)
                ledger.round = count
                took = time.monotonic() - started
            gate.disarm()
            wait_for(server.queue_is_empty, _SETTLE_S, "the queue did not empty")
            drain(ledger, server.ports["pop3"], accounts, within_s=_SETTLE_S)
        finally:
            server.stop()
            sink.close()
    print(file=sys.stderr)
    return _tell(ledger, plan, done, took=took, broken=broken)


def _tell(ledger: Ledger, plan: list[str], done: Counter[str], *, took: float, broken: str) -> int:
    plan = [*plan, "(afterwards)"]
    acknowledged, lost, doubled, sent_again = Counter(), Counter(), Counter(), Counter()  # type: ignore[var-annotated]
    for (message_id, recipient), number in ledger.acknowledged.items():
        step = plan[number]
        acknowledged[step] += 1
        if recipient.endswith("@sink.example"):
            copies = ledger.sunk[message_id]
            sent_again[step] += copies > 1
        else:
            copies = len(ledger.found.get((message_id, recipient), ()))
            doubled[step] += copies > 1
        lost[step] += copies == 0
    # What a remote host has answered and the queue does not know yet is sent again (RFC 1047): one
    # message a connection.
    again = sum(sent_again.values())
    allowed = _CONNECTIONS * sum(done[step] for step in _ENDS_SENDER)
    print(f"{'step':<24}{'kills':>7}{'acknowledged':>14}{'lost':>7}{'doubled':>9}")
    for step in [*STEPS, *_BLOWS, "(afterwards)"]:
        if step in plan:
            print(
                f"{step:<24}{done[step]:>7}{acknowledged[step]:>14}{lost[step]:>7}{doubled[step]:>9}"
            )
    losses, doubles = sum(lost.values()), sum(doubled.values())
    everything = (sum(done.values()), sum(acknowledged.values()), losses, doubles)
    print("{:<24}{:>7}{:>14}{:>7}{:>9}".format("total", *everything))
    print(f"remote copies sent again: {again}, of {allowed} that kills of the sender may cause")
    print(
        f"{sum(done.values())} kills in {took:.0f} s" + (f", broken by {broken}" if broken else "")
    )
    missed = [step for step in set(plan[:-1]) if not done[step]]
    if missed:
        print(f"never reached: {', '.join(sorted(missed))}")
    return 1 if losses or doubles or missed or again > allowed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="how many kills")
    parser.add_argument("--seed", type=int, default=1, help="of the plan and the load")
    parser.add_argument("--break", dest="broken", default="", choices=("", "early-answer"))
    parser.add_argument("--steps", default="", help="only these steps, separated by commas")
    parser.add_argument("--database", default="sqlite", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    every = [*STEPS, *(_BLOWS if options.database == "postgresql" else ())]
    only = [step for step in options.steps.split(",") if step] or every
    sys.exit(
        run(
            count=options.n,
            seed=options.seed,
            broken=options.broken,
            steps=only,
            kind=options.database,
        )
    )
