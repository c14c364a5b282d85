"""Going back: the configuration as it was right after a revision, by way of a plan.

The plan is computed from the change log and carried out by the operations that would be used by
hand, so that going back is itself a change that can be looked up and gone back on. Credentials and
mail are never touched: what depends on them is listed as kept.

Owns: nothing. Failure: `NotFound` (no such revision), `Clash` (something changed meanwhile).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from appliance.database.database import Source, Within
from appliance.database.statement import Row
from appliance.operations.going_back import (
    Planned,
    Planner,
    has_changed_since,
    revision,
    since,
)
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, NotFound, Question, Work
from appliance.rules.access import Permission


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that going back changes.

    Attributes:
        object: what, as revisions name it: `setting smtp.max_recipients`.
        text: from what to what: `smtp.max_recipients: 300 → 100 (default)`.
    """

    object: str
    text: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that changed since and stays as it is.

    Attributes:
        object: what, as revisions name it.
        text: why, as a sentence.
    """

    object: str
    text: str


@dataclass(frozen=True, slots=True)
class ReturnPlan:
    """What going back would do.

    Attributes:
        revision: the number gone back to, or undone.
        steps: in the order they are carried out; empty when nothing differs.
        kept: what stays as it is although it changed.
        digest: names this very plan, for `expected`.
    """

    revision: int
    steps: tuple[Step, ...]
    kept: tuple[Kept, ...]
    digest: str


_Found: TypeAlias = tuple[ReturnPlan, list[Planned]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReturn(Question[ReturnPlan]):
    """What going back to a revision would do.

    Attributes:
        revision: its number: the state right after it; 0 is the state before the first.
    """

    name = "revision.plan"
    permission = Permission.SERVER_CHANGE
    revision: int

    def answer(self, house: House) -> ReturnPlan:
        """Return the plan; NotFound when there is no such revision yet."""
        return _of_return(house, house.databases.get("directory"), self.revision)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnTo(Change[ReturnPlan]):
    """Go back to the state right after a revision.

    Attributes:
        revision: its number; 0 is the state before the first.
        expected: the digest of the plan that was agreed to; empty: whatever the plan is now.
    """

    name = "revision.return"
    permission = Permission.SERVER_CHANGE
    revision: int
    expected: str = ""

    def object(self) -> str:
        """Return what it is about."""
        return f"revision {self.revision}"

    def apply(self, work: Work) -> ReturnPlan:
        """Carry out the plan; returns it."""
        found = _of_return(work.house, Within(work.transaction), self.revision)
        return _carry_out(work, self, found, expected=self.expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanUndo(Question[ReturnPlan]):
    """What undoing one revision would do.

    Attributes:
        revision: its number.
    """

    name = "revision.plan-undo"
    permission = Permission.SERVER_CHANGE
    revision: int

    def answer(self, house: House) -> ReturnPlan:
        """Return the plan; Clash when its object has changed since."""
        return _of_undo(house, house.databases.get("directory"), self.revision)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRevision(Change[ReturnPlan]):
    """Undo what one revision changed.

    Attributes:
        revision: its number.
        expected: the digest of the plan that was agreed to; empty: whatever the plan is now.
    """

    name = "revision.undo"
    permission = Permission.SERVER_CHANGE
    revision: int
    expected: str = ""

    def object(self) -> str:
        """Return what it is about."""
        return f"revision {self.revision}"

    def apply(self, work: Work) -> ReturnPlan:
        """Carry out the plan; returns it. Clash when nothing of it can be undone."""
        found = _of_undo(work.house, Within(work.transaction), self.revision)
        plan = found[0]
        if not plan.steps and plan.kept:
            raise Clash(f"revision {self.revision} can't be undone: {plan.kept[0].text}")
        return _carry_out(work, self, found, expected=self.expected)


def _of_return(house: House, source: Source, number: int) -> _Found:
    if number < 0 or (number and revision(source, number) is None):
        raise NotFound(
            f"there is no revision {number}; see `posthouse revision list`", field="revision"
        )
    return _planned(house, source, number, since(source, number))


def _of_undo(house: House, source: Source, number: int) -> _Found:
    found = revision(source, number)
    if found is None:
        raise NotFound(
            f"there is no revision {number}; see `posthouse revision list`", field="revision"
        )
    if has_changed_since(source, found.object, number):
        raise Clash(
            f"{found.object} has changed again since revision {number}; undo the later one first, "
            f"or go back with `posthouse revision return {number - 1}`",
            field="revision",
        )
    return _planned(house, source, number, [found, *_taken_along(source, found)])


def _taken_along(source: Source, found: Row) -> Iterator[Row]:
    """Yield the addresses that a deleted domain took along, as long as they stay away."""
    if found.after or not found.object.startswith("domain "):
        return
    for row in since(source, found.number):
        if (row.at, row.operation) != (found.at, found.operation) or row.after:
            return
        if not has_changed_since(source, row.object, row.number):
            yield row


def _planned(house: House, source: Source, number: int, rows: Iterable[Row]) -> _Found:
    planner = Planner(house, source, rows)
    planner.plan()
    steps = tuple(Step(each.object, each.text) for each in planner.steps)
    kept = tuple(Kept(about, text) for about, text in sorted(planner.kept.items()))
    told = json.dumps([[(each.object, each.text) for each in part] for part in (steps, kept)])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return ReturnPlan(number, steps, kept, digest), planner.steps


def _carry_out(work: Work, change: Change[Any], found: _Found, *, expected: str) -> ReturnPlan:
    plan, steps = found
    if expected not in ("", plan.digest):
        raise Clash("something has changed meanwhile: look at the plan again", field="expected")
    for step in steps:
        part = Work(work.house, work.call, change, step.prepared, work.transaction)
        step.change.apply(part)
    return plan
