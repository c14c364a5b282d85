"""What a queue entry is: an envelope with a content, and each recipient's own state.

The states and the steps between them are drawn in docs/durability.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.mail.headers import Summary
from appliance.queue.journey import Accepted


class State(StrEnum):
    """A recipient's state."""

    PENDING = "pending"  # to be tried when due
    DEFERRED = "deferred"  # tried without success, to be tried again when due
    HELD = "held"  # waits for an operator
    DONE = "done"  # delivered or handed to another server
    FAILED = "failed"  # given up


_read_address = lru_cache(maxsize=1024)(Address.restored)  # a batch names the same ones again

ACTIVE = (State.PENDING, State.DEFERRED)


class Connector(StrEnum):
    """Who handles a recipient next; the manual's codes."""

    UNROUTED = ""
    SMTP = "SMTP"
    SF = "SF"
    LS = "LS"
    RETURN = "RETURN"  # back to the sender, as an operator has decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a submission came from.

    Attributes:
        kind: SMTP, DSN, COMMAND …
        login: the mailbox that was logged in, or empty.
        client: the client's IP address, or empty.
    """

    kind: str
    login: str = ""
    client: str = ""


class Claimed(NamedTuple):
    """A recipient that is due, with what its entry says.

    Attributes:
        entry_id: the message's id.
        number: the recipient's place in the envelope.
        of: how many recipients the entry was accepted for.
        recipient: the address with its DSN parameters.
        destination: a domain, once routed to SMTP.
        attempts: how many failed so far.
        due_at: since when it is due, µs.
        accepted_at: µs.
        content_id: for `Queue.contents`.
        file: the content file's name, or None.
        crc: of a file's octets, if it is known.
        summary: of the header section.
        summary_json: the same, as it is kept.
        accepted: the submit's own event.
    """

    entry_id: str
    number: int
    of: int
    recipient: Recipient
    destination: str
    attempts: int
    accepted_at: int
    envelope: Envelope  # without recipients
    login: str
    client: str
    content_id: int
    file: str | None
    crc: int | None
    size: int
    summary: Summary
    summary_json: str
    accepted: Accepted
    due_at: int = 0


class Finished(NamedTuple):
    """A recipient is done or given up."""

    claimed: Claimed
    state: State
    status: str


class Rescheduled(NamedTuple):
    """A recipient is to be tried again."""

    claimed: Claimed
    due_at: int
    status: str


class Routed(NamedTuple):
    """A recipient goes on to another connector."""

    claimed: Claimed
    connector: Connector
    destination: str


Mark = Finished | Rescheduled | Routed


def envelope_options(envelope: Envelope) -> str:
    """Put an envelope's options into JSON text; empty when all are the usual ones."""
    found: dict[str, Any] = {}
    if envelope.body != "7BIT":
        found["body"] = envelope.body
    if envelope.smtputf8:
        found["smtputf8"] = True
    if envelope.ret:
        found["ret"] = envelope.ret
    if envelope.envid:
        found["envid"] = envelope.envid
    return json.dumps(found) if found else ""


def to_envelope(reverse_path: str, options: str) -> Envelope:
    """Read back an envelope without its recipients."""
    found: dict[str, Any] = json.loads(options) if options else {}
    return Envelope(
        reverse_path=_read_address(reverse_path) if reverse_path else None,
        recipients=(),
        body=found.get("body", "7BIT"),
        smtputf8=found.get("smtputf8", False),
        ret=found.get("ret"),
        envid=found.get("envid"),
    )


def recipient_options(recipient: Recipient) -> str:
    """Put a recipient's DSN parameters into JSON text; empty when there are none."""
    found: dict[str, Any] = {}
    if recipient.notify is not None:
        found["notify"] = sorted(recipient.notify)
    if recipient.orcpt:
        found["orcpt"] = recipient.orcpt
    return json.dumps(found) if found else ""


def to_recipient(address: str, options: str) -> Recipient:
    """Read back a recipient."""
    if not options:
        return Recipient(_read_address(address))
    found: dict[str, Any] = json.loads(options)
    notify = found.get("notify")
    return Recipient(
        address=_read_address(address),
        notify=None if notify is None else frozenset(Notify(word) for word in notify),
        orcpt=found.get("orcpt"),
    )
