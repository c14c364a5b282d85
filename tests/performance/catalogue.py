"""All rows, in the order in which `--row all` runs them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import appliance_memory
import cores
import large_message
import paired
import profiling
import queue_flat
import rows
import scenes
import side_by_side
import twin
from plan import Plan
from result import Judged, Result

__all__ = ["CATALOGUE", "Entry"]

_MODULES = (side_by_side, cores, queue_flat, appliance_memory, large_message)


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A row as the command line knows it.

    Attributes:
        name: what `--row` takes.
        title: one line for people.
        against: the peer, or what else it is measured against.
        goals: floor and goal, for people.
        run: measures it.
        look: profiles Posthouse at its work, where there is work for its processors.
    """

    name: str
    title: str
    against: str
    goals: str
    run: Callable[[Plan], Result]
    look: Callable[[Plan], profiling.Profile] | None = None


def _of(row: rows.Row) -> Entry:
    goals = "-"
    if row.floor is not None and row.goal is not None:
        unit = " KiB" if row.judged is Judged.VALUE else "x"
        goals = f"{row.floor:.3g}{unit}, {row.goal:.3g}{unit}"
    if row.cpu_floor is not None and row.cpu_goal is not None:
        goals += f"; CPU {row.cpu_floor:.3g}x, {row.cpu_goal:.3g}x"
    look = None if "idle" in row.work else partial(paired.look, row)
    return Entry(row.name, row.title, row.peer, goals, partial(paired.run, row), look)


def _twin(scene: twin.Scene) -> Entry:
    goals = f"{scene.floor:g}x, {scene.goal:g}x" if scene.judged else "-"
    against = f"{scene.sizes[0]:,} {scene.what}"
    look = partial(twin.look, scene)
    return Entry(scene.name, scene.title, against, goals, partial(twin.run, scene), look)


_ALL = (
    *(_of(row) for row in rows.ROWS.values()),
    *(_twin(scene) for scene in scenes.SCENES),
    *(
        Entry(
            each.NAME, each.TITLE, each.AGAINST, each.GOALS, each.run, getattr(each, "look", None)
        )
        for each in _MODULES
    ),
)
CATALOGUE = {entry.name: entry for entry in _ALL}
