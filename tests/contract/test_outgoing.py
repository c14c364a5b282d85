"""Letters from webmail and HTTPMail: the rules of submission, for all recipients or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from appliance.database.content import INLINE_MAX
from appliance.directory.records import Mailbox
from appliance.journey.event import Event, Kind
from appliance.operations.addresses import CreateAddress
from appliance.operations.mailboxes import EnableMailbox
from appliance.operations.outgoing import Fault, OutgoingRefused, send_letter
from appliance.operations.queue import ListQueue
from appliance.operations.settings import ChangeSetting
from appliance.queue.journey import Accepted
from appliance.runtime import metrics
from tests.support.clock import SetClock
from tests.support.town import Town, claim_all

ALICE, BOB, REMOTE = "alice@alpha.test", "bob@beta.test", "somebody@elsewhere.test"
LETTER = b"Subject: greetings\r\nMessage-ID: <1@alpha.test>\r\n\r\nHello.\r\n"


def alice(town: Town) -> Mailbox:
    found = town.house.directory.mailbox("alice@alpha")
    assert found is not None
    return found


def send(
    town: Town,
    *recipients: str,
    octets: Iterable[bytes] = (LETTER,),
    sender: str = ALICE,
    key: str = "",
    client: str = "192.0.2.7",
) -> str:
    town.house.live.refresh()
    return send_letter(
        town.house,
        mailbox=alice(town),
        client=client,
        envelope_from=sender,
        recipients=recipients,
        octets=octets,
        origin="WEBMAIL",
        key=key,
    )


def refused(town: Town, *recipients: str, **given: str) -> OutgoingRefused:
    with pytest.raises(OutgoingRefused) as found:
        send(town, *recipients, octets=never(), **given)
    assert town.ask(ListQueue()) == []
    assert list(town.house.queue.folder.names()) == []
    return found.value


def never() -> Iterator[bytes]:
    raise AssertionError("a letter that is refused is not read")
    yield b""


def record(town: Town) -> list[Event]:
    """Return what the journey has of refusals to alice."""
    town.house.databases.get("journey").transact(lambda transaction: None, lazy=True)
    return town.house.journey.search(ALICE, since_us=0, most=100)


# ── sent ─────────────────────────────────────────────────────────────────────────────────────────


def test_letter_is_queued_with_its_envelope_and_who_sent_it(town: Town) -> None:
    message_id = send(town, REMOTE, BOB)
    first, second = sorted(claim_all(town.house), key=lambda each: each.number)
    assert [str(each.recipient.address) for each in (first, second)] == [REMOTE, BOB]
    assert str(first.envelope.reverse_path) == ALICE
    assert (first.entry_id, first.login, first.client) == (message_id, "alice@alpha", "192.0.2.7")
    (queued,) = town.ask(ListQueue())
    assert (queued.origin, queued.login) == ("WEBMAIL", "alice@alpha")
    event = Accepted(*_accepted(first.accepted)).event()
    assert event.text == "accepted from alice@alpha"
    assert event.reason is not None
    assert "relay.authenticated" in str(event.reason["text"])


def _accepted(found: Accepted) -> tuple[str, int, str, str]:
    return found.message_id, found.at_us, found.reverse_path, found.data


def test_trace_line_stands_before_the_letter(town: Town, clock: SetClock) -> None:
    # RFC 5321 §4.4; a single recipient is named, several would betray blind copies
    town.do(ChangeSetting(setting="smtp.local_domain", value="mail.alpha.test"))
    message_id = send(town, REMOTE, octets=(LETTER[:9], LETTER[9:]))
    (claimed,) = claim_all(town.house)
    octets = town.house.queue.content_of(claimed).read()
    trace, _, rest = octets.partition(b"Subject:")
    assert b"Subject:" + rest == LETTER
    assert " ".join(trace.decode().split()) == (
        "Received: from [192.0.2.7] ([192.0.2.7]) by mail.alpha.test with HTTP "
        f"id {message_id} for <{REMOTE}>; Sun, 15 Jun 2025 15:06:40 +0000"
    )
    assert claimed.summary.received_count == 1


def test_client_with_an_ipv6_address_is_written_as_a_literal(town: Town) -> None:
    send(town, REMOTE, BOB, client="2001:db8::1")
    claimed = claim_all(town.house)[0]
    head = town.house.queue.content_of(claimed).read(200)
    assert head.startswith(b"Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n")
    assert b" for <" not in head


def test_each_address_gets_one_copy_however_often_it_is_named(town: Town) -> None:
    send(town, REMOTE, BOB, "Bob@BETA.test", REMOTE)
    assert [str(each.recipient.address) for each in claim_all(town.house)] == [REMOTE, BOB]


@pytest.mark.parametrize(
    ("octets", "recipient", "body", "utf8"),
    [
        (LETTER, BOB, "7BIT", False),
        (LETTER + "Grüße\r\n".encode(), BOB, "8BITMIME", False),
        (LETTER, "grüße@elsewhere.test", "7BIT", True),
    ],
)
def test_envelope_says_what_the_letter_needs(
    town: Town, octets: bytes, recipient: str, body: str, *, utf8: bool
) -> None:
    # RFC 6152, RFC 6531 §3.4
    send(town, recipient, octets=[octets])
    (claimed,) = claim_all(town.house)
    assert (claimed.envelope.body, claimed.envelope.smtputf8) == (body, utf8)


def test_any_address_of_the_mailbox_may_be_the_sender(town: Town) -> None:
    town.do(CreateAddress(address="sales@alpha.test", mailbox="alice@alpha"))
    send(town, BOB, sender="Sales@alpha.test")
    assert str(claim_all(town.house)[0].envelope.reverse_path) == "Sales@alpha.test"


def test_the_same_letter_again_is_sent_once_even_after_its_rules_have_changed(town: Town) -> None:
    before = metrics.REGISTRY.get_sample_value("posthouse_accepted_messages_total") or 0
    first = send(town, BOB, key="draft 7")
    town.do(EnableMailbox(mailbox="bob@beta", enabled=False))
    assert send(town, BOB, key="draft 7", octets=never()) == first
    assert len(town.ask(ListQueue())) == 1
    after = metrics.REGISTRY.get_sample_value("posthouse_accepted_messages_total")
    assert after == before + 1


def test_keys_are_each_mailboxes_own(town: Town) -> None:
    send(town, BOB, key="1")
    bob = town.house.directory.mailbox("bob@beta")
    assert bob is not None
    send_letter(
        town.house,
        mailbox=bob,
        client="192.0.2.7",
        envelope_from=BOB,
        recipients=[ALICE],
        octets=[LETTER],
        origin="HTTPMAIL",
        key="1",
    )
    assert len(town.ask(ListQueue())) == 2


# ── refused: nobody gets anything ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        (BOB, f"{BOB} is not an address of alice@alpha"),
        ("nobody@alpha.test", "nobody@alpha.test is not an address of alice@alpha"),
        ("a@elsewhere.test", "is not an address of alice@alpha"),
        ("", "give an address like user@example.com"),
        ("Alice <alice@alpha.test>", "a space outside quotes"),
    ],
)
def test_sender_must_be_an_address_of_the_mailbox(town: Town, sender: str, told: str) -> None:
    # CHECKLIST 234, whatever smtp.sender_must_match says of SMTP
    error = refused(town, BOB, sender=sender)
    assert error.field == "sender"
    assert told in str(error)


def test_every_wrong_recipient_is_told_with_its_reason(town: Town) -> None:
    town.do(EnableMailbox(mailbox="bob@beta", enabled=False))
    error = refused(town, REMOTE, "not an address", "nobody@alpha.test", BOB)
    assert error.field == "recipients"
    assert not error.is_temporary
    assert [each.address for each in error.faults] == ["not an address", "nobody@alpha.test", BOB]
    assert error.faults[1] == Fault(
        "nobody@alpha.test", "There is no address nobody@alpha.test here."
    )
    assert error.faults[2].text == f"The mailbox of {BOB} is disabled."
    assert str(error).startswith("The letter can't go to 3 of its recipients.")


def test_letter_needs_a_recipient_and_not_too_many(town: Town) -> None:
    assert "no recipient" in str(refused(town))
    town.do(ChangeSetting(setting="smtp.max_recipients", value="2"))
    error = refused(town, *(f"{name}@elsewhere.test" for name in "abc"))
    assert str(error) == "The letter has 3 recipients; one letter may have 2."
    assert send(town, "a@x.test", "b@x.test", "A@x.test")


def test_mail_to_elsewhere_needs_relaying_as_by_smtp(town: Town) -> None:
    # CHECKLIST 094–102
    town.do(ChangeSetting(setting="relay.authenticated", value="no"))
    error = refused(town, BOB, REMOTE)
    assert [each.address for each in error.faults] == [REMOTE]
    assert "a login alone does not allow it" in error.faults[0].text


def test_letter_that_is_too_large_is_given_up_where_it_becomes_so(town: Town) -> None:
    town.do(ChangeSetting(setting="smtp.max_message_kb", value="256"))
    taken = []

    def pieces() -> Iterator[bytes]:
        for number in range(100):
            taken.append(number)
            yield b"x" * 65_536

    with pytest.raises(OutgoingRefused, match="larger than 256 KiB") as found:
        send(town, BOB, octets=pieces())
    assert found.value.field == "size"
    assert len(taken) == 5
    assert list(town.house.queue.folder.names()) == []
    assert send(town, BOB, octets=[b"x" * 65_536] * 4)  # the trace line does not count


def test_letter_whose_parts_can_not_be_read_leaves_nothing_behind(town: Town) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * (INLINE_MAX + 1)
        raise OSError("the attachment is gone")

    with pytest.raises(OSError, match="attachment"):
        send(town, BOB, octets=broken(), key="k")
    assert list(town.house.queue.folder.names()) == []
    assert send(town, BOB, key="k")


def test_refusals_are_counted_and_part_of_the_journey(town: Town) -> None:
    labels = {"rule": "recipient.unknown"}
    before = metrics.REGISTRY.get_sample_value("posthouse_refused_total", labels) or 0
    refused(town, *(f"nobody{number}@alpha.test" for number in range(30)))
    assert metrics.REGISTRY.get_sample_value("posthouse_refused_total", labels) == before + 30
    events = record(town)
    assert len(events) == 20  # as many as SMTP records of one connection
    assert {each.kind for each in events} == {Kind.REFUSED}
    assert events[0].detail == {"client": "192.0.2.7", "login": "alice@alpha"}
