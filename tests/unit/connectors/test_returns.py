"""What follows when mail can't be delivered here, or was, as somebody asked to be told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.connectors.notices import sender_of_notices
from appliance.connectors.returns import Failure, Returns
from appliance.directory.records import Target
from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.operations.house import Config, House
from appliance.queue import badmail
from appliance.queue.entry import Claimed, Connector, Origin
from appliance.rules.routing import Nowhere, route
from appliance.runtime.logs import Logs
from tests.support.clock import SetClock
from tests.support.town import MESSAGE

NOBODY = Target(domain_known=True)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config, clock=SetClock())
    yield house
    house.close()


@pytest.fixture
def returns(house: House) -> Iterator[Returns]:
    logs = Logs(house.home, "MTA")
    yield Returns(house, logs)
    logs.close()


def claim(
    house: House, *recipients: Recipient, octets: bytes = MESSAGE, sender: str = "alice@a.test"
) -> list[Claimed]:
    content = house.queue.content()
    content.write(octets)
    reverse_path = Address.parse(sender) if sender else None
    house.queue.submit(Envelope(reverse_path, recipients), content, Origin(kind="SMTP"))
    return house.queue.claim(Connector.UNROUTED, 100)


def to(address: str, *notify: Notify) -> Recipient:
    return Recipient(Address.parse(address), frozenset(notify) if notify else None)


def lost(claimed: Claimed, *, hops: int = 1) -> Failure:
    way = route(claimed.recipient.address, NOBODY, hops=hops, max_hops=50)
    assert isinstance(way, Nowhere)
    return Failure(claimed, way.reason)


def only_notice(house: House) -> str:
    ((notice),) = house.queue.claim(Connector.UNROUTED, 100)
    return house.queue.content_of(notice).read().decode()


def test_all_unknown_recipients_of_a_message_are_returned_in_one_notice(
    house: House, returns: Returns
) -> None:
    claimed = claim(house, to("x@b.test"), to("y@b.test"))
    returns.give_up([lost(each) for each in claimed])
    text = only_notice(house)
    assert text.count("Status: 5.1.1") == 2
    assert text.count("Action: failed") == 2
    assert "Diagnostic-Code" not in text  # nobody else has said so
    assert "There is no address x@b.test here any more." in text
    assert badmail.find(house.badmail) == []


def test_a_message_that_loops_is_returned_and_kept(house: House, returns: Returns) -> None:
    """Manual §5.4: such messages end up in Bad Mail."""
    claimed = claim(house, to("x@b.test"))
    returns.give_up([lost(each, hops=51) for each in claimed])
    assert "Status: 5.4.6" in only_notice(house)
    (copy,) = badmail.find(house.badmail)
    assert "it loops" in copy.reason


def test_of_a_large_message_only_the_header_returns(house: House, returns: Returns) -> None:
    octets = MESSAGE + b"filler\r\n" * 10_000
    returns.give_up([lost(each) for each in claim(house, to("x@b.test"), octets=octets)])
    text = only_notice(house)
    assert "Subject: greetings" in text
    assert "filler" not in text


def test_a_sender_is_told_of_a_delivery_who_asked_for_it(house: House, returns: Returns) -> None:
    """RFC 3461 §4.1."""
    returns.tell_success(claim(house, to("x@b.test", Notify.SUCCESS)))
    found = house.queue.claim(Connector.UNROUTED, 100)
    notice = next(each for each in found if each.envelope.reverse_path is None)
    text = house.queue.content_of(notice).read().decode()
    assert "Action: delivered" in text
    assert "Status: 2.1.5" in text
    assert "Hello." not in text


def test_nobody_is_told_of_nothing(house: House, returns: Returns) -> None:
    returns.tell_success([])
    returns.tell_success(claim(house, to("x@b.test", Notify.SUCCESS), sender=""))
    assert len(house.queue.claim(Connector.UNROUTED, 100)) == 1


@pytest.mark.parametrize(
    ("name", "sender"),
    [("mail.a.test", "postmaster@mail.a.test"), ("no name", "postmaster@localhost")],
)
def test_notices_come_from_the_postmaster(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, sender: str
) -> None:
    """Manual §6.2, Bad Mail Sender Address; a machine without a proper name still has one."""
    monkeypatch.setattr(House, "local_domain", name)
    assert str(sender_of_notices(house)) == sender
