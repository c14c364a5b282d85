"""Header sections: cut from the body, summed up in one scan, and written field by field.

Standards: RFC 5322 §2.2 (fields, folding), §3.3 (dates); RFC 5321 §4.4 (trace lines);
    RFC 2047 (by way of words); RFC 6532 (UTF-8 in fields); RFC 2369, RFC 2919, RFC 3834 §5 (bulk).
Owns: nothing.
Never: change a byte of what came in; look into the body; raise on what strangers wrote.
Failure: HeaderError for a field that may not be written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from appliance.mail import words
from appliance.mail.addresses import addresses

__all__ = [
    "HeaderError",
    "Summary",
    "addresses",
    "decoded",
    "fields",
    "format_date",
    "header",
    "raw_fields",
    "received",
    "scan",
    "split",
]

MAX_SECTION = 64 * 1024  # octets of header that are looked at
MAX_VALUE = 998  # characters of a summed-up value; octets of a written line (RFC 5322 §2.1.1)
_FOLD_AT = 76  # RFC 2047 §2; two less than RFC 5322 §2.1.1 recommends

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BULK = b"bulk"
_FIELDS = {
    name: name
    for name in (
        b"message-id",
        b"subject",
        b"from",
        b"to",
        b"date",
        b"received",
        b"content-type",
        b"auto-submitted",
        b"precedence",
    )
}
# Only lists write these (RFC 2369 §3, RFC 2919 §3).
_FIELDS |= dict.fromkeys((b"list-id", b"list-post", b"list-help", b"list-unsubscribe"), _BULK)
_PRECEDENCE_BULK = frozenset(("bulk", "list", "junk"))
_DECODERS = {
    b"subject": words.decode,
    b"from": words.decode_phrases,
    b"to": words.decode_phrases,
}
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_FIELD_END = re.compile(rb"\n(?![ \t])")  # what begins with white space goes on (RFC 5322 §2.2.3)
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

_NAME = re.compile(r"[!-9;-~]+")
_ADDRESS_FIELDS = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "resent-")
    for name in ("from", "sender", "reply-to", "to", "cc", "bcc")
)
# A phrase: a quoted string, or words with spaces between; what lies outside is structure.
_PHRASE = re.compile(
    r'"((?:[^"\\]|\\.)*)"|[^ \t"(),:;<>@\[\]\\]+(?:[ \t]+[^ \t"(),:;<>@\[\]\\]+)*', re.DOTALL
)
_PLAIN = re.compile(r"[\t -~]*")
_TOKEN = re.compile(r"[ \t]*[^ \t]+")
_MAX_TOKEN = 900  # octets; a longer word of free text is folded by encoding it
_UNSAFE_IN_TRACE = re.compile(r"[^\w.:\[\]\-+]", re.ASCII)
_UNSAFE_IN_COMMENT = re.compile(r"[^ -'*-\[\]-~]")


class HeaderError(ValueError):
    """A field that may not be written; the text says why."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is remembered of a header section, decoded and fit for people.

    Values are unfolded, free of control characters, and empty where the field is missing; of a
    field that occurs several times the first counts.

    Attributes:
        message_id: With its angle brackets.
        subject: Encoded-words decoded.
        from_header: As written in From:, encoded-words decoded; fit for `addresses`.
        to_header: As written in To:, encoded-words decoded; fit for `addresses`.
        date: As written.
        received_count: How many trace lines there are; a loop shows in it (RFC 5321 §6.3).
        content_type: As written, with its parameters.
        auto_submitted: As written (RFC 3834 §5).
        is_bulk: It comes from a list, or calls itself bulk: no automatic answer goes to it.
        has_from: There is a From field.
        has_date: There is a Date field.
        has_message_id: There is a Message-ID field.
    """

    message_id: str = ""
    subject: str = ""
    from_header: str = ""
    to_header: str = ""
    date: str = ""
    received_count: int = 0
    content_type: str = ""
    auto_submitted: str = ""
    is_bulk: bool = False
    has_from: bool = False
    has_date: bool = False
    has_message_id: bool = False

    def to_json(self) -> str:
        """The values as a JSON array in the order above; new ones may only be added at its end."""
        return _write_json([getattr(self, name) for name in self.__slots__])

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Read what `to_json` wrote, by this version or an older one.

        Raises:
            ValueError: It isn't such a text.
        """
        values = json.loads(text)
        if not isinstance(values, list) or len(values) > len(cls.__slots__):
            raise ValueError("not the summary of a header")
        return cls(*values)


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def split(block: bytes) -> tuple[bytes, bytes]:
    """Cut a message into its header section, with the empty line, and its body.

    A message that begins with an empty line has no fields; one without any empty line has no
    body. Lines may end in CRLF or LF.
    """
    end = _section_end(block, len(block))
    return block[:end], block[end:]


def scan(block: bytes, *, max_section: int = MAX_SECTION, max_value: int = MAX_VALUE) -> Summary:
    """Sum up the header section at the beginning of a message; hostile bytes never raise.

    Args:
        block: The beginning of a message, or all of it.
        max_section: Octets of the section that are looked at.
        max_value: Characters that are kept of each value.
    """
    found: dict[bytes, bytes] = {}
    received_count = 0
    for field in _FIELD_END.split(block[: _section_end(block, max_section)]):
        label, _, value = field.partition(b":")
        name = _FIELDS.get(label.rstrip().lower())  # RFC 5322 §4.5: "Subject :" was allowed once
        if name is None:
            continue
        if name == b"received":
            received_count += 1
        elif name not in found:
            found[name] = value[: 8 * max_value]

    texts = {
        name: _to_text(raw, _DECODERS.get(name, str))[:max_value] for name, raw in found.items()
    }
    text = texts.get
    return Summary(
        message_id=text(b"message-id", ""),
        subject=text(b"subject", ""),
        from_header=text(b"from", ""),
        to_header=text(b"to", ""),
        date=text(b"date", ""),
        received_count=received_count,
        content_type=text(b"content-type", ""),
        auto_submitted=text(b"auto-submitted", ""),
        is_bulk=_BULK in found or text(b"precedence", "").lower() in _PRECEDENCE_BULK,
        has_from=b"from" in found,
        has_date=b"date" in found,
        has_message_id=b"message-id" in found,
    )


def fields(octets: bytes) -> list[tuple[str, str]]:
    """All fields of a header section in their order, decoded for people.

    Args:
        octets: The beginning of a message, or all of it; 64 KiB of the section are read.

    Returns:
        Names as written; values unfolded, free of control characters.
    """
    return [
        (name, _to_text(raw, _decoder(name)))
        for name, raw in _sectioned(octets[: _section_end(octets, MAX_SECTION)])
    ]


def raw_fields(octets: bytes) -> list[tuple[str, str]]:
    """The same with encoded-words left as they are, for what reads structure out of a value."""
    return [
        (name, _to_text(raw, str))
        for name, raw in _sectioned(octets[: _section_end(octets, MAX_SECTION)])
    ]


def decoded(value: str) -> str:
    """The text of a field that has no structure, such as a subject, encoded-words decoded."""
    return _NOT_TEXT.sub("", " ".join(words.decode(value).split()))


def header(name: str, value: str, *, utf8: bool = False) -> bytes:
    """One header field, folded at white space, with its CRLF.

    Args:
        name: The field's name.
        value: Its text. In fields that hold addresses only phrases are encoded.
        utf8: Leave UTF-8 as it is (RFC 6532) instead of writing encoded-words.

    Raises:
        HeaderError: The name isn't one, the value holds CR, LF, NUL or a lone surrogate, an
            address needs `utf8`, or a word is longer than a line may be.
    """
    if not _NAME.fullmatch(name):
        raise HeaderError(f"not a header field name: {name[:80]!r}")
    if any(c in value for c in "\r\n\0"):
        raise HeaderError(f"{name}: a value may not contain line ends or NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise HeaderError(f"{name}: a value must be valid Unicode") from None
    if not utf8 and name.lower() in _ADDRESS_FIELDS:
        value = _PHRASE.sub(_encode_phrase, value)
    elif not utf8:
        value = _encode_text(value)
    lines: list[str] = []
    line = f"{name}:"
    for token in _TOKEN.findall(" " + value.strip(" \t")):
        if len(line) + len(token) > _FOLD_AT and line != f"{name}:":
            lines.append(line)
            line = ""
        line += token
    lines.append(line)
    written = [part.encode() for part in lines]
    if max(map(len, written)) > MAX_VALUE:
        raise HeaderError(f"{name}: a word is too long for a line of {MAX_VALUE} octets")
    return b"\r\n".join(written) + b"\r\n"


def received(
    *,
    from_helo: str,
    client: str,
    client_name: str | None,
    by: str,
    protocol: str,
    id: str,
    for_: str | None,
    at: datetime,
    tls: str | None,
) -> bytes:
    """The trace line that a server puts on top of what it accepts (RFC 5321 §4.4).

    Args:
        from_helo: What the client called itself; whatever isn't fit for a name becomes `?`.
        client: The client's IP address.
        client_name: The name that its address resolved to, and that resolved back.
        by: Our own name.
        protocol: `SMTP`, `ESMTPSA`, `UTF8SMTP`… (RFC 3848, RFC 6531 §4.3).
        id: Our name for the message.
        for_: The recipient, where there is just one: several would betray blind copies.
        at: When it was received, with its time zone.
        tls: Version and cipher of the connection.
    """
    literal = f"[IPv6:{_safe(client)}]" if ":" in client else f"[{_safe(client)}]"
    info = f"{_safe(client_name)} {literal}" if client_name else literal
    secured = f" (using {_UNSAFE_IN_COMMENT.sub('?', tls)})" if tls else ""
    recipient = f"\r\n\tfor <{_NOT_TEXT.sub('?', for_)}>" if for_ else ""
    return (
        f"Received: from {_safe(from_helo) or 'unknown'} ({info})\r\n"
        f"\tby {_safe(by)} with {_safe(protocol)} id {_safe(id)}{secured}{recipient};\r\n"
        f"\t{format_date(at)}\r\n"
    ).encode()


def format_date(at: datetime) -> str:
    """A date-time of RFC 5322 §3.3, `Sat, 22 Nov 2025 18:54:00 +0000`, in any locale.

    Raises:
        ValueError: The time has no time zone.
    """
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("a date in a message needs a time zone")
    return _written_date(at.replace(microsecond=0, tzinfo=None), round(offset.total_seconds() / 60))


@lru_cache(maxsize=64)  # a busy server writes the same second many times
def _written_date(at: datetime, offset: int) -> str:
    """Write a local time that is so many minutes ahead of UTC."""
    hours, minutes = divmod(abs(offset), 60)
    sign = "-" if offset < 0 else "+"
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} {sign}{hours:02}{minutes:02}"
    )


def _sectioned(section: bytes) -> Iterator[tuple[str, bytes]]:
    for field in _FIELD_END.split(section):
        label, colon, value = field.partition(b":")
        name = label.rstrip().decode("ascii", "replace")
        if colon and _NAME.fullmatch(name):
            yield name, value


def _decoder(name: str) -> Callable[[str], str]:
    return words.decode_phrases if name.lower() in _ADDRESS_FIELDS else words.decode


def _section_end(block: bytes, limit: int) -> int:
    """Where the header section ends: after the first empty line, at the limit at the latest."""
    if block.startswith((b"\r\n", b"\n")):
        return block.index(b"\n") + 1
    empty_line = _EMPTY_LINE.search(block, 0, limit)
    return empty_line.end() if empty_line else min(limit, len(block))


def _to_text(raw: bytes, decode: Callable[[str], str]) -> str:
    text = raw.decode() if raw.isascii() else words.decode_bytes(raw)
    text = " ".join(decode(text).split())  # unfolds, too
    return text if text.isprintable() else _NOT_TEXT.sub("", text)


def _encode_text(value: str) -> str:
    """Encode the words of free text that need it, a run of them with the space between."""
    if len(value) <= _MAX_TOKEN and _PLAIN.fullmatch(value) and "=?" not in value:
        return value
    parts: list[str] = []
    run: list[str] = []
    for token in _TOKEN.findall(value):
        word = token.strip(" \t")
        if not _PLAIN.fullmatch(word) or len(word) > _MAX_TOKEN or words.is_encoded(word):
            run.append(token)
            continue
        parts += [*_encode_run(run), token]
        run = []
    return "".join([*parts, *_encode_run(run)])


def _encode_run(run: list[str]) -> list[str]:
    text = "".join(run)
    inner = text.lstrip(" \t")
    return [text[: len(text) - len(inner)] + words.encode(inner)] if run else []


def _encode_phrase(phrase: re.Match[str]) -> str:
    if _PLAIN.fullmatch(phrase[0]):
        return phrase[0]
    if phrase.string[phrase.end() :][:1] == "@" or phrase.string[: phrase.start()][-1:] == "@":
        raise HeaderError(f"an address beyond ASCII needs SMTPUTF8: {phrase[0][:80]!r}")
    quoted = phrase[1]
    return words.encode(phrase[0] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))


@lru_cache(maxsize=1024)  # of a connection's trace lines only the id is new each time
def _safe(token: str) -> str:
    return _UNSAFE_IN_TRACE.sub("?", token[:255])
