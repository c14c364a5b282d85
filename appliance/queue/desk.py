"""The operator's view of the queue: what is in it, and hold, release, retry, return, remove.

Owns: nothing; works on the queue's tables. Failure: `StoreBusy`, `CommitFailed` (temporary).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    TextClause,
    case,
    delete,
    func,
    select,
    union_all,
    update,
)

from appliance.database.orphans import NamedFiles
from appliance.database.statement import Row, Statement, param
from appliance.database.writer import Transaction
from appliance.journey.event import Event
from appliance.mail.headers import Summary
from appliance.queue import tables
from appliance.queue.entry import ACTIVE, Connector, State
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
_OTHERS = [  # by an index each, or few
    Statement(
        select(_r.connector, _r.state, func.count(), func.min(_r.due_at))
        .where(where)
        .group_by(_r.connector, _r.state)
    )
    for where in (tables.IS_HELD, _r.state.in_((State.DONE, State.FAILED)))
]
_is_deferred = _r.state == State.DEFERRED
_DEFERRED_OF = Statement(  # in the index's own order, so that nothing is sorted
    select(
        _r.connector,
        func.count().label("count"),
        func.sum(case((_is_deferred, 1), else_=0)).label("deferred"),
        func.min(case((_is_deferred, _r.due_at))).label("next_deferred"),
        func.min(case((~_is_deferred, _r.due_at))).label("next_pending"),
    )
    .where(tables.IS_ACTIVE)
    .group_by(_r.connector)
)
_HELD_OF = Statement(
    select(_r.connector, func.count().label("count")).where(tables.IS_HELD).group_by(_r.connector)
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
_is_put_off = (_r.connector == param("wanted"), tables.IS_ACTIVE, _r.due_at > param("latest"))
_PUT_OFF = Statement(select(_r.entry_id).where(*_is_put_off).limit(1))
_PULL_IN = Statement(update(tables.recipients).where(*_is_put_off).values(due_at=param("now")))
_RETRY_ALL = Statement(
    update(tables.recipients)
    .where(_r.state.in_(ACTIVE), _r.due_at > param("now"))
    .values(due_at=param("now"))
)
_RETURN = Statement(
    update(tables.recipients)
    .where(_OF_ENTRY, _r.state.in_((*ACTIVE, State.HELD)))
    .values(connector=Connector.RETURN, state=State.PENDING, due_at=param("now"))
)
_ROUTED = [each for each in Connector if each is not Connector.UNROUTED]
_LOOKED_AT = 100_000  # recipients that a count by destination looks at
_looked_at = (
    select(_r.destination, _r.due_at, _r.entry_id)
    .where(_r.connector == Connector.SMTP, tables.IS_ACTIVE)
    .order_by(_r.due_at)
    .limit(_LOOKED_AT)
    .subquery()
)
_l = _looked_at.c
_DESTINATIONS = select(
    _l.destination,
    func.count().label("waiting"),
    func.min(_l.entry_id).label("oldest"),
    func.min(_l.due_at).label("next"),
    func.max(_l.due_at).label("latest"),
).group_by(_l.destination)
_OLDEST_FIRST = Statement(
    _DESTINATIONS.order_by(func.min(_l.entry_id), _l.destination).limit(param("most"))
)
_MOST_FIRST = Statement(
    _DESTINATIONS.order_by(func.count().desc(), _l.destination).limit(param("most"))
)
_ACCEPTED_AT = Statement(select(_e.accepted_at).where(_e.id == param("entry")))
_STATUS_OF = Statement(
    select(_r.status)
    .where(
        _r.connector == Connector.SMTP,
        tables.IS_ACTIVE,
        _r.due_at == param("due"),
        _r.destination == param("target"),
    )
    .limit(1)
)
_WAITING = Statement(select(func.count()).select_from(tables.recipients).where(tables.IS_ACTIVE))
_HELD = Statement(select(func.count()).select_from(tables.recipients).where(tables.IS_HELD))
_DUE_FIRST = Statement(
    select(func.min(_r.due_at)).where(_r.connector == Connector.UNROUTED, tables.IS_ACTIVE)
)
_OLDEST = Statement(select(_e.accepted_at).order_by(_e.id).limit(1))
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


@dataclass(frozen=True, slots=True)
class DestinationCount:
    """What waits for one destination.

    Attributes:
        destination: a domain.
        waiting: recipients to be tried, now or later; those on hold are not counted.
        oldest_at: when the oldest of their messages was accepted, µs.
        next_due_at: when the next attempt is due, µs.
        status: what the last attempt was answered; empty before the first.
    """

    destination: str
    waiting: int
    oldest_at: int
    next_due_at: int
    status: str


@dataclass(frozen=True, slots=True)
class QueueLook:
    """The queue in one look.

    Attributes:
        waiting: recipients to be tried, now or later.
        held: recipients that wait for an operator.
        oldest_at: when the oldest message was accepted, µs; 0 when the queue is empty.
        unrouted_due_at: when the first one is due for the MTA agent, µs; 0 for none.
    """

    waiting: int
    held: int
    oldest_at: int
    unrouted_due_at: int


class Desk:
    """Looks into the queue and acts on single entries."""

    def __init__(self, queue: Queue) -> None:
        """Take the queue."""
        self._queue = queue
        self._database = queue.database

    def counts(self) -> list[QueueCount]:
        """Return how many recipients are where."""
        with self._database.reader(snapshot=True) as connection:
            found = [QueueCount(*row) for each in _OTHERS for row in connection.tuples(each)]
            for row in connection.rows(_DEFERRED_OF):
                deferred = int(row.deferred)
                for state, count, due_at in (
                    (State.DEFERRED, deferred, row.next_deferred),
                    (State.PENDING, row.count - deferred, row.next_pending),
                ):
                    if count:
                        found.append(QueueCount(row.connector, state, count, due_at))
        return sorted(found, key=lambda each: (each.connector, each.state))

    def waiting(self) -> dict[tuple[str, State], int]:
        """Return how many recipients are pending, deferred and held, by connector and state."""
        found: dict[tuple[str, State], int] = {}
        with self._database.reader(snapshot=True) as connection:
            for row in connection.rows(_DEFERRED_OF):
                found[row.connector, State.PENDING] = row.count - int(row.deferred)
                found[row.connector, State.DEFERRED] = int(row.deferred)
            for row in connection.rows(_HELD_OF):
                found[row.connector, State.HELD] = row.count
        return {where: count for where, count in found.items() if count}

    def destinations(self, *, most: int = 50, oldest_first: bool = False) -> list[DestinationCount]:
        """Return where mail waits for, the most or the oldest first.

        Of a queue with more than 100,000 recipients for other servers those that are due first
        are counted.
        """
        with self._database.reader(snapshot=True) as connection:
            rows = connection.rows(_OLDEST_FIRST if oldest_first else _MOST_FIRST, {"most": most})
            return [
                DestinationCount(
                    destination=row.destination,
                    waiting=row.waiting,
                    oldest_at=connection.value(_ACCEPTED_AT, {"entry": row.oldest}) or 0,
                    next_due_at=row.next,
                    status=connection.value(
                        _STATUS_OF, {"due": row.latest, "target": row.destination}
                    )
                    or "",
                )
                for row in rows
            ]

    def look(self) -> QueueLook:
        """Return the queue in one look; costs little, however long it is."""
        with self._database.reader(snapshot=True) as connection:
            return QueueLook(
                waiting=connection.value(_WAITING),
                held=connection.value(_HELD),
                oldest_at=connection.value(_OLDEST) or 0,
                unrouted_due_at=connection.value(_DUE_FIRST) or 0,
            )

    def messages(
        self, *, state: str = "", domain: str = "", most: int = 100, after: str = ""
    ) -> list[QueuedMessage]:
        """Return entries in the order they were accepted.

        Args:
            state: only those with a recipient in this state.
            domain: only those with a recipient who waits for this destination, or is on hold;
                with a state, only those with a recipient in it for this destination.
            most: how many at most.
            after: continue after this entry's id.
        """
        query = _chosen(state=state, domain=domain, most=most, after=after)
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

    def pull_in(self, latest_us: int, now_us: int) -> int:
        """Make recipients due now that wait for longer than any rule says; returns how many.

        A clock that was ahead when they were accepted or tried has put them off.

        Args:
            latest_us: the latest moment for which any may wait.
            now_us: the time.
        """
        wanted = [{"wanted": each, "latest": latest_us, "now": now_us} for each in Connector]
        with self._database.reader() as connection:
            late = [each for each in wanted if connection.value(_PUT_OFF, each) is not None]
        if not late:
            return 0
        return self._database.transact(
            lambda transaction: sum(transaction.run(_PULL_IN, each) for each in late)
        )

    def give_back(self, entry_id: str, now_us: int) -> int:
        """Have an entry returned to its sender by the MTA agent; returns how many recipients.

        Those that are done or given up stay so.
        """
        return self._run(_RETURN, {"entry": entry_id, "now": now_us})

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

    def files(self) -> NamedFiles:
        """Return the content files."""
        return NamedFiles(self._queue.folder, self._database, _FILES)

    def _run(self, statement: Statement, params: dict[str, Any]) -> int:
        return self._database.transact(lambda transaction: transaction.run(statement, params))


def _chosen(*, state: str, domain: str, most: int, after: str) -> Select[Any]:
    """Choose entries.

    Which messages wait for a destination is read from the index of all that wait: one of its own
    would be written in another place by each message that goes out, for the sake of this question.
    """
    query = _ENTRIES.order_by(_e.id).limit(most)
    if not state and not domain:
        return query.where(_e.id > after)
    waits: list[ColumnElement[bool] | TextClause] = [tables.IS_ACTIVE]
    if domain:
        waits.append(_r.connector.in_(_ROUTED))
    places: list[list[ColumnElement[bool] | TextClause]]
    if state == State.HELD:
        places = [[tables.IS_HELD]]
    elif state:
        places = [[_r.state == state, *(waits if domain and state in ACTIVE else [])]]
    else:
        places = [waits, [tables.IS_HELD]]
    there = [_r.entry_id > after, *([_r.destination == domain] if domain else [])]
    found = union_all(*(select(_r.entry_id).where(*there, *where) for where in places)).subquery()
    some = found.c.entry_id
    return query.where(_e.id.in_(select(some).distinct().order_by(some).limit(most)))


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
