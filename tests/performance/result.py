"""What a row gives: raw values of each run, their spreads and ratios, and how they are judged.

Never: measures. A result is written as one JSON file, from which `page.py` makes the page.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import pathlib
import statistics
from collections.abc import Mapping, Sequence

__all__ = ["Better", "Judged", "Measure", "Result", "Spread", "Verdict", "table", "write"]


class Better(enum.StrEnum):
    """Which way a value is better."""

    MORE = "more"
    LESS = "less"


class Judged(enum.StrEnum):
    """What floor and goal are compared with."""

    RATIO = "ratio"  # ours divided by the peer's, pair by pair
    VALUE = "value"  # ours alone


class Verdict(enum.StrEnum):
    """How a median compares with floor and goal."""

    GOAL = "goal reached"
    FLOOR = "floor reached"
    MISSED = "MISSED"


@dataclasses.dataclass(frozen=True, slots=True)
class Spread:
    """Least, middle and greatest of some values."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Returns the spread of at least one value, rounded to what a table needs."""
        return cls(
            *(float(f"{v:.4g}") for v in (min(values), statistics.median(values), max(values)))
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that was measured, with a value for each run.

    Attributes:
        name: a short word, the same in all rows: `rate`, `cpu_us`, `seconds`, …
        label: what people read, with its unit.
        better: which way is better.
        ours: Posthouse's values, in the order of the runs; of the large side where Posthouse is
            measured against itself.
        peer: the peer's, or the small side's, run by run; empty where there is none.
        floor: what the median must reach; None where the plan sets none.
        goal: what it is to reach.
        judged: whether floor and goal are about the ratio or about our own value.
    """

    name: str
    label: str
    ours: Sequence[float]
    peer: Sequence[float] = ()
    better: Better = Better.LESS
    floor: float | None = None
    goal: float | None = None
    judged: Judged = Judged.RATIO

    @property
    def ratios(self) -> list[float]:
        """Ours : peer, pair by pair; empty where there is no peer to divide by."""
        if not self.peer or not all(self.peer):
            return []
        return [ours / peer for ours, peer in zip(self.ours, self.peer, strict=True)]

    @property
    def verdict(self) -> Verdict | None:
        """How the median compares with floor and goal; None where there are none."""
        if self.floor is None or self.goal is None:
            return None
        values = self.ratios if self.judged is Judged.RATIO else self.ours
        if not values:
            return None
        sign = 1 if self.better is Better.MORE else -1
        median = sign * statistics.median(values)
        if median >= sign * self.goal:
            return Verdict.GOAL
        return Verdict.FLOOR if median >= sign * self.floor else Verdict.MISSED

    def record(self) -> dict[str, object]:
        """Returns what the JSON file says of it."""
        found: dict[str, object] = {
            "name": self.name,
            "label": self.label,
            "better": self.better,
            "judged": self.judged,
            "floor": self.floor,
            "goal": self.goal,
            "verdict": self.verdict,
            "ours": dataclasses.asdict(Spread.of(self.ours)),
        }
        if self.peer:
            found["peer"] = dataclasses.asdict(Spread.of(self.peer))
        if self.ratios:
            found["ratio"] = dataclasses.asdict(Spread.of(self.ratios))
        raw: dict[str, list[float]] = {"ours": list(self.ours)}
        if self.peer:
            raw["peer"] = list(self.peer)
        return {**found, "raw": raw}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a row gave.

    Attributes:
        row: its name.
        title: what was done, for people.
        sides: what `Measure.peer` and `Measure.ours` are of.
        measures: the first is what the row is about.
        details: servers, settings, what was done exactly, raw figures of each run.
    """

    row: str
    title: str
    sides: tuple[str, str]
    measures: Sequence[Measure]
    details: Mapping[str, object]


def _number(value: float) -> str:
    return f"{value:>12,.{3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0}f}"


def table(result: Result) -> str:
    """Returns the row's table for a terminal."""
    width = 46
    lines = [
        f"{result.row}: {result.title}",
        f"  {'':{width}}{'min':>12}{'median':>12}{'max':>12}",
    ]

    def line(label: str, values: Sequence[float], remark: str = "") -> None:
        spread = Spread.of(values)
        numbers = "".join(_number(v) for v in (spread.min, spread.median, spread.max))
        lines.append(f"  {label[:width]:{width}}{numbers}{remark}")

    for measure in result.measures:
        remark = ""
        if measure.verdict:
            remark = f"   floor {measure.floor:.3g}, goal {measure.goal:.3g}: {measure.verdict}"
        by_value = measure.judged is Judged.VALUE
        if measure.peer:
            line(f"{result.sides[0]}: {measure.label}", measure.peer)
        line(f"{result.sides[1]}: {measure.label}", measure.ours, remark if by_value else "")
        if measure.ratios:
            line("  ratio", measure.ratios, "" if by_value else remark)
    return "\n".join(lines) + "\n"


def write(
    path: pathlib.Path, result: Result, about: Mapping[str, object], *, work: pathlib.Path
) -> None:
    """Writes a row's result with its raw values.

    Args:
        path: the JSON file.
        result: what was measured.
        about: when, where and of what it was measured.
        work: the folder of the runs, written as WORK: it says nothing elsewhere.
    """
    found = {
        "row": result.row,
        "title": result.title,
        "sides": result.sides,
        "measures": [measure.record() for measure in result.measures],
        **about,
        **result.details,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False).replace(str(work), "WORK")
    path.write_text(text + "\n", encoding="utf-8")
