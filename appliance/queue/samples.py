"""Samples of numbers that move, a value a minute and series (`queues/journey.db`).

Written without waiting for the disk: a power cut may cost the last minutes.

Owns: the table `journey_samples`. Never: knows what a series means.
Failure: `StoreBusy`, `CommitFailed` (temporary).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import BigInteger, ClauseElement, delete, func, select, text, type_coerce

from appliance.database.database import Database
from appliance.database.statement import Insertion, Statement, Upsert, param
from appliance.database.writer import Transaction
from appliance.queue.journey import samples
from appliance.runtime.clock import MICROSECONDS

MINUTE_US = 60 * MICROSECONDS

_s = samples.c


def _upsert(insert: Insertion, *, adds: bool) -> ClauseElement:
    """Write a value; where there is one already, add to it or take its place."""
    found = insert(samples)
    new = found.excluded.value
    element: ClauseElement = found.on_conflict_do_update(
        index_elements=["series", "at"], set_={"value": _s.value + new if adds else new}
    )
    return element


_COLUMNS = ("series", "at", "value")
_ADD = Upsert(partial(_upsert, adds=True), _COLUMNS)
_SET = Upsert(partial(_upsert, adds=False), _COLUMNS)


def _every_name() -> Statement:
    """Go from each series to the next by the key: as many look-ups as there are series."""
    found = select(func.min(_s.series).label("series")).cte("found", recursive=True)
    following = select(func.min(_s.series)).where(_s.series > found.c.series).scalar_subquery()
    found = found.union_all(select(following).where(found.c.series.is_not(None)))
    return Statement(select(found.c.series).where(found.c.series.is_not(None)))


_NAMES = _every_name()
_step = (_s.at - param("since")) // type_coerce(param("width"), BigInteger)
_GROUPED = Statement(
    select(
        _step.label("step"),
        func.sum(_s.value).label("total"),
        func.max(_s.value).label("highest"),
        func.min(_s.value).label("lowest"),
    )
    .where(_s.series == param("wanted"), _s.at >= param("from"), _s.at < param("until"))
    .group_by(text("step"))
)
_EXPIRE = Statement(delete(samples).where(_s.series == param("which"), _s.at < param("before")))


@dataclass(frozen=True, slots=True)
class Group:
    """What was sampled of a series in one step.

    Attributes:
        total: the sum of its values.
        highest: the highest of them.
        lowest: the lowest.
    """

    total: int
    highest: int
    lowest: int


class Samples:
    """Writes samples and groups them."""

    def __init__(self, database: Database) -> None:
        """Take the journey's database."""
        self._database = database

    def write(self, at_us: int, *, counts: Mapping[str, int], levels: Mapping[str, int]) -> None:
        """Write a minute's values.

        Args:
            at_us: any time within the minute.
            counts: increases; another machine's of the same minute are added to.
            levels: values as they are now; the last one of a minute stays.
        """
        minute = at_us - at_us % MINUTE_US

        def job(transaction: Transaction) -> None:
            for statement, found in ((_ADD, counts), (_SET, levels)):
                rows = [
                    {"series": series, "at": minute, "value": value}
                    for series, value in found.items()
                ]
                if rows:
                    transaction.run_many(statement, rows)

        self._database.transact(job, lazy=True)

    def names(self, prefix: str = "") -> list[str]:
        """Return the series whose name begins so, in order."""
        with self._database.reader() as connection:
            return sorted(name for (name,) in connection.tuples(_NAMES) if name.startswith(prefix))

    def grouped(
        self, series: str, *, since_us: int, until_us: int, step_us: int
    ) -> dict[int, Group]:
        """Return what was sampled from a time on, by steps; steps without a sample are left out.

        Args:
            series: which.
            since_us: where the first step begins.
            until_us: samples from then on are left out.
            step_us: how long a step is.
        """
        wanted = {
            "wanted": series,
            "since": since_us,
            "from": since_us,
            "until": until_us,
            "width": step_us,
        }
        with self._database.reader() as connection:
            return {
                int(row.step): Group(int(row.total), int(row.highest), int(row.lowest))
                for row in connection.rows(_GROUPED, wanted)
            }

    def expire(self, before_us: int) -> int:
        """Forget samples from before a time; returns how many."""

        def job(transaction: Transaction) -> int:
            rows = [{"which": name, "before": before_us} for name in names]
            return sum(transaction.run(_EXPIRE, row) for row in rows)

        names = self.names()
        return self._database.transact(job, lazy=True)
