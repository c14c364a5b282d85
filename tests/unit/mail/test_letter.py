"""Letters: RFC 5322 §3.6, RFC 2046 §5.1, RFC 2231, RFC 2387, RFC 6532."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from appliance.mail.digest import digest
from appliance.mail.headers import HeaderError, fields, raw_fields
from appliance.mail.letter import Attachment, Letter, LetterError, write_letter
from appliance.mail.mime import decode, decoded_text, parse, walk
from appliance.mail.priority import Priority
from appliance.mail.view import view


def letter(**changes: Any) -> Letter:  # noqa: ANN401 - the fields of a letter
    known: dict[str, Any] = {
        "from_": ("Jane Doe", "jane@example.com"),
        "to": ("bob@example.com",),
        "subject": "Hello",
        "text": "Hello\n",
        "date": datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC),
        "message_id": "<1@example.com>",
    }
    return Letter(**(known | changes))


def written(*, with_bcc: bool = False, **changes: Any) -> bytes:  # noqa: ANN401 - the same
    octets = b"".join(write_letter(letter(**changes), with_bcc=with_bcc))
    assert octets.isascii()
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    return octets


def attachment(
    octets: bytes = b"abc",
    filename: str = "a.bin",
    content_type: str = "application/x-test",
    *,
    content_id: str = "",
    already_encoded: bool = False,
) -> Attachment:
    def chunks() -> Iterable[bytes]:
        return (octets[place : place + 100] for place in range(0, len(octets), 100))

    return Attachment(
        filename, content_type, chunks, content_id=content_id, already_encoded=already_encoded
    )


def types(octets: bytes) -> list[str]:
    return [part.type for part in walk(parse(octets))]


def test_plain_letter_is_written_as_it_reads() -> None:
    assert written(
        cc=("Carl <carl@example.com>",),
        bcc=("secret@example.com",),
        reply_to=("answers@example.com",),
        in_reply_to="<0@example.com>",
        references=("<00@example.com>", "<0@example.com>"),
        priority=Priority.HIGH,
    ) == (
        b"From: Jane Doe <jane@example.com>\r\n"
        b"To: bob@example.com\r\n"
        b"Cc: Carl <carl@example.com>\r\n"
        b"Reply-To: answers@example.com\r\n"
        b"Subject: Hello\r\n"
        b"Date: Sun, 22 Nov 2026 12:00:05 +0000\r\n"
        b"Message-ID: <1@example.com>\r\n"
        b"In-Reply-To: <0@example.com>\r\n"
        b"References: <00@example.com> <0@example.com>\r\n"
        b"X-Priority: 1 (Highest)\r\n"
        b"Importance: high\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hello\r\n"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["text/plain"]),
        ({"html": "<p>a"}, ["multipart/alternative", "text/plain", "text/html"]),
        (
            {"attachments": (attachment(),)},
            ["multipart/mixed", "text/plain", "application/x-test"],
        ),
        (
            {
                "html": "<img src=cid:p@x>",
                "attachments": (
                    attachment(),
                    attachment(content_type="image/png", content_id="p@x"),
                ),
            },
            [
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "image/png",
                "application/x-test",
            ],
        ),
        # without HTML nothing can show it
        (
            {"attachments": (attachment(content_type="image/png", content_id="p@x"),)},
            ["multipart/mixed", "text/plain", "image/png"],
        ),
    ],
)
def test_letter_has_no_more_parts_than_it_needs(
    changes: dict[str, Any], expected: list[str]
) -> None:
    octets = written(**changes)
    assert types(octets) == expected
    parsed = message_from_bytes(octets, policy=policy.default)
    assert [part.get_content_type() for part in parsed.walk()] == expected
    assert not any(part.defects for part in parsed.walk())


def test_all_of_a_letter_can_be_read_again() -> None:
    picture = bytes(range(256)) * 10
    octets = written(
        subject="Grüße aus Köln",
        text="Grüße!\n\n-- \nJane\n",
        html="<p>Grüße! <img src='cid:p@x'>",
        attachments=(
            attachment(picture, "Übersicht “2026”.pdf", "application/pdf"),
            attachment(picture, "p.png", "image/png", content_id="p@x"),
            attachment(b"", "", "text/csv; charset=utf-8"),
        ),
    )
    root = parse(octets)
    shown = view(root, octets)
    assert shown.text is not None
    assert shown.html is not None
    assert dict(fields(octets))["Subject"] == "Grüße aus Köln"
    assert decoded_text(shown.text, octets).rstrip("\n") == "Grüße!\n\n-- \nJane"
    assert decoded_text(shown.html, octets).rstrip("\n") == "<p>Grüße! <img src='cid:p@x'>"
    assert [(part.filename, decode(part, octets)) for part in shown.attachments] == [
        ("Übersicht “2026”.pdf", picture),
        ("attachment.csv", b""),
    ]
    assert shown.attachments[1].charset == "utf-8"
    assert decode(shown.inline["p@x"], octets) == picture
    others = message_from_bytes(octets, policy=policy.default)
    assert isinstance(others, EmailMessage)
    assert [part.get_filename() for part in others.iter_attachments()] == [
        "Übersicht “2026”.pdf",
        "attachment.csv",
    ]


def test_html_alone_gets_a_text_beside_it() -> None:
    octets = written(text="", html="<p>Hello <b>Bob</b>")
    text = view(parse(octets), octets).text
    assert text is not None
    assert decoded_text(text, octets) == "Hello Bob"


def test_attachment_is_written_as_it_is_read() -> None:
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield b"x" * 65_536

    pieces = write_letter(letter(attachments=(Attachment("a", "a/b", chunks),)), with_bcc=False)
    largest = 0
    while len(read) < 3:
        largest = max(largest, len(next(pieces)))
    assert largest < 100_000


def test_attachment_of_an_earlier_draft_is_copied_as_it_is() -> None:
    draft = written(attachments=(attachment(b"abc" * 1000, "ü.bin"),), with_bcc=True)
    kept = parse(draft).children[1]
    raw = draft[kept.header_start : kept.end]
    again = written(
        message_id="<2@example.com>", attachments=(attachment(raw, already_encoded=True),)
    )
    copied = parse(again).children[1]
    assert again[copied.header_start : copied.end] == raw
    assert (copied.filename, decode(copied, again)) == ("ü.bin", b"abc" * 1000)


MESSAGE = b"Subject: a\r\n\r\nHello\r\n"


@pytest.mark.parametrize(
    ("octets", "type", "encoding"),
    [
        (MESSAGE, "message/rfc822", "7bit"),
        (MESSAGE + b"x" * 998 + b"\r\n", "message/rfc822", "7bit"),
        (MESSAGE + b"x" * 999 + b"\r\n", "application/octet-stream", "base64"),
        (MESSAGE + b"\xff", "application/octet-stream", "base64"),
        (MESSAGE + b"bare\nline end", "application/octet-stream", "base64"),
        (MESSAGE + b"bare\rreturn\r\n", "application/octet-stream", "base64"),
        (MESSAGE + b"\0", "application/octet-stream", "base64"),
    ],
)
def test_message_is_attached_as_such_where_it_need_not_be_encoded(
    octets: bytes, type: str, encoding: str
) -> None:
    """RFC 2046 §5.2.1."""
    octets_written = written(attachments=(attachment(octets, "a.eml", "message/rfc822"),))
    part = parse(octets_written).children[1]
    assert (part.type, part.encoding, part.filename) == (type, encoding, "a.eml")
    assert decode(part, octets_written) == octets


@pytest.mark.parametrize(
    "content_type",
    ["", "nonsense", "a/b\r\nBcc: c@d.e", "multipart/mixed; boundary=x", "message/partial", "ä/b"],
)
def test_type_that_is_none_becomes_octets(content_type: str) -> None:
    octets = written(attachments=(attachment(content_type=content_type),))
    assert types(octets) == ["multipart/mixed", "text/plain", "application/octet-stream"]


def test_boundaries_are_the_same_each_time_and_differ_from_letter_to_letter() -> None:
    def boundary(message_id: str) -> str:
        octets = written(message_id=message_id, html="<p>")
        return parse(octets).parameter("boundary")

    assert boundary("<1@example.com>") == boundary("<1@example.com>")
    assert boundary("<1@example.com>") != boundary("<2@example.com>")


# ── who it is for ────────────────────────────────────────────────────────────────────────────────


def test_recipients_are_all_of_them_once() -> None:
    sent = letter(
        to=("Bob <bob@example.com>, carl@example.com",),
        cc=("BOB@example.com; dave@EXAMPLE.org",),
        bcc=("eve@example.com",),
    )
    assert [str(address) for address in sent.recipients()] == [
        "BOB@example.com",
        "carl@example.com",
        "dave@example.org",
        "eve@example.com",
    ]


@pytest.mark.parametrize(
    ("field", "typed", "value", "suggestion"),
    [
        ("to", "print@quay,example", "print@quay,example", "print@quay.example"),
        ("to", "a@b.example, bob", "bob", ""),
        ("cc", "Bob <bob@example..com>", "bob@example..com", "bob@example.com"),
        ("bcc", "bob@@example.com", "bob@@example.com", "bob@example.com"),
        ("to", "bob.@example.com", "bob.@example.com", "bob@example.com"),
        ("reply_to", "bob@example.com.", "bob@example.com.", "bob@example.com"),
        ("to", "bob smith@example.com", "bob smith@example.com", "bobsmith@example.com"),
        ("to", "Bob <>", "Bob", ""),
        ("to", "bob@", "bob@", ""),
    ],
)
def test_wrong_address_is_named_with_its_field(
    field: str, typed: str, value: str, suggestion: str
) -> None:
    with pytest.raises(LetterError) as caught:
        write_letter(letter(**{field: (typed,)}), with_bcc=False)
    error = caught.value
    assert (error.field, error.value, error.suggestion) == (field, value, suggestion)
    assert error.why
    assert value in str(error)
    assert (f"did you mean {suggestion}?" in str(error)) is bool(suggestion)


def test_wrong_sender_is_named() -> None:
    with pytest.raises(LetterError) as caught:
        write_letter(letter(from_=("Jane", "jane")), with_bcc=False)
    assert caught.value.field == "from"


def test_letter_to_blind_copies_alone_names_nobody() -> None:
    octets = written(to=(), bcc=("eve@example.com",))
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in b"\r\n" + octets
    assert b"eve" not in octets


def test_draft_keeps_blind_copies_and_what_is_no_address_yet() -> None:
    octets = written(
        to=("bob, Jörg <jorg@exa",),
        cc=("a@b.example; Carl <c@d.example>",),
        bcc=("eve@example.com",),
        with_bcc=True,
    )
    found = dict(fields(octets))
    assert found["To"] == "bob, Jörg <jorg@exa"
    assert found["Cc"] == "a@b.example, Carl <c@d.example>"
    assert found["Bcc"] == "eve@example.com"


def test_domains_beyond_ascii_are_written_as_a_labels() -> None:
    octets = written(to=("bob@bücher.example",))
    assert dict(raw_fields(octets))["To"] == "bob@xn--bcher-kva.example"


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "reply_to"])
def test_local_part_beyond_ascii_is_written_as_utf8(field: str) -> None:
    sent = letter(**{field: ("Jörg <jörg@example.com>",)})
    octets = b"".join(write_letter(sent, with_bcc=False))
    assert ("jörg@example.com".encode() in octets) is (field != "bcc")


# ── what may not be written ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "a\r\nBcc: b@c.d"},
        {"subject": "a\nb"},
        {"subject": "a\0b"},
        {"message_id": "1@example.com"},
        {"message_id": "<a b>"},
        {"message_id": "<a>\r\nBcc: <b@c.d>"},
        {"html": "<p>", "attachments": (attachment(content_id="a\r\nBcc: b"),)},
    ],
)
def test_nothing_can_be_injected(changes: dict[str, Any]) -> None:
    with pytest.raises(HeaderError):
        write_letter(letter(**changes), with_bcc=False)


def test_names_and_ids_of_others_are_made_harmless() -> None:
    octets = written(
        from_=("Jane\r\nBcc: b@c.d", "jane@example.com"),
        in_reply_to="a\r\nBcc: b@c.d",
        references=("nonsense", "<0@example.com>", "<a>\r\nBcc: <b>"),
        attachments=(attachment(filename='../a"\r\nBcc: b@c.d.txt'),),
    )
    found = dict(raw_fields(octets))
    assert found["From"] == '"Jane Bcc: b@c.d" <jane@example.com>'
    assert "In-Reply-To" not in found
    assert found["References"] == "<0@example.com>"
    assert "Bcc" not in found
    assert parse(octets).children[1].filename == 'a" Bcc: b@c.d.txt'


def test_long_conversations_keep_their_beginning_and_their_end() -> None:
    """RFC 5322 §3.6.4 sets no limit; servers do."""
    references = tuple(f"<{number}@example.com>" for number in range(1000))
    kept = dict(raw_fields(written(references=references)))["References"].split()
    assert len(kept) == 50
    assert (kept[0], kept[1], kept[-1]) == (references[0], references[951], references[-1])


@pytest.mark.parametrize("urgency", Priority)
def test_urgency_is_told(urgency: Priority) -> None:
    assert digest(written(priority=urgency)).priority is urgency
