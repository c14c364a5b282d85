"""A message ready to be written into the queue: its rows, made before the transaction begins.

Owns: nothing. Never: opens a transaction; whoever writes decides what is committed with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import insert, select

from appliance.database.alike import Alike
from appliance.database.content import ContentWriter
from appliance.database.ids import take_ids
from appliance.database.listen import notify
from appliance.database.statement import Statement, Upsert, param
from appliance.database.writer import Transaction
from appliance.journey.event import Event, Kind
from appliance.mail.envelope import Envelope
from appliance.mail.headers import scan
from appliance.queue import tables
from appliance.queue.entry import Connector, Origin, State, envelope_options, recipient_options

_INSERT_CONTENT = Statement(insert(tables.contents))
_INSERT_ENTRY = Statement(insert(tables.entries))
_INSERT_RECIPIENTS = Alike(tables.recipients, ("number", "address", "options"))
_s = tables.submissions.c
_CLAIM_KEY = Upsert(  # PostgreSQL: waits for another transaction that has the key in hand
    lambda insert: insert(tables.submissions).on_conflict_do_nothing().returning(_s.entry_id),
    ("key", "entry_id", "at"),
)
FIND_KEY = Statement(select(_s.entry_id).where(_s.key == param("k")))


class Submission:
    """A message ready to be written into the queue, in whatever transaction that happens."""

    __slots__ = ("alike", "content", "entry", "event", "id", "recipients", "row", "wake")

    def __init__(
        self,
        envelope: Envelope,
        content: ContentWriter,
        origin: Origin,
        *,
        message_id: str,
        now_us: int,
        reason: dict[str, Any] | None,
        wake: Callable[[], None],
    ) -> None:
        """Prepare the rows.

        Args:
            envelope: with at least one recipient.
            content: complete; `sync` has been called.
            origin: where it came from.
            message_id: from `clock.new_id`.
            now_us: the time of acceptance.
            reason: why it was accepted, for the journey.
            wake: called once it is durable.
        """
        self.wake = wake
        self.id = message_id
        self.content = content
        reverse_path = str(envelope.reverse_path) if envelope.reverse_path else ""
        summary = scan(content.beginning())
        self.event = Event(
            at_us=now_us,
            message_id=message_id,
            kind=Kind.ACCEPTED,
            reverse_path=reverse_path,
            text=f"accepted from {origin.login or origin.client or origin.kind}",
            reason=reason,
            detail={
                "origin": origin.kind,
                "login": origin.login,
                "client": origin.client,
                "recipients": " ".join(str(each.address) for each in envelope.recipients[:20]),
                "size": str(content.size),
                "subject": summary.subject[:200],
                "message_id_header": summary.message_id[:200],
            },
        )
        self.row = {
            "size": content.size,
            "body": content.body(),
            "file": content.file_name(),
            "crc": content.crc,
        }
        self.entry = {
            "id": message_id,
            "accepted_at": now_us,
            "size": content.size,
            "origin": origin.kind,
            "reverse_path": reverse_path,
            "options": envelope_options(envelope),
            "login": origin.login,
            "client": origin.client,
            "recipients": len(envelope.recipients),
            "summary": summary.to_json(),
            "event": self.event.data(),
        }
        self.alike = {
            "entry_id": message_id,
            "connector": Connector.UNROUTED.value,
            "destination": "",
            "state": State.PENDING.value,
            "due_at": now_us,
            "attempts": 0,
            "status": "",
            "lease_until": 0,
        }
        self.recipients = [
            (number, str(recipient.address), recipient_options(recipient))
            for number, recipient in enumerate(envelope.recipients)
        ]

    def write(self, transaction: Transaction) -> str:
        """Write content, envelope, recipients and first event; returns the message's id.

        One commit makes them durable.
        """
        return write_all(transaction, (self,))[0]

    def write_once(self, transaction: Transaction, key: str) -> str:
        """Write it unless its client's key was used before; returns the id under the key."""
        row = {"key": key, "entry_id": self.id, "at": self.event.at_us}
        if transaction.value(_CLAIM_KEY, row) is None:
            first: str = transaction.value(FIND_KEY, {"k": key})
            return first
        return self.write(transaction)


def write_all(transaction: Transaction, submissions: Sequence[Submission]) -> list[str]:
    """Write messages, a statement for each table; returns their ids.

    Raises:
        CommitFailed: a large content has gone.
    """
    for each in submissions:
        each.content.check()
    ids = take_ids(transaction, tables.contents, len(submissions))
    both = list(zip(ids, submissions, strict=True))
    transaction.run_many(_INSERT_CONTENT, [{"id": number, **each.row} for number, each in both])
    transaction.run_many(
        _INSERT_ENTRY, [{**each.entry, "content_id": number} for number, each in both]
    )
    _INSERT_RECIPIENTS.run(transaction, [(each.alike, each.recipients) for each in submissions])
    notify(transaction, "mta")
    for wake in {each.wake for each in submissions}:
        transaction.after_commit(wake)
    return [each.id for each in submissions]
