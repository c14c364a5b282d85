"""From raw figures to the median of the pairs' ratios, the table and the JSON file."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Sequence

from measure import Figures
from rows import Row

__all__ = ["Pair", "Spread", "Summary", "summarise", "table", "write"]


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """A run of the peer and the run of Posthouse that followed it."""

    peer: Figures
    ours: Figures


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


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """The result of a row. Ratios are Posthouse : peer, taken pair by pair."""

    peer_rate: Spread
    ours_rate: Spread
    ratio: Spread
    peer_cpu_us: Spread
    ours_cpu_us: Spread
    cpu_ratio: Spread


def summarise(pairs: Sequence[Pair]) -> Summary:
    """Returns the spreads of both sides and of the pairs' ratios."""
    return Summary(
        Spread.of([pair.peer.rate for pair in pairs]),
        Spread.of([pair.ours.rate for pair in pairs]),
        Spread.of([pair.ours.rate / pair.peer.rate for pair in pairs]),
        Spread.of([pair.peer.cpu_us for pair in pairs]),
        Spread.of([pair.ours.cpu_us for pair in pairs]),
        Spread.of([pair.ours.cpu_us / pair.peer.cpu_us for pair in pairs]),
    )


def _verdict(*, reaches_floor: bool, reaches_goal: bool) -> str:
    if reaches_goal:
        return "goal reached"
    return "floor reached" if reaches_floor else "MISSED"


def rate_verdict(row: Row, summary: Summary) -> str:
    """Tells whether the median ratio of the rates reaches the row's goal, its floor, or neither."""
    median = summary.ratio.median
    return _verdict(reaches_floor=median >= row.floor, reaches_goal=median >= row.goal)


def cpu_verdict(row: Row, summary: Summary) -> str | None:
    """As `rate_verdict` for the CPU; None where the row sets no goal."""
    if row.cpu_goal is None or row.cpu_floor is None:
        return None
    median = summary.cpu_ratio.median
    return _verdict(reaches_floor=median <= row.cpu_floor, reaches_goal=median <= row.cpu_goal)


def table(row: Row, summary: Summary, names: tuple[str, str]) -> str:
    """Returns the row's table for a terminal."""
    lines = [
        f"{row.name}: {row.title}",
        f"  {'':28}{'min':>10}{'median':>10}{'max':>10}",
    ]

    def line(label: str, spread: Spread, remark: str = "") -> None:
        values = "".join(
            f"{value:>10,.{2 if value < 100 else 0}f}"
            for value in (spread.min, spread.median, spread.max)
        )
        lines.append(f"  {label:28}{values}{remark}")

    line(f"{names[0]} {row.unit}s/s", summary.peer_rate)
    line(f"{names[1]} {row.unit}s/s", summary.ours_rate)
    line(
        "ratio",
        summary.ratio,
        f"   floor {row.floor:g}, goal {row.goal:g}: {rate_verdict(row, summary)}",
    )
    line(f"{names[0]} CPU us", summary.peer_cpu_us)
    line(f"{names[1]} CPU us", summary.ours_cpu_us)
    verdict = cpu_verdict(row, summary)
    remark = f"   floor {row.cpu_floor:.3g}, goal {row.cpu_goal:.3g}: {verdict}" if verdict else ""
    line("CPU ratio (less is better)", summary.cpu_ratio, remark)
    return "\n".join(lines) + "\n"


def write(
    path: pathlib.Path,
    row: Row,
    pairs: Sequence[Pair],
    record: dict[str, object],
    *,
    work: pathlib.Path,
) -> None:
    """Writes a row's result with its raw values.

    Args:
        path: the JSON file.
        row: what was measured.
        pairs: all the runs, in the order in which they went.
        record: what else belongs to the result: machine, servers, method.
        work: the folder of the runs, written as WORK: it says nothing elsewhere.
    """
    summary = summarise(pairs)
    result = {
        "row": dataclasses.asdict(row),
        "reached": rate_verdict(row, summary),
        "cpu reached": cpu_verdict(row, summary),
        "summary": dataclasses.asdict(summary),
        "pairs": [dataclasses.asdict(pair) for pair in pairs],
        **record,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False).replace(str(work), "WORK")
    path.write_text(text + "\n")
