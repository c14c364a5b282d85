"""The journey's record: events of every message, kept some days (`queues/journey.db`).

Written without waiting: a crash may cost the last events, never mail. An event that is written
twice (a batch repeated after a crash) is kept once.

Owns: journey.db. Failure: a write that fails is logged; reading raises StoreBusy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text, delete, or_, select, text

from appliance.database.database import Database
from appliance.database.schema import Schema
from appliance.database.statement import Row, Statement, Upsert, param
from appliance.journey.event import Event, Kind

metadata = MetaData()

events = Table(
    "journey_events",
    metadata,
    Column("at", BigInteger, primary_key=True),  # µs; first, for new events lie side by side so
    Column("message_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("reverse_path", Text, nullable=False),
    Column("connector", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON: text, reason, detail
    sqlite_with_rowid=False,
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

_INSERT = Upsert(lambda insert: insert(events).on_conflict_do_nothing(), [c.name for c in events.c])
# the same for many messages at once: one step of the database, however many they are
_ALIKE = """
INSERT INTO journey_events (message_id, at, kind, recipient, reverse_path, connector, data)
SELECT ids.value, :at, :kind, :recipient, :reverse_path, :connector, :data FROM {} AS ids
WHERE true ON CONFLICT DO NOTHING
"""
_INSERT_ALIKE = {
    "sqlite": Statement(text(_ALIKE.format("json_each(:ids)"))),
    "postgresql": Statement(text(_ALIKE.format("json_array_elements_text(CAST(:ids AS json))"))),
}
_OF_MESSAGE = Statement(
    select(events)
    .where(events.c.message_id == param("message"))
    .order_by(events.c.at, events.c.kind)
)
_SEARCH = Statement(
    select(events)
    .where(
        events.c.at >= param("since"),
        or_(
            events.c.recipient.icontains(param("text_1"), escape="/"),
            events.c.reverse_path.icontains(param("text_2"), escape="/"),
        ),
    )
    .order_by(events.c.at.desc())
    .limit(param("most"))
)
_EXPIRE = Statement(delete(events).where(events.c.at < param("before")))


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
            self._database.lazy_writer.post(lambda tx: tx.run_many(_INSERT, rows))

    def record_alike(self, event: Event, message_ids: Sequence[str]) -> None:
        """Write the same event for several messages, without waiting."""
        wanted = {**_row(event, event.data()), "ids": json.dumps(list(message_ids))}
        del wanted["message_id"]
        self._database.lazy_writer.post(lambda tx: tx.run(self._insert_alike, wanted))

    def of(self, message_id: str) -> list[Event]:
        """Return a message's events in their order."""
        with self._database.reader() as connection:
            return [_event(row) for row in connection.rows(_OF_MESSAGE, {"message": message_id})]

    def search(self, text: str, *, since_us: int, most: int) -> list[Event]:
        """Return the newest events whose sender or recipient holds a text, in any case."""
        literal = re.sub("[/%_]", r"/\g<0>", text)  # LIKE's own characters
        wanted = {"text_1": literal, "text_2": literal, "since": since_us, "most": most}
        with self._database.reader() as connection:
            return [_event(row) for row in connection.rows(_SEARCH, wanted)]

    def expire(self, before_us: int) -> int:
        """Forget events from before a time; returns how many."""
        return self._database.transact(lambda tx: tx.run(_EXPIRE, {"before": before_us}), lazy=True)


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
