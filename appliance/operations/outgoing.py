"""Sending a letter that somebody has written in webmail or handed over by HTTPMail.

The rules are those of submission by SMTP after a login; whoever writes a letter in our own rooms
may besides use the addresses of the own mailbox only (CHECKLIST 234).

Standards: RFC 6409 (submission), RFC 5321 §4.4 (the trace line).
Owns: nothing; the queue keeps what is sent. Failure: `OutgoingRefused`: nothing was queued.
    `StoreBusy`, `CommitFailed`, OSError (temporary): the same letter may be sent again under its
    key, and goes out once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.database.content import ContentWriter
from appliance.directory.records import Mailbox
from appliance.journey.event import Event, Kind, because
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address, AddressError
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.headers import received
from appliance.operations.house import House
from appliance.operations.operation import OperationError
from appliance.operations.reception import accepted_because, judge_recipient, judge_sender
from appliance.queue.entry import Origin
from appliance.runtime import metrics
from appliance.runtime.clock import to_datetime
from appliance.settings import smtp

_RECORDED_REFUSALS = 20  # of one letter


@dataclass(frozen=True, slots=True)
class Fault:
    """An address that the letter can't go to.

    Attributes:
        address: as it was given.
        text: why, as a sentence for the writer.
    """

    address: str
    text: str


class OutgoingRefused(OperationError):
    """The letter was not sent to anybody.

    Attributes:
        field: what is wrong: `sender`, `recipients` or `size`.
        faults: for `recipients`, each address with its reason; empty when it is their number.
        is_temporary: the same may succeed later.
    """

    def __init__(
        self, text: str, *, field: str, faults: Sequence[Fault] = (), is_temporary: bool = False
    ) -> None:
        """Keep what is wrong."""
        super().__init__(text, field=field)
        self.faults = tuple(faults)
        self.is_temporary = is_temporary


def send_letter(
    house: House,
    *,
    mailbox: Mailbox,
    client: str,
    envelope_from: str,
    recipients: Sequence[str],
    octets: Iterable[bytes],
    origin: str,
    key: str,
) -> str:
    """Submit a letter; returns its id once it is durable.

    Args:
        house: whose queue and settings.
        mailbox: who sends it, logged in.
        client: the IP address it was sent from.
        envelope_from: MAIL FROM, one of the mailbox's addresses.
        recipients: RCPT TO, addresses without display names; each gets one copy however often it
            is named.
        octets: the letter with CRLF line ends, Message-ID and Date; taken only once all else is
            right. The trace line is put before it.
        origin: WEBMAIL or HTTPMAIL.
        key: the client's own for this letter; the same one again sends nothing and returns the
            first id. Empty: none.

    Raises:
        OutgoingRefused: a rule is against it; for all recipients or none.
        DatabaseError: temporary; send it again under the same key.
        OSError: the same; the disk is full.
    """
    key = f"{mailbox.id}:{hashlib.sha256(key.encode()).hexdigest()}" if key else ""
    if key and (first := house.queue.submitted(key)) is not None:
        return first
    letter = _Letter(house, mailbox, client, house.queue.new_id())
    sender = letter.judge_sender(envelope_from)
    addresses = letter.judge_recipients(recipients, sender)
    content = house.queue.content(letter.id)
    try:
        content.write(letter.trace_line(addresses))
        is_ascii = letter.take(octets, content)
    except BaseException:
        content.abandon()
        raise
    envelope = Envelope(
        sender,
        tuple(Recipient(each) for each in addresses),
        body="7BIT" if is_ascii else "8BITMIME",
        smtputf8=not all(each.is_ascii for each in (sender, *addresses)),
    )
    found = house.queue.submit(
        envelope,
        content,
        Origin(kind=origin, login=mailbox.login, client=client),
        message_id=letter.id,
        reason=accepted_because(letter.granted).to_dict(),
        key=key,
    )
    if found == letter.id:
        metrics.ACCEPTED.inc()
    return found


class _Letter:
    """A letter under way to the queue."""

    def __init__(self, house: House, mailbox: Mailbox, client: str, id: str) -> None:
        self.id = id
        self.granted: list[Reason] = []
        self._house = house
        self._login = mailbox.login
        self._client = client

    def judge_sender(self, text: str) -> Address:
        try:
            sender = Address.parse(text)
        except AddressError as error:
            raise OutgoingRefused(str(error), field="sender") from None
        reason = judge_sender(self._house, sender, login=self._login, always=True)
        if not reason.accepted:
            self._record([(reason, "")], sender)
            raise OutgoingRefused(reason.text, field="sender")
        return sender

    def judge_recipients(self, texts: Sequence[str], sender: Address) -> list[Address]:
        """Return each address once; all are right or none is."""
        addresses: dict[str, Address] = {}
        faults: list[Fault] = []
        refused: list[tuple[Reason, str]] = []
        for text in texts:
            try:
                address = Address.parse(text)
            except AddressError as error:
                faults.append(Fault(text, str(error)))
            else:
                addresses.setdefault(address.key, address)
        most = self._house.settings[smtp.max_recipients]
        if len(addresses) > most:
            text = f"The letter has {len(addresses)} recipients; one letter may have {most}."
            raise OutgoingRefused(text, field="recipients")
        is_lasting = bool(faults)
        for address in addresses.values():
            reason = judge_recipient(
                self._house,
                address,
                client=self._client,
                login=self._login,
                reverse_path=sender,
            )
            if reason.accepted:
                self.granted.append(reason)
            else:
                faults.append(Fault(str(address), reason.text))
                refused.append((reason, str(address)))
                is_lasting = is_lasting or reason.outcome is not Outcome.DEFER
        self._record(refused, sender)
        if faults:
            text = faults[0].text
            if len(faults) > 1:
                text = f"The letter can't go to {len(faults)} of its recipients. {text}"
            raise OutgoingRefused(
                text, field="recipients", faults=faults, is_temporary=not is_lasting
            )
        if not addresses:
            text = "The letter has no recipient; name one or more addresses."
            raise OutgoingRefused(text, field="recipients")
        return list(addresses.values())

    def trace_line(self, recipients: Sequence[Address]) -> bytes:
        client = self._client
        return received(
            from_helo=f"[IPv6:{client}]" if ":" in client else f"[{client}]",
            client=client,
            client_name=None,
            by=self._house.local_domain,
            protocol="HTTP",
            id=self.id,
            for_=str(recipients[0]) if len(recipients) == 1 else None,
            at=to_datetime(self._house.clock.now_us()),
            tls=None,
        )

    def take(self, octets: Iterable[bytes], content: ContentWriter) -> bool:
        """Write the letter down, up to the limit; returns whether it is all ASCII."""
        most = self._house.settings[smtp.max_message_kb] * 1024
        size, is_ascii = 0, True
        for chunk in octets:
            size += len(chunk)
            if most and size > most:
                text = f"The letter is larger than {most // 1024} KiB, the largest that is sent."
                raise OutgoingRefused(text, field="size")
            is_ascii = is_ascii and chunk.isascii()
            content.write(chunk)
        return is_ascii

    def _record(self, refused: Sequence[tuple[Reason, str]], sender: Address) -> None:
        """Write down refusals: metric, journey."""
        for reason, _ in refused:
            metrics.REFUSED.labels(reason.rule).inc()
        now_us = self._house.clock.now_us()
        self._house.journey.record(
            [
                Event(
                    at_us=now_us,
                    message_id=self.id,
                    kind=Kind.REFUSED,
                    reverse_path=str(sender),
                    recipient=recipient,
                    text=reason.text,
                    reason=because(reason),
                    detail={"client": self._client, "login": self._login},
                )
                for reason, recipient in refused[:_RECORDED_REFUSALS]
            ]
        )
