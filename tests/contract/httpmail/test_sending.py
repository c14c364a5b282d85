"""Sending by POST to sendmsg (CHECKLIST 313, 314, 234)."""

from __future__ import annotations

import pytest

from appliance.operations.house import House
from appliance.operations.mailboxes import EditMailbox
from appliance.operations.settings import ChangeSetting
from appliance.queue.entry import Claimed
from appliance.runtime.logs import Logs
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Use
from tests.support.dav import Dav, Reply
from tests.support.town import Town, claim_all

ENVELOPE = b"MAIL FROM:<alice@alpha.test>\r\nRCPT TO:<bob@beta.test>\r\n\r\n"
LETTER = (
    b"From: Alice <alice@alpha.test>\r\nTo: bob@beta.test\r\nSubject: Hi\r\n"
    b"Date: Sun, 22 Nov 2026 17:00:00 +0000\r\nMessage-ID: <s1@alpha.test>\r\n\r\n"
    b".dot\r\n.\r\nthe end"
)


def send(client: Dav, body: bytes, **fields: str) -> Reply:
    return client.ask("POST", "/sendmsg", body, Content_Type="message/rfc821", **fields)


def queued(house: House) -> list[bytes]:
    """Return what has come into the queue, without the trace line."""
    return [content(house, each) for each in claim_all(house)]


def content(house: House, claimed: Claimed) -> bytes:
    octets = house.queue.content_of(claimed).read()
    assert octets.startswith(b"Received: from [192.0.2.7]")
    return octets.partition(b" +0000\r\n")[2]


@pytest.mark.parametrize("save", ["t", "f"])
def test_a_letter_goes_into_the_queue_as_it_is(
    alice: Dav, house: House, store: MailboxStore, save: str
) -> None:
    reply = send(alice, ENVELOPE + LETTER, Saveinsent=save, Depth="1")
    assert (reply.status, reply.body) == (200, b"")
    (claimed,) = claim_all(house)
    assert str(claimed.envelope.reverse_path) == "alice@alpha.test"
    assert str(claimed.recipient.address) == "bob@beta.test"
    assert content(house, claimed) == LETTER
    sent = store.special(Use.SENT)
    assert sent.messages == (1 if save == "t" else 0)
    if save == "t":
        kept = store.every(sent.id)[0]
        assert (kept.flags, kept.entry_id) == (Flag.SEEN, claimed.entry_id)
        assert alice.ask("GET", alice.messages("Sent%20Items")[0].path).body == LETTER


@pytest.mark.parametrize(
    "envelope",
    [
        b"MAIL FROM: <alice@alpha.test>\r\nRCPT TO: <bob@beta.test>\r\n\r\n",
        b"mail from:alice@alpha.test\nrcpt to:bob@beta.test\n\n",
        b"MAIL FROM:Alice <alice@alpha.test>\r\nRCPT TO:Bob B. <bob@beta.test>\r\n \r\n",
        b"RCPT TO:<bob@beta.test>\r\nMAIL FROM:<alice@alpha.test> BODY=8BITMIME\r\n\r\n",
    ],
)
def test_envelopes_are_read_liberally(alice: Dav, house: House, envelope: bytes) -> None:
    assert send(alice, envelope + LETTER).status == 200
    (claimed,) = claim_all(house)
    assert str(claimed.envelope.reverse_path) == "alice@alpha.test"
    assert str(claimed.recipient.address) == "bob@beta.test"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"From: alice@alpha.test\r\n\r\ntext",
        b"MAIL FROM:<alice@alpha.test>\r\n\r\ntext",
        b"RCPT TO:<bob@beta.test>\r\n\r\ntext",
        b"MAIL FROM:<alice@alpha.test>\r\nRCPT TO:<bob@beta.test>\r\n",
        b"MAIL FROM:<alice@alpha.test>\r\nRCPT TO:<>\r\n\r\n",
        b"MAIL FROM:<alice@alpha.test>\r\nMAIL FROM:<alice@alpha.test>\r\n\r\n",
        b"MAIL FROM:<alice@alpha.test>\r\nDATA\r\n\r\n",
        b"RCPT TO:<bob@beta.test>\r\n" * 20_000,
        b"x" * 300_000,
    ],
)
def test_a_malformed_envelope_is_400(alice: Dav, house: House, body: bytes) -> None:
    reply = send(alice, body)
    assert reply.status == 400
    assert reply.phrase.startswith("Malformed envelope")
    assert claim_all(house) == []


def test_another_sender_is_not_allowed(alice: Dav, house: House, store: MailboxStore) -> None:
    for sender in (b"bob@beta.test", b"", b"nobody@alpha.test"):
        body = ENVELOPE.replace(b"alice@alpha.test", sender) + LETTER
        reply = send(alice, body, Saveinsent="t")
        assert reply.status == 403
        assert reply.phrase.startswith("Sender not allowed")
    assert claim_all(house) == []
    assert store.special(Use.SENT).messages == 0


def test_all_recipients_are_taken_or_none(alice: Dav, house: House) -> None:
    body = ENVELOPE[:-2] + b"RCPT TO:<nobody@beta.test>\r\n\r\n" + LETTER
    reply = send(alice, body)
    assert (reply.status, claim_all(house)) == (403, [])
    assert "nobody@beta.test" in reply.phrase


def test_blind_copies_stand_in_the_senders_copy_only(
    alice: Dav, house: House, store: MailboxStore
) -> None:
    blind = b"Bcc: carol@beta.test,\r\n\tdave@beta.test\r\nBCC : eve@beta.test\r\n"
    letter = LETTER.replace(b"Subject:", blind + b"Subject:")
    assert send(alice, ENVELOPE + letter, Saveinsent="t").status == 200
    assert queued(house) == [LETTER]
    sent = store.special(Use.SENT)
    message = store.message(sent.id, 1)
    assert message is not None
    assert message.read() == letter


def test_a_bcc_at_the_very_end_is_cut_too(alice: Dav, house: House) -> None:
    letter = LETTER.partition(b"\r\n\r\n")[0] + b"\r\nBcc: carol@beta.test"
    assert send(alice, ENVELOPE + letter).status == 200
    assert b"carol" not in queued(house)[0]


def test_what_only_looks_like_a_bcc_in_the_text_stays(alice: Dav, house: House) -> None:
    letter = LETTER + b"\r\nBcc: no header any more\r\n"
    assert send(alice, ENVELOPE + letter).status == 200
    assert queued(house) == [letter]


def test_date_and_message_id_are_added_where_they_are_missing(
    alice: Dav, house: House
) -> None:  # RFC 6409 §8
    assert send(alice, ENVELOPE + b"Subject: bare\n\ntext\n").status == 200
    (octets,) = queued(house)
    head, _, text = octets.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
    assert (names, text) == ([b"Date", b"Message-ID", b"Subject"], b"text\r\n")


def test_a_letter_posted_again_goes_out_once(alice: Dav, house: House, store: MailboxStore) -> None:
    for _ in range(2):  # as a client does that did not get the answer
        assert send(alice, ENVELOPE + LETTER, Saveinsent="t").status == 200
    assert send(alice, ENVELOPE + LETTER + b"!").status == 200  # another letter
    assert len(claim_all(house)) == 2
    assert store.special(Use.SENT).messages == 1


def test_a_letter_without_message_id_may_go_out_twice(alice: Dav, house: House) -> None:
    for _ in range(2):
        assert send(alice, ENVELOPE + b"Subject: ring\r\n\r\n").status == 200
    assert len(claim_all(house)) == 2


def test_a_large_letter_goes_through_a_file(alice: Dav, house: House) -> None:
    letter = LETTER + b"\r\n" + b"0123456789abcdef\r\n" * 90_000
    assert send(alice, ENVELOPE + letter).status == 200
    assert queued(house) == [letter]


def test_a_letter_beyond_the_limit_is_413(town: Town, alice: Dav) -> None:
    town.do(ChangeSetting(setting="smtp.max_message_kb", value="64"))
    assert send(alice, ENVELOPE + LETTER + b"x" * 70_000).status == 413
    assert send(alice, ENVELOPE + LETTER + b"x" * 400_000).status == 413
    assert claim_all(town.house) == []


def test_only_the_media_type_of_sending_is_taken(alice: Dav) -> None:
    for media_type in ("message/rfc822", "text/plain", ""):
        reply = alice.ask("POST", "/sendmsg", ENVELOPE + LETTER, Content_Type=media_type)
        assert reply.status == 415


def test_a_letter_is_not_refused_for_its_copy(
    town: Town, alice: Dav, store: MailboxStore, logs: Logs
) -> None:
    town.do(EditMailbox(mailbox="alice@alpha", quota_kb=1))
    letter = LETTER + b"x" * 2048
    assert send(alice, ENVELOPE + letter, Saveinsent="t").status == 200
    assert queued(town.house) == [letter]
    assert store.special(Use.SENT).messages == 0
    logs.flush()
    (path,) = (town.house.home / "logs" / "HTTPMAIL").glob("*Debug*")
    assert "gets no copy in Sent Items: The mailbox is full" in path.read_text("utf-8")
