"""The row `cores`: the same work by a server that is held to one core, and by one with all of them.

The work is that of `accept-c50`, `pop3-login` and `pop3-retr-pipelined`; the first also with
`smtp.processes` 2. The clients are held to nothing: beside one core they have the other for
themselves, beside all they share them with the server.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from measure import measure
from plan import Plan
from posthouse_server import Posthouse
from result import Better, Measure, Result
from rows import ROWS, Row

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "run"]

NAME = "cores"
TITLE = "receiving and reading with all cores against one"
AGAINST = "one core"
GOALS = "-"


@dataclasses.dataclass(frozen=True, slots=True)
class _Task:
    """What is done, and with which settings."""

    label: str
    row: Row
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)


_TASKS = (
    _Task("accept-c50", ROWS["accept-c50"]),
    _Task("accept-c50, smtp.processes 2", ROWS["accept-c50"], {"smtp.processes": "2"}),
    _Task("pop3-login", ROWS["pop3-login"]),
    _Task("pop3-retr-pipelined", dataclasses.replace(ROWS["pop3-retr-pipelined"], count=216_000)),
)


class _Held(Posthouse):
    """Posthouse on some cores only, with settings of a task."""

    cores: str
    task: _Task

    def command(self) -> list[str]:
        """Holds the server to its cores (taskset(1))."""
        return ["taskset", "--cpu-list", self.cores, *super().command()]

    def settings(self) -> dict[str, str]:
        """Adds the task's."""
        return {**super().settings(), **self.task.settings}


def run(plan: Plan) -> Result:
    """Measures the row.

    Raises:
        ClientError, ServerError, RunError, OSError: no result came about.
    """
    every = sorted(os.sched_getaffinity(0))
    sides = (str(every[0]), ",".join(map(str, every)))
    rates: dict[str, tuple[list[float], list[float]]] = {}
    used: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(1, plan.pairs + 1):
        for place, task in enumerate(_TASKS):
            row = task.row.scaled(plan.scale)
            for side, cores in enumerate(sides):
                home = plan.work / f"{number}-{place}-{side}"
                home.mkdir()
                server = _Held(home, row.mailboxes)
                server.cores, server.task = cores, task
                with server:
                    figures = measure(server, row)
                    described = server.describe()
                busy = figures["cpu_us"] * figures["rate"] / 1e6
                rates.setdefault(task.label, ([], []))[side].append(figures["rate"])
                used.setdefault(task.label, ([], []))[side].append(float(f"{busy:.3g}"))
        told = (f"{label} {one[-1]:,.0f} | {all_[-1]:,.0f}" for label, (one, all_) in rates.items())
        plan.say(f"  round {number}: {', '.join(told)}\n")
    units = {task.label: task.row.unit for task in _TASKS}
    measures = []
    for label, (one, all_) in rates.items():
        name = "".join(c if c.isalnum() else "_" for c in label)
        measures += [
            Measure(
                name=name,
                label=f"{label}: {units[label]}s a second",
                better=Better.MORE,
                peer=one,
                ours=all_,
            ),
            Measure(
                name=f"{name}_cores",
                label=f"{label}: cores that the server uses",
                better=Better.MORE,
                peer=used[label][0],
                ours=used[label][1],
            ),
        ]
    return Result(
        row=NAME,
        title=TITLE,
        sides=("one core", f"{len(every)} cores"),
        measures=measures,
        details={
            "order": "each round: each task on one core, then on all, each a fresh server",
            "posthouse": described,
        },
    )
