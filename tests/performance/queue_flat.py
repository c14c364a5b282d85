"""The row `queue-flat`: enqueue, pick due, dequeue with a long queue against a short one.

In one process, by the queue's own interface on SQLite, durable as the services use it. Half of the
messages are due, half wait for later, for a thousand destinations.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Sequence

import furnish
import profiling
from plan import Plan
from posthouse_server import commit
from result import Measure, Result
from server import Watch

from appliance.operations.house import House, read_config
from appliance.queue.entry import Claimed, Connector, Finished, Routed, State

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "look", "run"]

NAME = "queue-flat"
TITLE = "enqueue, pick due, dequeue: 1,000,000 queued against 1,000"
AGAINST = "1,000 queued"
GOALS = "1.5x, 1.2x"
_FLOOR, _GOAL = 1.5, 1.2
_SIZES = (1000, 1_000_000)
_BATCH = 50
_REPEATS = 15
_WARM = 3
_PROFILED = 100  # times all steps


class _Worker:
    """The steps of a message's way through the queue, fifty at a time."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._new: list[Claimed] = []
        self._due: list[Claimed] = []

    def steps(self) -> dict[str, Callable[[], object]]:
        """Returns the steps in their order, by their label."""
        return {
            f"enqueue {_BATCH}, ms": self._enqueue,
            f"pick {_BATCH} new, ms": self._pick_new,
            f"route {_BATCH}, ms": self._route,
            f"pick {_BATCH} due, ms": self._pick_due,
            f"dequeue {_BATCH}, ms": self._dequeue,
        }

    def _enqueue(self) -> None:
        for _ in range(_BATCH):
            furnish.submit(self._house)

    def _pick_new(self) -> None:
        self._new = self._house.queue.claim(Connector.UNROUTED, _BATCH)

    def _route(self) -> None:
        marks = [Routed(each, Connector.SMTP, "elsewhere.test") for each in self._new]
        self._house.queue.mark(marks, durable=True)

    def _pick_due(self) -> None:
        self._due = self._house.queue.claim(Connector.SMTP, _BATCH)
        if len(self._due) != _BATCH:
            raise OSError(f"{len(self._due)} recipients are due, not {_BATCH}")

    def _dequeue(self) -> None:
        marks = [Finished(each, State.DONE, "250 taken") for each in self._due]
        self._house.queue.mark(marks, durable=True)


def _worker(plan: Plan, size: int, stack: contextlib.ExitStack) -> dict[str, Callable[[], object]]:
    """Returns the steps on a queue of a size."""
    begin = time.monotonic()
    house = House(read_config(plan.work / str(size)))
    stack.callback(house.close)
    furnish.put_queue(house, size, due_s=(-3600, 3600))
    plan.say(f"  {size:,} queued in {time.monotonic() - begin:.0f} s\n")
    return _Worker(house).steps()


class _Here:
    """This process, in which the queue works."""

    def services(self) -> dict[int, str]:
        """Returns its id."""
        return {os.getpid(): "queue"}


def look(plan: Plan) -> profiling.Profile:
    """Profiles the steps on the long queue.

    Raises:
        ProfileError, OSError: no profile came about.
    """
    with contextlib.ExitStack() as stack:
        steps = _worker(plan, round(_SIZES[1] * plan.scale), stack)

        def work(watch: Watch) -> None:
            with watch(_Here()):
                for _ in range(_PROFILED):
                    for step in steps.values():
                        step()

        return profiling.profile(work)


def run(plan: Plan) -> Result:
    """Measures the row.

    Raises:
        OSError: no result came about.
    """
    sizes = (_SIZES[0], round(_SIZES[1] * plan.scale))
    with contextlib.ExitStack() as stack:
        workers = [_worker(plan, size, stack) for size in sizes]
        taken: dict[str, tuple[list[float], list[float]]] = {
            label: ([], []) for label in workers[0]
        }
        for number in range(1, plan.pairs + 1):
            for label, (small, large) in _round(workers).items():
                taken[label][0].append(small)
                taken[label][1].append(large)
            said = ", ".join(
                f"{label} {a[-1]:.3g} | {b[-1]:.3g}" for label, (a, b) in taken.items()
            )
            plan.say(f"  round {number}: {said}\n")
    return Result(
        row=NAME,
        title=TITLE,
        sides=(f"{sizes[0]:,} queued", f"{sizes[1]:,} queued"),
        measures=[
            Measure(
                name=label.split(",")[0].replace(" ", "_"),
                label=label,
                peer=small,
                ours=large,
                floor=_FLOOR,
                goal=_GOAL,
            )
            for label, (small, large) in taken.items()
        ],
        details={
            "order": f"each round: {_REPEATS} times all steps on both in turn; the medians are "
            "the round's values",
            "posthouse": {"commit": commit(), "fsync": "SQLite WAL, synchronous=FULL"},
        },
    )


def _round(workers: Sequence[dict[str, Callable[[], object]]]) -> dict[str, tuple[float, float]]:
    """Returns the median milliseconds of each step on both sides."""
    taken: dict[str, tuple[list[float], list[float]]] = {label: ([], []) for label in workers[0]}
    for repeat in range(_REPEATS + _WARM):
        for side, steps in enumerate(workers):
            for label, step in steps.items():
                begin = time.perf_counter()
                step()
                if repeat >= _WARM:
                    taken[label][side].append((time.perf_counter() - begin) * 1000)
    return {
        label: (
            float(f"{statistics.median(small):.5g}"),
            float(f"{statistics.median(large):.5g}"),
        )
        for label, (small, large) in taken.items()
    }
