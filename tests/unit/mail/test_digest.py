"""Previews, clips and urgency for lists."""

from __future__ import annotations

import pytest

from appliance.mail import priority
from appliance.mail.digest import Digest, Priority, digest


def preview(body: str, fields: str = "") -> str:
    return digest(f"{fields}Subject: a\r\n\r\n{body}".encode()).preview


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Hello\r\n\r\nBob,\tnice   to\r\nsee you", "Hello Bob, nice to see you"),
        ("", ""),
        (" \r\n\t\r\n", ""),
        ("Yes!\r\n\r\nOn Monday, Jane wrote:\r\n> Shall we?\r\n> Or not?\r\n", "Yes!"),
        ("> Shall we?\r\nYes!\r\n", "Yes!"),
        ("Note:\r\nthis", "Note: this"),
        ("Hello\r\n-- \r\nBob\r\nCompany", "Hello"),
        ("Hello\r\n--\r\nBob", "Hello"),
        ("> only\r\n>> quoted", "only quoted"),
        ("-- \r\nonly signed", "-- only signed"),
        ("a\u200b\u00ad\u034fb \u202ecd\x1b", "ab cd"),
    ],
)
def test_preview_is_what_the_sender_wrote_in_one_line(body: str, expected: str) -> None:
    assert preview(body, "Content-Type: text/plain; charset=utf-8\r\n") == expected


def test_preview_is_cut_at_160_characters() -> None:
    assert preview("x" * 160) == "x" * 160
    assert preview("x" * 161) == "x" * 159 + "…"


def test_preview_of_html_is_its_text() -> None:
    body = (
        "<html><head><title>no</title><style>p { no: no }</style></head><body><!-- no -->"
        "<p>Hello&nbsp;<b>Bob</b>,<p>see <a href='https://example.com'>this</a>"
        "<script>no()</script><blockquote>no</blockquote>"
    )
    assert preview(body, "Content-Type: text/html\r\n") == "Hello Bob, see this"


@pytest.mark.parametrize(("text", "expected"), [("from text", "from text"), (" \r\n", "from html")])
def test_text_is_preferred_where_it_says_something(text: str, expected: str) -> None:
    body = f"--b\r\n\r\n{text}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>from html\r\n--b--"
    fields = "Content-Type: multipart/alternative; boundary=b\r\n"
    assert preview(body, fields) == expected


def test_attachments_are_what_a_reader_can_save() -> None:
    mixed = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
    assert digest(mixed + b"Content-Type: application/pdf\r\n\r\nx").has_attachments
    assert not digest(mixed + b"\r\nfooter").has_attachments
    assert not digest(b"Subject: a\r\n\r\ntext").has_attachments


def test_beginning_of_a_message_is_enough() -> None:
    octets = (
        b"X-Priority: 1\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--b\r\n"
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"QUJD"
        * 999
    )
    expected = Digest("Grüße", has_attachments=True, priority=Priority.HIGH)
    for size in range(0, len(octets), 7):
        digest(octets[:size])
    assert digest(octets[:300]) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("X-Priority: 1 (Highest)", Priority.HIGH),
        ("X-Priority: 2", Priority.HIGH),
        ("X-Priority: 3", Priority.NORMAL),
        ("x-priority: 5", Priority.LOW),
        ("Importance: HIGH", Priority.HIGH),
        ("Importance: low", Priority.LOW),
        ("Priority: urgent", Priority.HIGH),
        ("Priority: non-urgent", Priority.LOW),
        ("X-MSMail-Priority: High", Priority.HIGH),
        ("X-Priority: 1(Highest)", Priority.HIGH),
        ("X-Priority: 3\r\nImportance: high", Priority.HIGH),
        ("X-Priority:", Priority.NORMAL),
        ("X-Priority: \xff11", Priority.NORMAL),
        ("X-Other: 1", Priority.NORMAL),
    ],
)
def test_urgency_is_read_from_any_of_four_fields(field: str, expected: Priority) -> None:
    assert digest(f"{field}\r\n\r\n".encode()).priority is expected


@pytest.mark.parametrize("urgency", Priority)
def test_urgency_that_is_written_is_read(urgency: Priority) -> None:
    assert priority.read(priority.written(urgency)) is urgency


def test_digest_comes_back_from_json() -> None:
    for known in (Digest(), Digest("ü\U0001f600", has_attachments=True, priority=Priority.LOW)):
        assert Digest.from_json(known.to_json()) == known


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '["a",true]', '["a",true,"so-so"]'])
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- two kinds of ValueError, both documented
        Digest.from_json(text)
