"""The queue: the one way in for every message, and the way on for each recipient.

Standards: RFC 5321 §6.1 (responsibility begins with the 250).
Owns: queue.db, queues/content/. Never: decides where mail goes.
Failure: `CommitFailed`, `StoreBusy` (temporary): nothing was accepted, nothing is left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Select, delete, func, select, update

from appliance.database.chosen import Chosen
from appliance.database.content import INLINE_MAX, Content, ContentFolder, ContentWriter
from appliance.database.database import Database
from appliance.database.listen import notify
from appliance.database.statement import POSTGRESQL, Connection, Sql, Statement, param
from appliance.database.writer import Transaction
from appliance.mail.envelope import Envelope
from appliance.mail.headers import Summary
from appliance.queue import tables
from appliance.queue.entry import (
    ACTIVE,
    Claimed,
    Connector,
    Finished,
    Mark,
    Origin,
    Routed,
    to_envelope,
    to_recipient,
)
from appliance.queue.journey import Accepted, Journey
from appliance.queue.marks import write_marks
from appliance.queue.parts import WHOLE, Part
from appliance.queue.submission import FIND_KEY, Submission, write_all
from appliance.runtime import steps
from appliance.runtime.clock import MICROSECONDS, Clock, new_id
from appliance.runtime.removals import Removals

_LEASE_US = 300 * MICROSECONDS

_e, _r, _c = tables.entries.c, tables.recipients.c, tables.contents.c

_BODIES = Chosen(
    _c.id, lambda chosen: select(_c.id, _c.size, _c.body, _c.file, _c.crc).where(chosen)
)
_CLAIM = (
    select(_r.entry_id, _r.number, _r.address, _r.options, _r.destination, _r.attempts, _r.due_at)
    .where(_r.connector == param("wanted"), tables.IS_ACTIVE, _r.due_at <= param("now"))
    .order_by(_r.due_at)
    .limit(param("most"))
)
_ENTRIES = Chosen(
    _e.id,
    lambda chosen: (
        select(
            _e.id, _e.recipients, _e.accepted_at, _e.reverse_path, _e.options, _e.login, _e.client,
            _e.content_id, _e.size, _e.summary, _e.event, _c.file, _c.crc,
        )
        .select_from(
            tables.entries.outerjoin(
                tables.contents, (_c.id == _e.content_id) & (_e.size > INLINE_MAX)
            )  # what is smaller has no file
        )
        .where(chosen)
    ),
)  # fmt: skip
_LEASE = (  # PostgreSQL: several workers, each row to one of them
    _CLAIM.where(_r.lease_until <= param("now")).with_for_update(
        of=tables.recipients, skip_locked=True
    )
)
_LEASE_ANY = Statement(_LEASE)
_LEASE_REST = Statement(_LEASE.where(_r.entry_id == param("entry")))
_SET_LEASE = Statement(
    update(tables.recipients).where(*tables.THIS_RECIPIENT).values(lease_until=param("until"))
)
# Without their conditions, which SQLite would look for in the index of all that is due.
_REST = Statement(
    select(
        _r.entry_id, _r.number, _r.address, _r.options, _r.destination, _r.attempts, _r.due_at,
        _r.connector, _r.state,
    )
    .where(_r.entry_id == param("entry"), _r.number > param("after"))
    .order_by(_r.number)
    .limit(param("most"))
)  # fmt: skip
_STATES = Statement(select(_r.number, _r.connector, _r.state).where(_r.entry_id == param("entry")))

_FORGET = Statement(delete(tables.submissions).where(tables.submissions.c.at < param("before")))


@cache
def _claim_of(part: Part) -> Select[Any]:
    """Claim what is a worker's own, by the key that the index ends with."""
    if part.of == 1:
        return _CLAIM
    ending = func.substr(_r.entry_id, -1)
    if part.number:
        return _CLAIM.where(ending.in_(part.endings))
    others = [Part(number, part.of) for number in range(1, part.of)]
    return _CLAIM.where(ending.not_in([each for other in others for each in other.endings]))


@cache
def _claim_any_of(part: Part) -> Statement:
    return Statement(_claim_of(part))


class Queue:
    """The durable queue of one server or cluster."""

    def __init__(
        self,
        database: Database,
        home: Path,
        journey: Journey,
        *,
        clock: Clock,
        ring: Callable[[str], None],
    ) -> None:
        """Take the queue's database and folder.

        Args:
            database: the queue's.
            home: `$POSTHOUSE_HOME`.
            journey: where events go.
            clock: the time.
            ring: wakes a service by its name.
        """
        self.database = database
        self.folder = ContentFolder(home / "queues" / "content", Removals(home))
        self.journey = journey
        self._clock = clock
        self._wake_mta = partial(ring, "mta")
        self._wake_sender = partial(ring, "sender")

    def new_id(self) -> str:
        """Make the id of a message that is about to be accepted."""
        return new_id(self._clock.now_us())

    def content(self, message_id: str | None = None) -> ContentWriter:
        """Begin a message's content; hand it to `submit` or `abandon` it."""
        return ContentWriter(self.folder, message_id or self.new_id())

    def submit(
        self,
        envelope: Envelope,
        content: ContentWriter,
        origin: Origin,
        *,
        message_id: str | None = None,
        reason: dict[str, Any] | None = None,
        key: str = "",
    ) -> str:
        """Accept a message; returns its id once it is durable.

        Args:
            envelope: who sends it and to whom.
            content: complete.
            origin: where it came from.
            message_id: from `new_id`, where the content names it.
            reason: why it was accepted.
            key: the client's own name for what it submits. The same key again within a week
                queues nothing and returns the first id. Empty: none.

        Raises:
            CommitFailed: it may not be durable; a content file left behind is swept later, since
                only then it is known that no row names it.
            StoreBusy: the database can't be reached; the same.
        """
        try:
            content.sync()
            steps.reach("submit.content-synced")
            submission = self._prepare(envelope, content, origin, message_id, reason)
        except BaseException:
            content.abandon()
            raise
        if key:
            return self._submit_once(submission, key)
        self.database.transact(submission.write, content.size)
        return submission.id

    def _submit_once(self, submission: Submission, key: str) -> str:
        content = submission.content
        found = self.database.transact(lambda tx: submission.write_once(tx, key), content.size)
        if found != submission.id:
            content.abandon()
        return found

    def submitted(self, key: str) -> str | None:
        """Return the id of what was submitted under a client's key; None when nothing was."""
        with self.database.reader() as connection:
            found: str | None = connection.value(FIND_KEY, {"k": key})
        return found

    def forget_submissions(self, before_us: int) -> int:
        """Forget the keys of submissions from before a time; returns how many."""
        return self.database.transact(lambda tx: tx.run(_FORGET, {"before": before_us}), lazy=True)

    def expect(self) -> Callable[[], None]:
        """Hear from an event loop that a message is coming in, so that others' commit waits for it.

        Returns:
            What to call just before it is submitted, or when it won't be (see `Writer.expect`).
        """
        return self.database.expect()

    def submit_async(
        self,
        envelope: Envelope,
        content: ContentWriter,
        origin: Origin,
        *,
        message_id: str | None = None,
        reason: dict[str, Any] | None = None,
    ) -> Awaitable[str]:
        """Accept a message from an event loop (see `submit`).

        Returns:
            What to wait for: the id once it is durable. The commit goes on when nobody waits any
            more: nobody has been answered then, and the message is delivered once.
        """

        def commit() -> asyncio.Future[str]:
            steps.reach("submit.content-synced")
            submission = self._prepare(envelope, content, origin, message_id, reason)
            return self.database.commit_alike(write_all, submission, content.size)

        async def sync_and_commit() -> str:
            try:
                await asyncio.to_thread(content.sync)
                committed = commit()
            except BaseException:
                content.abandon()
                raise
            return await asyncio.shield(committed)

        return sync_and_commit() if content.is_file else commit()

    def claim(
        self,
        connector: Connector,
        most: int,
        *,
        of_last: int = 0,
        but: Collection[tuple[str, int]] = (),
        without: Collection[str] = (),
        part: Part = WHOLE,
    ) -> list[Claimed]:
        """Choose recipients that are due.

        On SQLite one worker a connector and part asks (it holds the part's lock) and remembers what
        it has in hand: `but`. On PostgreSQL each row is leased to one worker for five minutes.

        Args:
            connector: whose recipients; `UNROUTED` for the MTA agent.
            most: how many at most.
            of_last: how many more of the last one's message, where there are more than `most`:
                a message whose recipients finish together leaves the queue by one step.
            but: (entry id, number) of recipients the worker has in hand already.
            without: destinations that the worker has enough of, so that others get their turn.
            part: on SQLite, which entries are the worker's.
        """
        wanted = {"wanted": connector, "now": self._clock.now_us(), "most": most}
        if self.database.dialect == POSTGRESQL:
            lease: Sql = (
                _LEASE.where(_r.destination.not_in(list(without))) if without else _LEASE_ANY
            )
            rows = self.database.transact(
                lambda transaction: _lease(transaction, lease, wanted, of_last), lazy=True
            )
        else:
            claim: Sql = (
                _claim_of(part).where(_r.destination.not_in(list(without)))
                if without
                else _claim_any_of(part)
            )
            with self.database.reader() as connection:
                rows = connection.tuples(claim, {**wanted, "most": most + len(but)})
                if but:
                    rows = [row for row in rows if row[:2] not in but][:most]
                if of_last and len(rows) == most:
                    rows += _rest(connection, rows[-1], wanted, of_last)
        return self._claimed(rows) if rows else []

    def _claimed(self, rows: Sequence[tuple[Any, ...]]) -> list[Claimed]:
        """Read what was claimed: of each entry once, however many recipients it has."""
        entries: dict[str, tuple[int, tuple[Any, ...]]] = {}
        with self.database.reader() as connection:
            for entry_id, *known in _ENTRIES.tuples(connection, {row[0] for row in rows}):
                of, accepted_at, reverse_path, options, login, client, *content = known
                content_id, size, summary, event, file, crc = content
                entries[entry_id] = (
                    of,
                    (
                        *(accepted_at, to_envelope(reverse_path, options), login, client),
                        *(content_id, file, crc, size, Summary.from_json(summary), summary),
                        Accepted(entry_id, accepted_at, reverse_path, event),
                    ),
                )
        found: list[Claimed] = []
        for entry_id, number, address, options, destination, attempts, due_at in rows:
            entry = entries.get(entry_id)
            if entry is None:  # an operator has removed it meanwhile
                continue
            of, rest = entry
            recipient = to_recipient(address, options)
            found.append(
                Claimed._make(
                    (entry_id, number, of, recipient, destination, attempts, *rest, due_at)
                )
            )
        return found

    def still_due(self, entry_id: str, connector: Connector) -> set[int]:
        """Return which of an entry's recipients wait at a connector: not held, finished or gone."""
        with self.database.reader() as connection:
            return _due_of(entry_id, connector, connection)

    def look_again(
        self, groups: Sequence[Sequence[Claimed]], connector: Connector
    ) -> list[tuple[list[Claimed], Content | None]]:
        """Return who of each message still waits at a connector, and the content if anybody does.

        Args:
            groups: recipients of one entry each.
            connector: theirs.

        Raises:
            LookupError: a content is gone.
        """
        # One snapshot: each further one would read pages again that others have changed.
        with self.database.reader(snapshot=True) as connection:
            due: list[list[Claimed]] = []
            for group in groups:
                still = _due_of(group[0].entry_id, connector, connection)
                due.append([claimed for claimed in group if claimed.number in still])
            found = self._contents([group[0] for group in due if group], connection)
        return [(group, _there(group[0], found) if group else None) for group in due]

    def lease(self, claimed: Collection[Claimed], *, keep: bool) -> None:
        """Keep recipients in hand for five more minutes, or let them go unmarked.

        Nothing on SQLite, where what a worker has in hand is known to that worker alone.
        """
        if self.database.dialect != POSTGRESQL or not claimed:
            return
        until = self._clock.now_us() + _LEASE_US if keep else 0
        rows = [{"entry": c.entry_id, "recipient": c.number, "until": until} for c in claimed]
        self.database.transact(
            lambda transaction: transaction.run_many(_SET_LEASE, rows), lazy=True
        )

    def content_of(self, claimed: Claimed) -> Content:
        """Return a message's content."""
        return _there(claimed, self.contents([claimed]))

    def contents(self, claimed: Iterable[Claimed]) -> dict[str, Content]:
        """Return the contents of messages by entry id, without those that are gone."""
        with self.database.reader() as connection:
            return self._contents(claimed, connection)

    def _contents(self, claimed: Iterable[Claimed], connection: Connection) -> dict[str, Content]:
        found: dict[str, Content] = {}
        inline: dict[int, str] = {}
        for each in claimed:
            if each.file is not None:
                found[each.entry_id] = Content(
                    each.size, None, self.folder.file(each.file), each.crc
                )
            else:
                inline[each.content_id] = each.entry_id
        if inline:
            for content_id, size, body, file, crc in _BODIES.tuples(connection, inline):
                path = None if file is None else self.folder.file(file)
                found[inline[content_id]] = Content(size, body, path, crc)
        return found

    def prepare(self, envelope: Envelope, octets: bytes, origin: Origin) -> Submission:
        """Prepare a message of our own making, to be written together with marks."""
        message_id = self.new_id()
        content = self.content(message_id)
        content.write(octets)
        content.sync()
        return self._prepare(envelope, content, origin, message_id, None)

    def mark(
        self,
        marks: Collection[Mark],
        *,
        notices: Collection[Submission] = (),
        durable: bool,
    ) -> None:
        """Write down what became of recipients, with the notices that follow from it.

        An entry goes when all its recipients are finished. Lazily for local deliveries, which the
        store remembers until the entry is gone; durably for what another server has taken and for
        what is given up, which nothing else remembers, and for large contents, whose files are
        unlinked.

        Args:
            marks: what became of them.
            notices: delivery status notifications, accepted in the same commit.
            durable: wait for the disk; notices are mail, and always do.
        """
        if durable or notices:
            self._mark(marks, notices, lazy=False)
            return
        filed = [mark for mark in marks if _is_filed(mark)]
        if filed:
            self._mark(filed, (), lazy=False)
        if len(filed) < len(marks):
            rest = [mark for mark in marks if not _is_filed(mark)]
            self._mark(rest, (), lazy=True)

    def _mark(
        self, marks: Collection[Mark], notices: Collection[Submission], *, lazy: bool
    ) -> None:
        goes_out = any(isinstance(m, Routed) and m.connector is Connector.SMTP for m in marks)

        def job(transaction: Transaction) -> None:
            for name in write_marks(transaction, marks):
                transaction.after_commit(partial(self.folder.remove, name))
            for notice in notices:
                notice.write(transaction)
            if goes_out:
                notify(transaction, "sender")
                transaction.after_commit(self._wake_sender)

        self.database.transact(job, lazy=lazy)

    def _prepare(
        self,
        envelope: Envelope,
        content: ContentWriter,
        origin: Origin,
        message_id: str | None,
        reason: dict[str, Any] | None,
    ) -> Submission:
        return Submission(
            envelope,
            content,
            origin,
            message_id=message_id or self.new_id(),
            now_us=self._clock.now_us(),
            reason=reason,
            wake=self._wake_mta,
        )


def _due_of(entry_id: str, connector: Connector, connection: Connection) -> set[int]:
    rows = connection.tuples(_STATES, {"entry": entry_id})
    return {number for number, at, state in rows if at == connector and state in ACTIVE}


def _is_filed(mark: Mark) -> bool:
    return isinstance(mark, Finished) and mark.claimed.file is not None


def _lease(transaction: Transaction, lease: Sql, wanted: dict[str, Any], of_last: int) -> list[Any]:
    rows = _leased(transaction, lease, wanted)
    if of_last and len(rows) == wanted["most"]:
        rest = {**wanted, "entry": rows[-1][0], "most": of_last}
        rows += _leased(transaction, _LEASE_REST, rest)
    return rows


def _leased(transaction: Transaction, lease: Sql, wanted: dict[str, Any]) -> list[Any]:
    rows = transaction.tuples(lease, wanted)
    until = wanted["now"] + _LEASE_US
    if rows:
        transaction.run_many(
            _SET_LEASE, [{"entry": row[0], "recipient": row[1], "until": until} for row in rows]
        )
    return rows


def _rest(
    connection: Connection, last: tuple[Any, ...], wanted: dict[str, Any], most: int
) -> list[tuple[Any, ...]]:
    """Return the recipients after one of the same message that are due as well."""
    entry_id, number, *_ = last
    rows = connection.tuples(_REST, {"entry": entry_id, "after": number, "most": most})
    return [
        row[:-2]
        for row in rows
        if row[-2] == wanted["wanted"] and row[-1] in ACTIVE and row[-3] <= wanted["now"]
    ]


def _there(claimed: Claimed, contents: Mapping[str, Content]) -> Content:
    """Return a message's content.

    Raises:
        LookupError: it is gone.
    """
    found = contents.get(claimed.entry_id)
    if found is None:
        raise LookupError(f"the content of {claimed.entry_id} is gone")
    return found
