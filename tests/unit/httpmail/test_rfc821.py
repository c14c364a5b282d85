"""Cutting a posted letter into envelope and message."""

from __future__ import annotations

import pytest

from httpmail.rfc821 import MAX_ENVELOPE, BadEnvelope, EnvelopeReader

BODY = (
    b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nRCPT TO:<c@c.test>\r\n"
    b"\r\nSubject: x\r\n\r\n.\r\n"
)


def cut(*pieces: bytes) -> None:
    reader = EnvelopeReader()
    for piece in pieces:
        reader.feed(piece)
    reader.close()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_it_does_not_matter_how_the_body_is_cut(size: int) -> None:
    reader = EnvelopeReader()
    pieces = [BODY[start : start + size] for start in range(0, len(BODY), size)]
    message = b"".join(reader.feed(piece) for piece in pieces)
    reader.close()
    assert (reader.reverse_path, reader.recipients) == ("a@a.test", ["b@b.test", "c@c.test"])
    assert message == b"Subject: x\r\n\r\n.\r\n"


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("MAIL FROM:<a@a.test>", "a@a.test"),
        ("mail from: <a@a.test> ", "a@a.test"),
        ("Mail  From :a@a.test", "a@a.test"),
        ("MAIL FROM:a@a.test SIZE=7", "a@a.test"),
        ('MAIL FROM:"A <x@x.test>" <a@a.test>', "a@a.test"),
        ("MAIL FROM:<a@a.test> SIZE=7", "a@a.test"),
        ("MAIL FROM:<>", ""),
        ("MAIL FROM:", ""),
    ],
)
def test_an_address_is_found_however_it_is_written(line: str, address: str) -> None:
    reader = EnvelopeReader()
    reader.feed(f"{line}\nRCPT TO:b@b.test\n\n".encode())
    reader.close()
    assert reader.reverse_path == address


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"MAIL FROM:<a@a.test>\r\n\r\n",
        b"RCPT TO:<a@a.test>\r\n\r\n",
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>",
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n",
        b"MAIL FROM:<a@a.test>\r\nRCPT TO:\r\n\r\n",
        b"MAIL FROM:<a@a.test>\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n\r\n",
        b"HELO x\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n\r\n",
        b"\xff\r\n\r\n",
    ],
)
def test_what_is_no_envelope_is_said(body: bytes) -> None:
    with pytest.raises(BadEnvelope):
        cut(body)


@pytest.mark.parametrize("piece", [b"x", b"RCPT TO:<b@b.test>\r\n"])
def test_an_envelope_has_an_end(piece: bytes) -> None:
    with pytest.raises(BadEnvelope, match=str(MAX_ENVELOPE)):
        cut(*[piece * 100] * MAX_ENVELOPE)
