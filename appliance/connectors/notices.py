"""Delivery status notifications as the queue takes them: what is told, from whom, with how much.

Standards: RFC 3461 §5.2, §6 (who is told what), RFC 3464; RFC 5321 §4.5.5 (null reverse-path).
    Manual §6.2 (Bad Mail Sender Address).
Owns: nothing. Never: decides that somebody is told; see `returns`.
Failure: OSError when a large notice can't be written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.database.content import Content
from appliance.mail import dsn
from appliance.mail.address import Address, AddressError, parse_domain
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.status import Action, DeliveryStatus
from appliance.operations.house import House
from appliance.queue.entry import Claimed, Origin
from appliance.queue.submission import Submission
from appliance.runtime.clock import MICROSECONDS, to_datetime
from appliance.settings import retry, smtp

MOST_RETURNED = 64 << 10  # octets; of a larger message only the header is returned


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice says of one recipient.

    Attributes:
        claimed: the recipient.
        status: what became of it.
        text: why, in words for the sender.
    """

    claimed: Claimed
    status: DeliveryStatus
    text: str


def prepare(house: House, kind: Action, told: Sequence[Told], content: Content) -> Submission:
    """Write a notice about one message, ready to be accepted in the commit that marks it.

    Args:
        house: whose names and settings count.
        kind: failed, delayed or delivered.
        told: recipients of one entry whose reverse-path is not null.
        content: the message.

    Raises:
        OSError: a large notice can't be written.
    """
    first = told[0].claimed
    envelope = first.envelope
    to = envelope.reverse_path
    assert to is not None
    now_us = house.clock.now_us()
    lifetime_us = house.settings[retry.lifetime] * MICROSECONDS
    until = to_datetime(first.accepted_at + lifetime_us) if kind is Action.delayed else None
    # RFC 3461 §6.2: only a report of a failure returns the whole message
    full = kind is Action.failed and envelope.ret != "HDRS" and content.size <= MOST_RETURNED
    sender = sender_of_notices(house)
    octets = dsn.compose(
        kind=kind,
        to=to,
        sender=sender,
        reporting_mta=house.local_domain,
        envid=envelope.envid,
        arrived_at=to_datetime(first.accepted_at),
        now=to_datetime(now_us),
        message_id=f"<{house.queue.new_id()}@{sender.domain}>",
        boundary=f"=_{os.urandom(12).hex()}",
        reports=[
            dsn.RecipientReport(
                final=each.claimed.recipient.address,
                orcpt=each.claimed.recipient.orcpt,
                status=each.status,
                last_attempt=to_datetime(now_us),
                will_retry_until=until,
                reason_text=each.text,
            )
            for each in told
        ],
        original=_original(content),
        full=full,
        smtputf8=envelope.smtputf8,
    )
    notice = Envelope(
        reverse_path=None,
        recipients=(Recipient(to),),
        body="7BIT" if octets.isascii() else "8BITMIME",
        smtputf8=envelope.smtputf8 or not (to.is_ascii and sender.is_ascii),
    )
    return house.queue.prepare(notice, octets, Origin(kind="DSN"))


def _original(content: Content) -> bytes:
    try:
        return content.read(MOST_RETURNED)
    except OSError:  # what can't be read can't be returned; the sender is told all the same
        return b""


def sender_of_notices(house: House) -> Address:
    """Return whom notices are from: the address that is set, or this server's postmaster."""
    try:
        return Address.parse(house.settings[smtp.bad_mail_sender])
    except AddressError:
        pass
    try:
        return Address("postmaster", parse_domain(house.local_domain))
    except AddressError:  # a machine without a proper name
        return Address("postmaster", "localhost")
