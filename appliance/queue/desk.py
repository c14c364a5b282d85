"""The operator's view of the queue: what is in it, and hold, release, retry, return, remove.

Owns: nothing; works on the queue's tables. Failure: `StoreBusy`, `CommitFailed` (temporary).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import delete, func, select, update

from appliance.database.statement import Row, Statement, param
from appliance.database.writer import Transaction
from appliance.journey.event import Event
from appliance.mail.headers import Summary
from appliance.queue import tables
from appliance.queue.entry import ACTIVE, State
from appliance.queue.journey import Accepted
from appliance.queue.queue import Queue

_e, _r = tables.entries.c, tables.recipients.c
_ASKED_AT_ONCE = 1000  # entries in one look-up

_ENTRIES = select(
    _e.id, _e.accepted_at, _e.reverse_path, _e.size, _e.origin, _e.login, _e.client, _e.summary
)
_RECIPIENTS = Statement(
    select(
        _r.number, _r.address, _r.connector, _r.destination, _r.state, _r.due_at, _r.attempts,
        _r.status,
    )
    .where(_r.entry_id == param("entry"))
    .order_by(_r.number)
)  # fmt: skip
_EVENT = Statement(
    select(_e.id, _e.accepted_at, _e.reverse_path, _e.event).where(_e.id == param("entry"))
)
_COUNTS = Statement(
    select(_r.connector, _r.state, func.count().label("count"), func.min(_r.due_at).label("next"))
    .group_by(_r.connector, _r.state)
    .order_by(_r.connector, _r.state)
)
_OF_ENTRY = _r.entry_id == param("entry")
_HOLD = Statement(
    update(tables.recipients).where(_OF_ENTRY, _r.state.in_(ACTIVE)).values(state=State.HELD)
)
_RELEASE = Statement(
    update(tables.recipients)
    .where(_OF_ENTRY, _r.state == State.HELD)
    .values(state=State.PENDING, due_at=param("now"))
)
_RETRY = Statement(
    update(tables.recipients)
    .where(_OF_ENTRY, _r.state.in_(ACTIVE))
    .values(due_at=param("now"))  # a lease stays: who has it in hand is trying already
)
_RETRY_ALL = Statement(
    update(tables.recipients)
    .where(_r.state.in_(ACTIVE), _r.due_at > param("now"))
    .values(due_at=param("now"))
)
_CONTENT_OF = Statement(
    select(_e.content_id, tables.contents.c.file)
    .join(tables.contents, tables.contents.c.id == _e.content_id)
    .where(_e.id == param("entry"))
)
_REMOVE = [
    Statement(delete(tables.recipients).where(_OF_ENTRY)),
    Statement(delete(tables.entries).where(_e.id == param("entry"))),
    Statement(delete(tables.contents).where(tables.contents.c.id == param("content"))),
]
_FILES = Statement(select(tables.contents.c.file).where(tables.contents.c.file.is_not(None)))


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient as an operator sees it."""

    number: int
    address: str
    connector: str
    destination: str
    state: str
    due_at: int  # µs
    attempts: int
    status: str


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """An entry as an operator sees it."""

    id: str
    accepted_at: int  # µs
    reverse_path: str
    size: int
    origin: str
    login: str
    client: str
    subject: str
    recipients: tuple[QueuedRecipient, ...]


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How many recipients are in a state at a connector (empty: not yet routed)."""

    connector: str
    state: str
    count: int
    next_due_at: int  # µs


class Desk:
    """Looks into the queue and acts on single entries."""

    def __init__(self, queue: Queue) -> None:
        """Take the queue."""
        self._queue = queue
        self._database = queue.database

    def counts(self) -> list[QueueCount]:
        """Return how many recipients are where."""
        with self._database.reader() as connection:
            return [QueueCount(*row) for row in connection.rows(_COUNTS)]

    def messages(
        self, *, state: str = "", domain: str = "", most: int = 100, after: str = ""
    ) -> list[QueuedMessage]:
        """Return entries in the order they were accepted.

        Args:
            state: only those with a recipient in this state.
            domain: only those with a recipient for this destination.
            most: how many at most.
            after: continue after this entry's id.
        """
        query = _ENTRIES.where(_e.id > after).order_by(_e.id).limit(most)
        if state or domain:
            some = select(_r.entry_id).where(_r.entry_id == _e.id)
            if state:
                some = some.where(_r.state == state)
            if domain:
                some = some.where(_r.destination == domain)
            query = query.where(some.exists())
        with self._database.reader(snapshot=True) as connection:
            return [
                _message(row, connection.rows(_RECIPIENTS, {"entry": row.id}))
                for row in connection.rows(query)
            ]

    def message(self, entry_id: str) -> QueuedMessage | None:
        """Return one entry; None when it is not in the queue (any more)."""
        with self._database.reader(snapshot=True) as connection:
            row = connection.row(_ENTRIES.where(_e.id == entry_id))
            if row is None:
                return None
            return _message(row, connection.rows(_RECIPIENTS, {"entry": entry_id}))

    def accepted(self, entry_id: str) -> Event | None:
        """Return the submit's own event, while the entry is in the queue."""
        with self._database.reader() as connection:
            row = connection.row(_EVENT, {"entry": entry_id})
        return None if row is None else Accepted(*row).event()

    def hold(self, entry_id: str) -> int:
        """Hold an entry's unfinished recipients; returns how many."""
        return self._run(_HOLD, {"entry": entry_id})

    def release(self, entry_id: str, now_us: int) -> int:
        """Let held recipients go on; returns how many."""
        return self._run(_RELEASE, {"entry": entry_id, "now": now_us})

    def retry(self, entry_id: str | None, now_us: int) -> int:
        """Make waiting recipients due now, of one entry or of all; returns how many."""
        if entry_id is None:
            return self._run(_RETRY_ALL, {"now": now_us})
        return self._run(_RETRY, {"entry": entry_id, "now": now_us})

    def remove(self, entry_id: str) -> bool:
        """Take an entry out of the queue without telling anybody; False when it was not there."""

        def job(transaction: Transaction) -> Row | None:
            found = transaction.row(_CONTENT_OF, {"entry": entry_id})
            if found is not None:
                for statement in _REMOVE:
                    transaction.run(statement, {"entry": entry_id, "content": found.content_id})
            return found

        found = self._database.transact(job)
        if found is not None and found.file is not None:
            self._queue.folder.remove(found.file)
        return found is not None

    def are_closed(self, entry_ids: set[str]) -> set[str]:
        """Return those of some entry ids that are no longer in the queue."""
        found = set(entry_ids)
        some = iter(sorted(entry_ids))
        with self._database.reader() as connection:
            while ids := list(islice(some, _ASKED_AT_ONCE)):
                rows = connection.tuples(select(_e.id).where(_e.id.in_(ids)))
                found.difference_update(row[0] for row in rows)
        return found

    def content_files(self) -> set[str]:
        """Return the names of the content files that rows name."""
        with self._database.reader() as connection:
            return {row.file for row in connection.rows(_FILES)}

    def _run(self, statement: Statement, params: dict[str, Any]) -> int:
        return self._database.transact(lambda transaction: transaction.run(statement, params))


def _message(row: Row, recipients: list[Row]) -> QueuedMessage:
    return QueuedMessage(
        id=row.id,
        accepted_at=row.accepted_at,
        reverse_path=row.reverse_path,
        size=row.size,
        origin=row.origin,
        login=row.login,
        client=row.client,
        subject=Summary.from_json(row.summary).subject,
        recipients=tuple(QueuedRecipient(*each) for each in recipients),
    )
