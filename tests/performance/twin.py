"""Rows that measure Posthouse against itself: the same daily work on a small and a large home.

Each round starts both servers on their homes and asks both in turn, operation by operation; a
round's value is the median of its repetitions. So each result has a start-up time, the memory and
open files after the work, and the time of each operation, round by round.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import profiling
from clients import Account
from plan import Plan
from posthouse_server import Posthouse
from result import Measure, Result
from server import Watch

from appliance.operations.house import House

__all__ = ["Scene", "look", "run"]

_WARM = 1
_LEAST = 3
"""How often each operation is done at least, after warming up."""

_LONG = 2.0
"""Seconds after which an operation is repeated no more."""

_SETTLE = 1.0
_PROFILED = 2.0
"""Seconds for which a profile repeats each operation."""

Doors = Mapping[str, Callable[[], object]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is small and large, and what is done on both.

    Attributes:
        name: of the row.
        title: of the row.
        what: what there is many of.
        sizes: of the small and of the large home.
        furnish: fills a home before its first start: house, accounts, size.
        doors: opens what a round needs on a started server, and returns its operations by their
            label, with the unit in milliseconds.
        once: what happens in a home's first round only, with the unit in seconds, by its label.
        mailboxes: how many a home of a size has.
        postoffices: the same.
        repeats: how often each operation is done in a round.
        judged: labels that floor and goal are about begin with one of these.
        floor: the ratio large : small that the median must not exceed.
        goal: the ratio aimed at.
    """

    name: str
    title: str
    what: str
    sizes: tuple[int, int]
    furnish: Callable[[House, Sequence[Account], int], None]
    doors: Callable[[Posthouse, int], Doors]
    once: Callable[[Posthouse], Doors] | None = None
    mailboxes: Callable[[int], int] = lambda _: 1
    postoffices: Callable[[int], int] = lambda _: 1
    repeats: int = 20
    judged: tuple[str, ...] = ()
    floor: float = 1.5
    goal: float = 1.2


class _Twin(Posthouse):
    """A home of one size."""

    def __init__(self, home: pathlib.Path, scene: Scene, size: int) -> None:
        self.scene = scene
        self.size = size
        super().__init__(
            home, scene.mailboxes(size), postoffices=scene.postoffices(size), recipients=0
        )

    def furnish(self, house: House) -> None:
        """Fills the home."""
        self.scene.furnish(house, self.accounts, self.size)

    def open_files(self) -> int:
        """Returns how many descriptors all its processes have."""
        total = 0
        for pid in self.meter.pids():
            with contextlib.suppress(OSError):
                total += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a number is wanted
        return total


def run(scene: Scene, plan: Plan) -> Result:
    """Measures one scene.

    Raises:
        ClientError, ServerError, OSError: no result came about.
    """
    small, large = (max(round(scene.sizes[0]), 1), max(round(scene.sizes[1] * plan.scale), 1))
    values: dict[str, tuple[list[float], list[float]]] = {}

    def note(label: str, side: int, value: float) -> None:
        values.setdefault(label, ([], []))[side].append(float(f"{value:.5g}"))

    with contextlib.ExitStack() as stack:
        twins = []
        for name, size in (("small", small), ("large", large)):
            home = plan.work / name
            home.mkdir()
            begin = time.monotonic()
            twins.append(stack.enter_context(_Twin(home, scene, size)))
            plan.say(f"  {size:,} {scene.what}: made in {time.monotonic() - begin:.0f} s\n")
        for number in range(1, plan.pairs + 1):
            begin = time.monotonic()
            for side, twin in enumerate(twins):
                note("start-up until ready, s", side, twin.restart())
            for side, twin in enumerate(twins):
                once = scene.once(twin) if scene.once is not None and number == 1 else {}
                for label, operation in once.items():
                    start = time.perf_counter()
                    operation()
                    note(label, side, time.perf_counter() - start)
            sides = [scene.doors(twin, twin.size) for twin in twins]
            for label in sides[0]:
                for side, took in enumerate(_in_turn([each[label] for each in sides], scene)):
                    note(label, side, took)
            time.sleep(_SETTLE)
            for side, twin in enumerate(twins):
                note("memory of all services afterwards, MiB", side, twin.memory_kib() / 1024)
                note("open files of all services", side, twin.open_files())
            plan.say(f"  round {number} took {time.monotonic() - begin:.0f} s\n")
        described = twins[1].describe()
    return Result(
        row=scene.name,
        title=scene.title,
        sides=(f"{small:,} {scene.what}", f"{large:,} {scene.what}"),
        measures=[
            Measure(
                name="".join(c if c.isalnum() else "_" for c in label),
                label=label,
                peer=both[0],
                ours=both[1],
                floor=scene.floor if label.startswith(scene.judged or "-") else None,
                goal=scene.goal if label.startswith(scene.judged or "-") else None,
            )
            for label, both in values.items()
        ],
        details={
            "order": "each round: both servers start, then each operation on both in turn, "
            f"{_LEAST} to {scene.repeats} times after a first; the median is the round's value",
            "posthouse": described,
        },
    )


def look(scene: Scene, plan: Plan) -> profiling.Profile:
    """Profiles the daily work on the large home, each operation for a while.

    What happens once for a home is done before.

    Raises:
        ProfileError, ClientError, ServerError, OSError: no profile came about.
    """
    home = plan.work / "large"
    home.mkdir()
    with _Twin(home, scene, max(round(scene.sizes[1] * plan.scale), 1)) as twin:
        for operation in (scene.once(twin) if scene.once is not None else {}).values():
            operation()

        def work(watch: Watch) -> None:
            doors = scene.doors(twin, twin.size)
            with watch(twin):
                for operation in doors.values():
                    begin = time.perf_counter()
                    while time.perf_counter() - begin < _PROFILED:
                        operation()

        return profiling.profile(work)


def _in_turn(operations: Sequence[Callable[[], object]], scene: Scene) -> list[float]:
    """Returns the median milliseconds of each side; slow operations are repeated less."""
    taken: list[list[float]] = [[] for _ in operations]
    start = time.perf_counter()
    for repeat in range(scene.repeats + _WARM):
        is_slow = time.perf_counter() - start > _LONG
        if is_slow and repeat >= _WARM + _LEAST:
            break
        for side, operation in enumerate(operations):
            begin = time.perf_counter()
            operation()
            if repeat >= _WARM:
                taken[side].append((time.perf_counter() - begin) * 1000)
    return [statistics.median(each) for each in taken]
