"""Plain-text messages: RFC 5322 §3.6, RFC 2045 §6."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from appliance.mail.compose import compose
from appliance.mail.headers import HeaderError


def written(
    *,
    from_: str = "Postmaster <postmaster@example.com>",
    to: Sequence[str] = ("bob@example.com",),
    subject: str = "Hello",
    text: str = "Hello\n",
    extra: Sequence[tuple[str, str]] = (),
) -> bytes:
    return compose(
        from_=from_,
        to=to,
        subject=subject,
        text=text,
        date=datetime(2025, 11, 22, 12, 0, 5, tzinfo=UTC),
        message_id="<1@example.com>",
        extra=extra,
    )


def parsed(message: bytes) -> EmailMessage:
    result = message_from_bytes(message, policy=policy.default)
    assert not result.defects
    return result


def test_plain_message_is_written_as_it_reads() -> None:
    assert written(extra=[("Auto-Submitted", "auto-replied")]) == (
        b"From: Postmaster <postmaster@example.com>\r\n"
        b"To: bob@example.com\r\n"
        b"Subject: Hello\r\n"
        b"Date: Sat, 22 Nov 2025 12:00:05 +0000\r\n"
        b"Message-ID: <1@example.com>\r\n"
        b"Auto-Submitted: auto-replied\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hello\r\n"
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("one\r\ntwo\rthree\nfour", "7bit"),
        ("", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("Grüße aus Köln, und noch ein paar Worte mehr  \n.\nFrom me\n", "quoted-printable"),
        ("a\0b", "quoted-printable"),
        ("Привет, мир!\n" * 50, "base64"),
    ],
)
def test_text_comes_back_whole_from_ascii_lines(text: str, encoding: str) -> None:
    message = written(text=text)
    assert message.isascii()
    assert b"\n" not in message.replace(b"\r\n", b"")
    assert max(map(len, message.split(b"\r\n"))) <= 998
    result = parsed(message)
    assert result["Content-Transfer-Encoding"] == encoding
    expected = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    assert result.get_content().replace("\r\n", "\n") == expected


def test_names_and_subject_of_any_script_arrive() -> None:
    result = parsed(
        written(
            from_='"Müller, Jörg" <j@example.com>',
            to=["Ömer <o@example.com>", "b@example.com"],
            subject="Grüße 🎉",
        )
    )
    assert result["From"].addresses[0].display_name == "Müller, Jörg"
    assert [a.addr_spec for a in result["To"].addresses] == ["o@example.com", "b@example.com"]
    assert result["Subject"] == "Grüße 🎉"


def test_nobody_in_to_is_an_undisclosed_group() -> None:
    assert b"\r\nTo: undisclosed-recipients:;\r\n" in written(to=[])


def test_line_end_in_a_value_is_refused() -> None:
    with pytest.raises(HeaderError):
        written(subject="a\r\nBcc: x@y.z")
    with pytest.raises(HeaderError):
        written(from_="a\n <a@b.c>")
    with pytest.raises(HeaderError):
        written(to=["a@b.c\r\nBcc: x@y.z"])
    with pytest.raises(HeaderError):
        written(extra=[("X-A", "b\r\n\r\nbody")])
