"""A row of `rows.py`, run against its peer, pair by pair, each run on a fresh server and folder."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
import time
from collections.abc import Sequence

import file_server
import peers
import posthouse_server
import profiling
import sink
from measure import Figures, measure
from plan import Plan
from result import Better, Judged, Measure, Result
from rows import Peer, Row, Work
from server import Server, Watch

__all__ = ["look", "run"]

_PEERS: dict[Peer, type[Server]] = {
    Peer.POSTFIX: peers.Postfix,
    Peer.POSTFIX_LMTP: peers.PostfixLmtp,
    Peer.POSTFIX_RELAY: sink.PostfixRelay,
    Peer.FILES: file_server.FileServer,
    Peer.DOVECOT: peers.Dovecot,
}

MEASURES: dict[str, tuple[str, Better]] = {
    "rate": ("{unit}s a second", Better.MORE),
    "cpu_us": ("server CPU a {unit}, µs", Better.LESS),
    "seconds": ("seconds from the end of the data until all have it", Better.LESS),
    "whole_seconds": ("seconds from the first connect until all have it", Better.LESS),
    "wait_seconds": ("seconds from the end of the data to the 250", Better.LESS),
    "p99_ms": ("99th percentile of the final 250, ms", Better.LESS),
    "p50_ms": ("median of the final 250, ms", Better.LESS),
    "session_ms": ("median session, ms", Better.LESS),
    "session_kib": ("memory a session, KiB", Better.LESS),
}
"""What the page shows of a run's figures: label and which way is better."""

_SHOWN = {
    Work.FANOUT: ("seconds", "whole_seconds", "wait_seconds", "cpu_us"),
    Work.SPREAD: ("rate", "cpu_us", "p50_ms", "p99_ms"),
    Work.LATENCY: ("p99_ms", "p50_ms", "rate", "cpu_us"),
    Work.LIST: ("rate", "cpu_us", "session_ms"),
    Work.IDLE_SMTP: ("session_kib",),
    Work.IDLE_POP3: ("session_kib",),
}


class _Side:
    """One of the two servers, started afresh for each run or once for all of them."""

    def __init__(self, kind: type[Server], row: Row, stack: contextlib.ExitStack) -> None:
        self.kind = kind
        self.described: dict[str, object] = {}
        self.cpu_method = ""
        self._row = row
        self._stack = stack
        self._server: Server | None = None

    def run(self, home: pathlib.Path, *watch: Watch) -> Figures:
        """Runs the row's work once; `home` is for a server that has to be started."""
        if self._server is not None:
            return measure(self._server, self._row, *watch)
        home.mkdir()
        server = self.kind(
            home,
            self._row.mailboxes,
            postoffices=self._row.postoffices,
            recipients=self._row.count if self._row.work is Work.FANOUT else 0,
            sessions=self._row.count if "idle" in self._row.work else 0,
        )
        if self._row.stays:
            self._server = self._stack.enter_context(server)
            return self._measure(server, *watch)
        with server:
            return self._measure(server, *watch)

    def _measure(self, server: Server, *watch: Watch) -> Figures:
        figures = measure(server, self._row, *watch)
        if not self.described:
            self.described = server.describe()
        self.cpu_method = server.meter.method
        return figures


def run(row: Row, plan: Plan) -> Result:
    """Measures one row.

    Raises:
        ClientError, ServerError, RunError, OSError: no result came about.
    """
    row = row.scaled(plan.scale)
    peer, ours = _PEERS[row.peer], _ours(row)
    pairs: list[tuple[Figures, Figures]] = []
    with contextlib.ExitStack() as stack:
        sides = (_Side(peer, row, stack), _Side(peer if plan.peer_only else ours, row, stack))
        names = (peer.name, sides[1].kind.name + (" again" if plan.peer_only else ""))
        for number in range(1, plan.pairs + 1):
            start = time.monotonic()
            homes = (plan.work / f"{number}-peer", plan.work / f"{number}-ours")
            # Whoever comes second is a little faster here, so each does in turn.
            if number % 2:
                peer_run, our_run = sides[0].run(homes[0]), sides[1].run(homes[1])
            else:
                our_run, peer_run = sides[1].run(homes[1]), sides[0].run(homes[0])
            pair = (peer_run, our_run)
            pairs.append(pair)
            told = _told(row, names, pair)
            plan.say(f"  pair {number}: {told} ({time.monotonic() - start:.0f} s)\n")
    return Result(
        row=row.name,
        title=row.title,
        sides=names,
        measures=_measures(row, pairs),
        details={
            "work": dataclasses.asdict(row),
            "order": "peer, Posthouse; Posthouse, peer; peer, Posthouse; …; "
            + ("all on two servers" if row.stays else "each a fresh server on a fresh folder"),
            "cpu method": sides[1].cpu_method,
            "peer": sides[0].described,
            "posthouse": sides[1].described,
            "runs": [{"peer": peer, "ours": ours} for peer, ours in pairs],
        },
    )


def look(row: Row, plan: Plan) -> profiling.Profile:
    """Profiles Posthouse at one row's work.

    Raises:
        ProfileError, ClientError, ServerError, RunError, OSError: no profile came about.
    """
    row = dataclasses.replace(row, count=max(row.count, row.profiled)).scaled(plan.scale)
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:
        side = _Side(_ours(row), row, stack)
        return profiling.profile(lambda watch: side.run(plan.work / f"{next(numbers)}-ours", watch))


def _ours(row: Row) -> type[Server]:
    return sink.PosthouseRelay if row.peer is Peer.POSTFIX_RELAY else posthouse_server.Posthouse


def _told(row: Row, names: tuple[str, str], pair: tuple[Figures, Figures]) -> str:
    label, _ = _meaning(row, row.measure)
    peer, ours = (each[row.measure] for each in pair)
    ratio = f", ratio {ours / peer:.3g}" if peer else ""
    texts = [f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" for value in (peer, ours)]
    return f"{names[0]} {texts[0]}, {names[1]} {texts[1]} {label}{ratio}"


def _meaning(row: Row, name: str) -> tuple[str, Better]:
    label, better = MEASURES[name]
    return label.format(unit=row.unit), better


def _measures(row: Row, pairs: Sequence[tuple[Figures, Figures]]) -> list[Measure]:
    found = []
    for name in _SHOWN.get(row.work, ("rate", "cpu_us")):
        label, better = _meaning(row, name)
        floor, goal, judged = None, None, Judged.RATIO
        if name == row.measure or (row.work is Work.FANOUT and name == "whole_seconds"):
            floor, goal, judged = row.floor, row.goal, row.judged
        elif name == "cpu_us":
            floor, goal = row.cpu_floor, row.cpu_goal
        found.append(
            Measure(
                name=name,
                label=label,
                better=better,
                peer=[peer[name] for peer, _ in pairs],
                ours=[ours[name] for _, ours in pairs],
                floor=floor,
                goal=goal,
                judged=judged,
            )
        )
    return found
