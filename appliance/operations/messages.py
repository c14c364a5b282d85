"""Where is my mail? A message's journey, and what would happen to one."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from appliance.journey.event import Event
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.mail.compose import compose
from appliance.mail.envelope import Envelope, Recipient
from appliance.operations.checks import checked_address, checked_part
from appliance.operations.house import House
from appliance.operations.operation import Action, Invalid, NotFound, Question
from appliance.operations.reception import judge_recipient, judge_room, judge_sender, route
from appliance.queue.desk import Desk, QueuedMessage
from appliance.queue.entry import Origin
from appliance.rules.access import Permission
from appliance.rules.routing import ToRemote
from appliance.runtime.clock import MICROSECONDS, to_datetime
from appliance.settings import journey as journey_settings
from appliance.settings import smarthost


@dataclass(frozen=True, slots=True)
class Trace:
    """A message's journey: its events so far, and where it is while it is in the queue."""

    id: str
    events: list[Event]
    queued: QueuedMessage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceMessage(Question[Trace]):
    """Everything that happened to a message.

    Attributes:
        message: the id that the SMTP reply, the Received header and the logs give.
    """

    name = "message.trace"
    permission = Permission.MESSAGE_TRACE
    message: str

    def object(self) -> str:
        """Return what it is about."""
        return f"message {self.message}"

    def answer(self, house: House) -> Trace:
        """Return the journey."""
        message_id = self.message.strip().upper()
        desk = Desk(house.queue)
        queued, first = desk.message(message_id), desk.accepted(message_id)
        events = house.journey.of(message_id)
        if first is not None and all(event.kind is not first.kind for event in events):
            events.insert(0, first)
        if not events:
            days = house.settings[journey_settings.days]
            raise NotFound(
                f"nothing is known of a message {self.message!r}; journeys are kept {days} days, "
                "and `posthouse message search` finds messages by address"
            )
        return Trace(message_id, events, queued)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchMessages(Question[list[Event]]):
    """Events of messages from or to an address, the newest first.

    Attributes:
        address: an address or part of one.
        days: how far back.
        most: how many at most.
    """

    name = "message.search"
    permission = Permission.MESSAGE_TRACE
    address: str
    days: int = 30
    most: int = 100

    def answer(self, house: House) -> list[Event]:
        """Return them."""
        part = checked_part(self.address, field="address")
        since = max(0, house.clock.now_us() - self.days * 86_400 * MICROSECONDS)
        return house.journey.search(part, since_us=since, most=self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainDelivery(Question[list[Reason]]):
    """What would happen to a message, by the very code that decides about real ones.

    Attributes:
        reverse_path: MAIL FROM; empty for the null reverse-path.
        recipient: RCPT TO.
        client: the sending client's IP address.
        login: the mailbox the client would have logged in as, or empty.
    """

    name = "explain.deliver"
    permission = Permission.SERVER_READ
    reverse_path: str
    recipient: str
    client: str
    login: str = ""

    def answer(self, house: House) -> list[Reason]:
        """Return the decisions in their order, up to the first refusal."""
        house.live.refresh()
        sender = None
        if self.reverse_path:
            sender = checked_address(self.reverse_path, field="reverse_path")
        recipient = checked_address(self.recipient, field="recipient")
        found: list[Reason] = []
        login = ""
        if self.login:
            known = house.directory.login(self.login)
            if known is None:
                raise Invalid(
                    f"nobody can log in as {self.login!r}: no such mailbox, or it is disabled",
                    field="login",
                )
            login = known[0].login
        try:
            ipaddress.ip_address(self.client)
        except ValueError:
            raise Invalid(
                f"{self.client!r} is not an IP address, such as 192.0.2.1", field="client"
            ) from None
        for first in (judge_room(house), judge_sender(house, sender, login=login)):
            if not first.accepted:
                return [first]
        judged = judge_recipient(
            house, recipient, client=self.client, login=login, reverse_path=sender
        )
        found.append(judged)
        if judged.accepted:
            way = route(house, recipient, hops=1)
            found.append(way.reason)
            if isinstance(way, ToRemote) and house.settings[smarthost.enabled]:
                found.append(
                    Reason(
                        rule="routing.smarthost",
                        outcome=Outcome.ACCEPT,
                        text=f"It is handed to the smart host {house.settings[smarthost.host]}.",
                        setting=smarthost.enabled.name,
                    )
                )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage(Action[str]):
    """Send a plain-text message through the queue, as every origin does.

    Attributes:
        sender: the From address and reverse-path.
        recipients: addresses.
        subject: one line.
        text: the body.
    """

    name = "message.send"
    permission = Permission.SERVER_CHANGE
    sender: str
    recipients: tuple[str, ...]
    subject: str
    text: str

    def carry_out(self, house: House) -> str:
        """Submit it; returns its id once it is durable."""
        sender = checked_address(self.sender, field="sender")
        addresses: list[Address] = [
            checked_address(each, field="recipients") for each in self.recipients
        ]
        if not addresses:
            raise Invalid(
                "the message has no recipient; name one or more addresses", field="recipients"
            )
        message_id = house.queue.new_id()
        try:
            octets = compose(
                from_=str(sender),
                to=[str(each) for each in addresses],
                subject=self.subject,
                text=self.text,
                date=to_datetime(house.clock.now_us()),
                message_id=f"<{message_id}@{house.local_domain}>",
            )
        except ValueError as error:
            raise Invalid(str(error), field="subject") from None
        content = house.queue.content(message_id)
        content.write(octets)
        utf8 = not all(each.is_ascii for each in (sender, *addresses))
        envelope = Envelope(
            sender, tuple(Recipient(each) for each in addresses), body="8BITMIME", smtputf8=utf8
        )
        return house.queue.submit(envelope, content, Origin(kind="COMMAND"), message_id=message_id)
