"""The journey's record: events of every message, kept some days (`queues/journey.db`).

Written without waiting: a crash may cost the last events, never mail. An event that is written
twice (a message claimed in several batches, a batch repeated after a crash) is shown once.

Events lie in the order in which they were written, so that new ones are written side by side. An
id is the event's time, or one more than the last id where that is later: what happened since a time
has no lower id. What happens to many messages alike is written once, and named by the others.

Owns: journey.db. Failure: a write that fails is logged; reading raises StoreBusy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    or_,
    select,
    text,
)

from appliance.database.database import Database
from appliance.database.schema import Schema
from appliance.database.statement import Row, Statement, param
from appliance.database.writer import Transaction
from appliance.journey.event import Event, Kind

_AHEAD_US = 3600 * 1_000_000  # ids further ahead are those of a clock that was set back

metadata = MetaData()

events = Table(
    "journey_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),  # see above
    Column("message_id", Text, nullable=False),
    Column("alike", BigInteger),  # the id of the event that says the rest, else this one says it
    Column("at", BigInteger),  # µs
    Column("kind", Text),
    Column("recipient", Text),
    Column("reverse_path", Text),
    Column("connector", Text),
    Column("data", Text),  # JSON: text, reason, detail
)
Index("journey_events_message", events.c.message_id)

samples = Table(  # see `samples.py`
    "journey_samples",
    metadata,
    Column("series", Text, primary_key=True),
    Column("at", BigInteger, primary_key=True),  # µs, the beginning of a minute
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

SCHEMA = Schema("journey", metadata, Path(__file__).parent / "journey_migrations", "journey0003")

_INSERT = Statement(
    insert(events), ["id", "message_id", *(column.name for column in events.columns[3:])]
)
# the same for many messages at once: one step of the database, however many they are
_ALIKE = {
    "sqlite": "SELECT :id + 1 + ids.key, ids.value, :id FROM json_each(:ids) AS ids",
    "postgresql": "SELECT :id + ids.number, ids.value, :id FROM "
    "json_array_elements_text(CAST(:ids AS json)) WITH ORDINALITY AS ids (value, number)",
}
_INSERT_ALIKE = {
    dialect: Statement(text(f"INSERT INTO journey_events (id, message_id, alike) {select_ids}"))
    for dialect, select_ids in _ALIKE.items()
}
_LAST = Statement(select(func.coalesce(func.max(events.c.id), 0)))
_told = events.alias("told")
_EVENT = select(
    events.c.message_id,
    *(_told.c[name] for name in ("at", "kind", "recipient", "reverse_path", "connector", "data")),
).join_from(events, _told, _told.c.id == func.coalesce(events.c.alike, events.c.id))
_OF_MESSAGE = Statement(
    _EVENT.where(events.c.message_id == param("message")).order_by(_told.c.at, events.c.id)
)
_SEARCH = Statement(
    _EVENT.where(
        events.c.id >= param("since"),
        _told.c.at >= param("since_1"),
        or_(
            _told.c.recipient.icontains(param("text_1"), escape="/"),
            _told.c.reverse_path.icontains(param("text_2"), escape="/"),
        ),
    )
    .order_by(events.c.id.desc())
    .limit(param("most"))
)
_FIRST_KEPT = Statement(
    select(events.c.id).where(events.c.at >= param("before")).order_by(events.c.id).limit(1)
)
_EXPIRE = Statement(delete(events).where(events.c.id < param("first")))
_TOO_OLD = (events.c.id > param("future"), events.c.at < param("before"))
_EXPIRE_ALIKE = Statement(
    delete(events).where(
        events.c.id > param("future_1"), events.c.alike.in_(select(events.c.id).where(*_TOO_OLD))
    )
)
_EXPIRE_TOLD = Statement(delete(events).where(*_TOO_OLD))


@dataclass(frozen=True, slots=True)
class Accepted:
    """The event of a submit, as its queue entry keeps it: `data` is what `Event.data` made."""

    message_id: str
    at_us: int
    reverse_path: str
    data: str

    def row(self) -> dict[str, Any]:
        """Return the row of the journey's table."""
        return {
            "message_id": self.message_id,
            "at": self.at_us,
            "kind": Kind.ACCEPTED.value,
            "recipient": "",
            "reverse_path": self.reverse_path,
            "connector": "",
            "data": self.data,
        }

    def event(self) -> Event:
        """Return the event itself."""
        return _event_of(self.row())


class Journey:
    """Records events and finds them again."""

    def __init__(self, database: Database) -> None:
        """Take the journey's database."""
        self._database = database
        self._insert_alike = _INSERT_ALIKE[database.dialect]

    def record(self, found: Sequence[Event], *, accepted: Sequence[Accepted] = ()) -> None:
        """Write events, without waiting.

        Args:
            found: events.
            accepted: events of submits, as their queue entries keep them.
        """
        rows = [each.row() for each in accepted] + _rows(found)
        if rows:
            self._database.lazy_writer.post(lambda transaction: _write(transaction, rows))

    def record_alike(self, event: Event, message_ids: Sequence[str]) -> None:
        """Write the same event for several messages, without waiting."""
        if not message_ids:
            return
        first, *others = message_ids
        row = {**_row(event, event.data()), "message_id": first}
        ids = json.dumps(others)

        def write(transaction: Transaction) -> None:
            _write(transaction, [row])
            if others:
                transaction.run(self._insert_alike, {"id": row["id"], "ids": ids})

        self._database.lazy_writer.post(write)

    def of(self, message_id: str) -> list[Event]:
        """Return a message's events in their order."""
        with self._database.reader() as connection:
            return _once(connection.rows(_OF_MESSAGE, {"message": message_id}))

    def search(self, text: str, *, since_us: int, most: int) -> list[Event]:
        """Return the newest events whose sender or recipient holds a text, in any case."""
        literal = re.sub("[/%_]", r"/\g<0>", text)  # LIKE's own characters
        wanted = {"text_1": literal, "text_2": literal, "most": most}
        wanted |= {"since": since_us, "since_1": since_us}
        with self._database.reader() as connection:
            found = _once(connection.rows(_SEARCH, wanted))
        return sorted(found, key=attrgetter("at_us"), reverse=True)

    def expire(self, before_us: int, *, now_us: int) -> int:
        """Forget events from before a time; returns how many.

        One that was written late goes with those that were written before it. After a clock was
        ahead, ids are, too: such events go by their own time.
        """

        def job(transaction: Transaction) -> int:
            first = transaction.value(_FIRST_KEPT, {"before": before_us})
            if first is None:
                first = transaction.value(_LAST) + 1
            future = {"future": now_us + _AHEAD_US, "before": before_us}
            return (
                transaction.run(_EXPIRE, {"first": first})
                + transaction.run(_EXPIRE_ALIKE, {**future, "future_1": future["future"]})
                + transaction.run(_EXPIRE_TOLD, future)
            )

        return self._database.transact(job, lazy=True)


def _write(transaction: Transaction, rows: list[dict[str, Any]]) -> None:
    """Give rows their ids and insert them."""
    transaction.alone("journey")
    last = transaction.value(_LAST)
    first = max(last + 1, *(row["at"] for row in rows))
    for number, row in enumerate(rows):
        row["id"] = first + number
    transaction.run_many(_INSERT, rows)


def _once(rows: Iterable[Row]) -> list[Event]:
    """Make events of rows, one of those that were written twice."""
    found = {(row.message_id, row.at, row.kind, row.recipient): row for row in rows}
    return [_event(row) for row in found.values()]


def _rows(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return rows; what several events of a batch say alike is made into JSON once."""
    made: dict[tuple[str, int], str] = {}
    rows = []
    for event in events:
        alike = (event.text, id(event.reason))
        data = made.get(alike)
        if data is None or event.detail:
            data = event.data()
            if not event.detail:
                made[alike] = data
        rows.append(_row(event, data))
    return rows


def _row(event: Event, data: str) -> dict[str, Any]:
    return {
        "message_id": event.message_id,
        "at": event.at_us,
        "kind": event.kind.value,
        "recipient": event.recipient,
        "reverse_path": event.reverse_path,
        "connector": event.connector,
        "data": data,
    }


def _event(row: Row) -> Event:
    return _event_of(row._asdict())


def _event_of(row: dict[str, Any]) -> Event:
    data = json.loads(row["data"])
    return Event(
        at_us=row["at"],
        message_id=row["message_id"],
        kind=Kind(row["kind"]),
        reverse_path=row["reverse_path"],
        recipient=row["recipient"],
        connector=row["connector"],
        text=data["text"],
        reason=data.get("reason"),
        detail=data.get("detail", {}),
    )
