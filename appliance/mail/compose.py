"""Plain-text messages written by the server itself: notices, answers, welcome mail.

Standards: RFC 5322 §3.6 (fields), RFC 2045 §6 (transfer encodings), RFC 2046 §4.1 (text/plain).
Owns: nothing.
Never: invent a date or a message id; both are handed in.
Failure: HeaderError for a field that may not be written, so nothing can be injected.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from datetime import datetime

from appliance.mail.headers import format_date, header

__all__ = ["compose", "text_entity"]

MAX_LINE = 998  # octets without CRLF, RFC 5322 §2.1.1
_LINE_END = re.compile(r"\r\n|\r|\n")


def compose(
    *,
    from_: str,
    to: Sequence[str],
    subject: str,
    text: str,
    date: datetime,
    message_id: str,
    extra: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Write a plain-text message of pure ASCII bytes, whatever its text.

    Args:
        from_: The value of From, `"Jane Doe" <jane@example.com>`.
        to: The values of To; none at all is written as an undisclosed group.
        subject: The subject.
        text: The body, lines separated in any way.
        date: When it was written, with its time zone.
        message_id: With its angle brackets.
        extra: Further fields, such as `("Auto-Submitted", "auto-replied")`.

    Raises:
        HeaderError: A value holds a line end, or an address that needs SMTPUTF8.
    """
    fields = [
        ("From", from_),
        ("To", ", ".join(to) or "undisclosed-recipients:;"),
        ("Subject", subject),
        ("Date", format_date(date)),
        ("Message-ID", message_id),
        *extra,
        ("MIME-Version", "1.0"),
    ]
    return b"".join(header(name, value) for name, value in fields) + text_entity(text)


def text_entity(text: str, *, subtype: str = "plain") -> bytes:
    """A text entity: its Content- fields, the empty line and the encoded body.

    The body ends in CRLF and consists of ASCII in lines that every server takes (RFC 2045 §6.2).
    """
    lines = _LINE_END.split(text)
    body = "\n".join(lines).rstrip("\n") + "\n"
    data = body.encode("utf-8", "replace")
    if data.isascii() and b"\0" not in data and max(map(len, lines)) <= MAX_LINE:
        charset, encoding = "us-ascii", "7bit"
    else:
        charset = "utf-8"
        quoted = binascii.b2a_qp(data, istext=True)
        encoding = "quoted-printable"
        if len(quoted) * 2 > len(data) * 3:  # base64 takes 4 for 3, but nobody can read it
            encoding = "base64"
            crlf = data.replace(b"\n", b"\r\n")
            chunks = (crlf[start : start + 57] for start in range(0, len(crlf), 57))
            quoted = b"".join(binascii.b2a_base64(chunk) for chunk in chunks)
        data = quoted
    return (
        header("Content-Type", f"text/{subtype}; charset={charset}")
        + header("Content-Transfer-Encoding", encoding)
        + b"\r\n"
        + data.replace(b"\n", b"\r\n")
    )
