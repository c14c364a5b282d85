"""Two tenants to test with, and short ways to what tests do most."""

from __future__ import annotations

from typing import TypeVar

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.operations.domains import CreateDomain
from appliance.operations.house import House
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operation import Action, Call, Change, Question, ask, perform
from appliance.operations.postoffices import CreatePostOffice
from appliance.queue.entry import Claimed, Connector, Origin
from appliance.rules.access import Actor, ActorKind

R = TypeVar("R")

ANNA = Actor(ActorKind.OPERATOR, "anna")
PASSWORD = "correct horse"
MESSAGE = b"Subject: greetings\r\n\r\nHello.\r\n"


class Town:
    """The post offices alpha (alice, alpha.test) and beta (bob, beta.test)."""

    def __init__(self, house: House) -> None:
        self.house = house
        for postoffice, mailbox in (("alpha", "alice"), ("beta", "bob")):
            self.do(CreatePostOffice(postoffice=postoffice, password=PASSWORD))
            self.do(CreateDomain(domain=f"{postoffice}.test", postoffice=postoffice))
            self.do(CreateMailbox(mailbox=f"{mailbox}@{postoffice}", password=PASSWORD))

    def do(self, operation: Change[R] | Action[R], actor: Actor = ANNA) -> R:
        return perform(self.house, Call(actor, "test", "192.0.2.1"), operation)

    def ask(self, question: Question[R], actor: Actor = ANNA) -> R:
        return ask(self.house, Call(actor, "test", "192.0.2.1"), question)


def envelope(*recipients: str, reverse_path: str = "sender@example.org") -> Envelope:
    """Address a message."""
    sender = Address.parse(reverse_path) if reverse_path else None
    return Envelope(sender, tuple(Recipient(Address.parse(each)) for each in recipients))


def submit(
    house: House, *recipients: str, octets: bytes = MESSAGE, message_id: str | None = None
) -> str:
    """Put a message into the queue."""
    content = house.queue.content(message_id)
    content.write(octets)
    origin = Origin(kind="SMTP")
    return house.queue.submit(envelope(*recipients), content, origin, message_id=message_id)


def claim_all(house: House, connector: Connector = Connector.UNROUTED) -> list[Claimed]:
    """Claim whatever is due, in the order it comes."""
    return house.queue.claim(connector, 1000)
