"""Listing and fetching messages (CHECKLIST 310 to 312, 314)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest

from appliance.journey.event import Kind
from appliance.operations.house import House
from appliance.store.mailbox import MailboxStore
from httpmail import tree
from httpmail.multistatus import MultiStatus
from tests.support.dav import BASE, MESSAGES, Dav, propfind
from tests.support.waiting import until

PLAIN = (
    b"From: Bob <bob@beta.test>\r\nTo: alice@alpha.test\r\nSubject: Hello & <welcome>\r\n"
    b"Date: Sun, 22 Nov 2026 17:01:00 +0100\r\nMessage-ID: <m1@beta.test>\r\n\r\n"
    b"first\r\n.dot\r\n"
)
ENCODED = (
    b"From: =?iso-8859-1?q?Zo=EB?= <zoe@beta.test>\r\n"
    b"To: =?utf-8?b?w4lyaWM=?= <eric@beta.test>, alice@alpha.test\r\n"
    b"Subject: =?utf-8?q?Caf=C3=A9?=\r\n =?utf-8?q?_=E2=82=AC?= today\r\n\r\n"
)
# What each client asks with: Depth, and what it leaves or gets wrong.
AS_THUNDERBIRD = {"Depth": None}
AS_COMMUNITYCHEST = {"Depth": "0"}
AS_APPLE_MAIL = {"Depth": "1"}
AS_OUTLOOK_EXPRESS = {"Depth": "1,noroot", "Brief": "t"}


@pytest.fixture
def path(alice: Dav) -> str:
    """A message."""
    return alice.append(PLAIN)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields", [AS_THUNDERBIRD, AS_COMMUNITYCHEST, AS_APPLE_MAIL, AS_OUTLOOK_EXPRESS]
)
def test_the_message_list_is_in_exactly_these_octets(
    alice: Dav, path: str, fields: dict[str, str | None]
) -> None:
    reply = alice.propfind("/folders/Inbox/", MESSAGES, **fields)
    assert reply.headers["Content-Type"] == "text/xml"
    assert reply.text.partition(">\r\n<D:response>")[2] == (
        f"<D:href>{BASE}{path}</D:href><D:propstat><D:prop>\r\n"
        "<D:isfolder>0</D:isfolder>\r\n"
        "<hm:read>0</hm:read>\r\n"
        "<m:hasattachment>0</m:hasattachment>\r\n"
        "<m:to>alice@alpha.test</m:to>\r\n"
        "<m:from>Bob &lt;bob@beta.test&gt;</m:from>\r\n"
        "<m:subject>Hello &amp; &lt;welcome&gt;</m:subject>\r\n"
        "<m:date>2026-11-22T16:01:00.000Z</m:date>\r\n"
        f"<D:getcontentlength>{len(PLAIN)}</D:getcontentlength>\r\n"
        "</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\r\n"
        "</D:multistatus>\r\n"
    )


def test_a_message_is_named_by_numbers_and_never_ends_in_a_slash(alice: Dav, path: str) -> None:
    assert re.fullmatch(r"/folders/Inbox/MSG\d+\.\d+", path)  # Lycos looks for MSG(.*?)$
    assert alice.messages()[0].href == BASE + path


def test_an_address_is_never_given_to_another_message(alice: Dav) -> None:
    paths = [alice.append(PLAIN) for _ in range(2)]
    assert alice.ask("DELETE", paths[1]).status == 200
    paths.append(alice.append(PLAIN))
    assert len(set(paths)) == 3
    assert alice.ask("GET", paths[1]).status == 404


def test_freepops_writes_the_namespace_wrong_and_leaves_prop_out(alice: Dav, path: str) -> None:
    body = (
        '<?xml version="1.0"?>\r\n<D:propfind xmlns:D="Dav:" xmlns:hm="urn:schemas:httpmail:" '
        'xmlns:m="urn:schemas:mailheader:">\r\n<D:getcontentlength/>\r\n</D:propfind>\r\n'
    )
    reply = alice.ask("PROPFIND", "/folders/Inbox/", body, Depth="1", Brief="t")
    assert [(each.href, dict(each.found)) for each in reply.responses()] == [
        (BASE + path, {"D:getcontentlength": str(len(PLAIN))})
    ]


def test_a_prefix_that_is_not_declared_is_known_anyway(alice: Dav, path: str) -> None:
    body = propfind(["hm:read", "h:fromaddr"]).replace(
        'xmlns:h="http://schemas.microsoft.com/hotmail/"', ""
    )
    found = alice.ask("PROPFIND", "/folders/Inbox/", body).responses()[0].found
    assert found == {"hm:read": "0", "h:fromaddr": "bob@beta.test"}


def test_header_text_is_ascii_as_in_the_message(alice: Dav) -> None:
    alice.append(ENCODED)
    found = alice.messages()[0].found
    assert found["m:from"] == "=?utf-8?q?Zo=C3=AB?= <zoe@beta.test>"
    assert found["m:to"] == "=?utf-8?b?w4lyaWM=?= <eric@beta.test>, alice@alpha.test"
    assert found["m:subject"] == "=?utf-8?b?Q2Fmw6kg4oKs?= today"


def test_the_decoded_namesakes_are_written_with_references(alice: Dav) -> None:
    alice.append(ENCODED)
    reply = alice.propfind("/folders/Inbox/", ["hm:subject", "hm:from"])
    assert "<hm:subject>Caf&#233; &#8364; today</hm:subject>" in reply.text
    assert reply.responses()[0].found["hm:from"] == "Zoë <zoe@beta.test>"


def test_a_message_without_header_has_empty_values_and_the_time_it_came(alice: Dav) -> None:
    alice.append(b"\r\njust text\r\n")
    text = alice.propfind("/folders/Inbox/", MESSAGES).text
    assert "<m:subject></m:subject>" in text
    assert "<m:from></m:from>" in text
    assert "<m:date>2025-06-15T15:06:40.000Z</m:date>" in text


@pytest.mark.parametrize(
    "date", [b"yesterday", b"Mon, 99 Jan 2026 99:99:99 +9999", b"Mon, 1 Jan 99999 1:1:1", b"-"]
)
def test_a_date_that_is_none_is_the_time_it_came(alice: Dav, date: bytes) -> None:
    alice.append(b"Date: " + date + b"\r\n\r\n")
    assert alice.messages()[0].found["m:date"] == "2025-06-15T15:06:40.000Z"


def test_an_attachment_is_told(alice: Dav) -> None:
    alice.append(
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n"
        b"--b\r\nContent-Type: application/pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nx\r\n--b--\r\n"
    )
    assert alice.messages()[0].found["m:hasattachment"] == "1"


def test_one_message_tells_of_itself(alice: Dav, path: str) -> None:
    reply = alice.propfind(path, ["hm:read", "m:message-id", "D:id", "h:fromaddr"], Depth="0")
    assert [each.found for each in reply.responses()] == [
        {
            "hm:read": "0",
            "m:message-id": "<m1@beta.test>",
            "D:id": path.rpartition("/")[2],
            "h:fromaddr": "bob@beta.test",
        }
    ]


def test_properties_of_folders_and_messages_can_be_asked_together(alice: Dav, path: str) -> None:
    names = ["D:isfolder", "D:displayname", "hm:special", "hm:unreadcount", "hm:read", "m:subject"]
    assert len(alice.propfind("/folders/", names, Depth="1,noroot").responses()) == 5
    found = alice.propfind("/folders/Inbox/", names, Depth="1,noroot").responses()
    assert [(each.href, each.found["D:isfolder"]) for each in found] == [(BASE + path, "0")]


@pytest.mark.parametrize("path", ["/folders/Nothing/", "/folders/Inbox/MSG1.1", "/nowhere"])
def test_what_is_not_there_is_404(alice: Dav, path: str) -> None:
    assert alice.propfind(path, MESSAGES).status == 404
    assert alice.ask("GET", path).status == 404


def test_a_long_list_is_read_in_pieces(
    alice: Dav, store: MailboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "_BATCH", 3)
    paths = [alice.append(b"Subject: %d\r\n\r\n" % number) for number in range(10)]
    assert alice.messages()[0].found["m:subject"] == "0"
    assert [each.href for each in alice.messages()] == [BASE + path for path in paths]


def test_the_listing_closes_its_file_when_it_fails(
    alice: Dav, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    close = MultiStatus.close

    def close_and_tell(answer: MultiStatus) -> None:
        close(answer)
        closed.append(True)

    monkeypatch.setattr(MultiStatus, "close", close_and_tell)
    monkeypatch.setattr("httpmail.properties.of_message", lambda name, listed: 1 / 0)
    assert alice.propfind("/folders/Inbox/", MESSAGES).status == 500
    assert closed


# ── fetching ─────────────────────────────────────────────────────────────────────────────────────


def test_get_gives_the_very_octets_with_their_length(alice: Dav, path: str) -> None:
    reply = alice.ask("GET", path, Accept="message/rfc822, */*", Translate="f", Depth="1")
    assert (reply.status, reply.body) == (200, PLAIN)
    assert reply.headers["Content-Type"] == "message/rfc822"
    assert reply.headers["Content-Length"] == alice.messages()[0].found["D:getcontentlength"]
    assert parsedate_to_datetime(reply.headers["Last-Modified"]).year == 2025


def test_a_slash_at_the_end_is_tolerated(alice: Dav, path: str) -> None:
    assert alice.ask("GET", path + "/").body == PLAIN
    assert alice.propfind("/folders/Inbox", MESSAGES).hrefs() == [BASE + path]


def test_a_large_message_comes_whole(alice: Dav) -> None:
    octets = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 50_000
    assert alice.ask("GET", alice.append(octets)).body == octets


def test_head_has_the_length_and_no_octets(alice: Dav, path: str) -> None:
    reply = alice.ask("HEAD", path)
    assert (reply.status, reply.headers["Content-Length"]) == (200, str(len(PLAIN)))
    assert not reply.body


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-4", 0, 5), ("bytes=10-", 10, None), ("bytes=-7", -7, None), ("bytes=0-0", 0, 1)],
)
def test_a_part_of_a_message_can_be_had(  # RFC 9110 §14.2
    alice: Dav, path: str, wanted: str, first: int, last: int | None
) -> None:
    reply = alice.ask("GET", path, Range=wanted)
    assert (reply.status, reply.body) == (206, PLAIN[first:last])
    assert reply.headers["Content-Range"].endswith(f"/{len(PLAIN)}")


def test_a_part_beyond_the_end_is_416(alice: Dav, path: str) -> None:
    reply = alice.ask("GET", path, Range="bytes=99999-")
    assert (reply.status, reply.headers["Content-Range"]) == (416, f"bytes */{len(PLAIN)}")


def test_a_message_that_is_known_is_not_sent_again(alice: Dav, path: str) -> None:
    etag = alice.ask("GET", path).headers["ETag"]
    assert alice.ask("GET", path, If_None_Match=etag).status == 304
    assert alice.ask("GET", path, If_Match='"other"').status == 412
    assert alice.ask("GET", path, Range="bytes=0-4", If_Range='"other"').status == 200


def test_a_fetched_message_stays_unread_and_is_in_its_journey(
    alice: Dav, store: MailboxStore, house: House
) -> None:
    content = store.content()
    content.write(PLAIN)
    inbox = store.folders()[0]
    uid = store.append(inbox.id, content, entry_id="01K3Z8Q4T9XW2M7B")
    alice.ask("GET", f"/folders/Inbox/MSG{inbox.uid_validity}.{uid}")
    alice.ask("HEAD", f"/folders/Inbox/MSG{inbox.uid_validity}.{uid}")
    assert alice.messages()[0].found["hm:read"] == "0"
    events = until(lambda: house.journey.of("01K3Z8Q4T9XW2M7B"), "it is in its journey")
    assert [each.kind for each in events] == [Kind.DOWNLOADED]
    assert "HTTPMail" in events[0].text


@pytest.mark.parametrize("path", ["", "/folders/", "/folders/Inbox/", "/contacts/"])
def test_a_collection_is_there_and_empty(alice: Dav, path: str) -> None:
    for method in ("GET", "HEAD"):
        reply = alice.ask(method, path)
        assert (reply.status, reply.body) == (200, b"")
