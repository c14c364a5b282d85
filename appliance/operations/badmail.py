"""Bad mail, for its operators: look, put back into the queue, delete (manual §6.2)."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.database.content import Content
from appliance.journey.event import Event, Kind
from appliance.mail.envelope import Envelope, Recipient
from appliance.operations.checks import checked_address
from appliance.operations.house import House
from appliance.operations.operation import Action, NotFound, Question
from appliance.queue import badmail
from appliance.queue.badmail import BadMail
from appliance.queue.entry import Origin
from appliance.rules.access import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBadMail(Question[list[BadMail]]):
    """Copies in bad mail, in the order their messages were accepted.

    Attributes:
        most: how many at most.
        after: continue after the copy of this name.
    """

    name = "badmail.list"
    permission = Permission.QUEUE_READ
    most: int = 100
    after: str = ""

    def answer(self, house: House) -> list[BadMail]:
        """Return them."""
        return badmail.find(house.badmail, most=self.most, after=self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfCopy:
    """What all operations on one copy share.

    Attributes:
        copy: its name, `ID.N`: the message's id and the recipient's number.
    """

    copy: str

    def object(self) -> str:
        """Return what it is about."""
        return f"badmail {self.copy}"


def _not_found(copy: str) -> NotFound:
    return NotFound(f"there is no copy {copy!r} in bad mail; see `posthouse badmail list`")


def _found(house: House, copy: str) -> BadMail:
    found = badmail.read(house.badmail, copy)
    if found is None:
        raise _not_found(copy)
    return found


def _record(house: House, found: BadMail, kind: Kind, text: str) -> None:
    house.journey.record(
        [
            Event(
                at_us=house.clock.now_us(),
                message_id=found.entry_id,
                kind=kind,
                reverse_path=found.reverse_path,
                recipient=found.recipient,
                text=text,
            )
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowBadMail(_OfCopy, Question[BadMail]):
    """One copy: whom it was for, and why it lies here."""

    name = "badmail.show"
    permission = Permission.QUEUE_READ

    def answer(self, house: House) -> BadMail:
        """Return it."""
        return _found(house, self.copy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBadMail(_OfCopy, Question[Content]):
    """The message itself."""

    name = "badmail.read"
    permission = Permission.QUEUE_CHANGE

    def answer(self, house: House) -> Content:
        """Return its octets."""
        found = badmail.content_of(house.badmail, self.copy)
        if found is None:
            raise _not_found(self.copy)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RequeueBadMail(_OfCopy, Action[str]):
    """Send a copy once more to the recipient it did not reach; it leaves bad mail."""

    name = "badmail.requeue"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> str:
        """Submit it anew, then delete the copy; returns the new message's id."""
        found = _found(house, self.copy)
        reverse_path = None
        if found.reverse_path:
            reverse_path = checked_address(found.reverse_path, field="copy")
        recipient = checked_address(found.recipient, field="copy")
        content = badmail.content_of(house.badmail, self.copy)
        if content is None:
            raise _not_found(self.copy)
        message_id = house.queue.new_id()
        writer = house.queue.content(message_id)
        try:
            for chunk in content.chunks():
                writer.write(chunk)
        except OSError:
            writer.abandon()
            raise
        utf8 = not all(each.is_ascii for each in (reverse_path, recipient) if each is not None)
        envelope = Envelope(reverse_path, (Recipient(recipient),), body="8BITMIME", smtputf8=utf8)
        house.queue.submit(envelope, writer, Origin(kind="COMMAND"), message_id=message_id)
        badmail.delete(house.badmail, self.copy)
        _record(house, found, Kind.RETRIED, f"sent once more by an operator, as {message_id}")
        return message_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBadMail(_OfCopy, Action[None]):
    """Delete a copy for good."""

    name = "badmail.delete"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> None:
        """Delete it."""
        found = _found(house, self.copy)
        badmail.delete(house.badmail, self.copy)
        _record(house, found, Kind.REMOVED, "the copy in bad mail was deleted by an operator")
