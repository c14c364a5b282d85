"""Failed logins, counted for all processes of the server in `run/state.db`.

Owns: the counters; they may be lost with the file. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    case,
    delete,
    select,
)

from appliance.database.database import Database
from appliance.database.schema import Schema
from appliance.database.statement import Insertion, Statement, Upsert, param
from appliance.database.writer import Transaction
from appliance.runtime.clock import MICROSECONDS, Clock

metadata = MetaData()

failures = Table(
    "login_failures",
    metadata,
    Column("key", Text, primary_key=True),  # `login NAME` or `client ADDRESS`
    Column("count", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),  # µs: the first that counts
    sqlite_with_rowid=False,
)

SCHEMA = Schema("state", metadata, Path(__file__).parent / "state_migrations", "state0001")

_READ = Statement(select(failures.c.count, failures.c.since).where(failures.c.key == param("k")))


def _one_more(insert: Insertion) -> ClauseElement:
    """Count one more, or begin anew when the first is too long ago."""
    found = insert(failures)
    fresh = failures.c.since > param("before")
    element: ClauseElement = found.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": case((fresh, failures.c.count + 1), else_=1),
            "since": case((fresh, failures.c.since), else_=found.excluded.since),
        },
    )
    return element


_COUNT = Upsert(_one_more, ("key", "count", "since"))
_FORGET = Statement(delete(failures).where(failures.c.key == param("k")))
_EXPIRE = Statement(delete(failures).where(failures.c.since < param("before")))


class Throttle:
    """Counts failures by login and by client address."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        """Take the state's database."""
        self._database = database
        self._clock = clock

    def failures(self, key: str, *, within_s: int) -> int:
        """Return how often a key has failed within a time."""
        with self._database.reader() as connection:
            row = connection.row(_READ, {"k": key})
        if row is None or row.since <= self._clock.now_us() - within_s * MICROSECONDS:
            return 0
        return int(row.count)

    def count(self, *keys: str, within_s: int) -> None:
        """Count a failure for each key."""
        now = self._clock.now_us()
        before = now - within_s * MICROSECONDS

        def job(transaction: Transaction) -> None:
            for key in keys:
                row = {"key": key, "count": 1, "since": now, "before": before}
                transaction.run(_COUNT, row)

        self._database.transact(job, lazy=True)

    def forget(self, key: str) -> None:
        """Forget a key's failures: it has got in."""
        self._database.transact(lambda transaction: transaction.run(_FORGET, {"k": key}), lazy=True)

    def expire(self, *, older_than_s: int) -> int:
        """Forget what no longer counts; returns how many keys."""
        before = self._clock.now_us() - older_than_s * MICROSECONDS
        return self._database.transact(lambda tx: tx.run(_EXPIRE, {"before": before}), lazy=True)
