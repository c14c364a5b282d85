"""Files that go with a letter, each written as one entity.

Standards: RFC 2045 §6.8 (base64), RFC 2046 §5.2.1 (messages as attachments), RFC 2183 and RFC 2231
    (names), RFC 2392 (content ids).
Owns: nothing.
Never: hold a file in memory; write what a server might not take.
Failure: HeaderError for a content id that is none.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from appliance.mail import parameters
from appliance.mail.compose import MAX_LINE
from appliance.mail.headers import HeaderError, header

__all__ = ["Attachment", "entity", "head"]

_BASE64_LINE = 57  # octets that make 76 characters, RFC 2045 §6.8
_BLOCK = 1024 * _BASE64_LINE
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+\-]{0,80}/[a-z0-9][a-z0-9!#$&^_.+\-]{0,120}")
_CHARSET = re.compile(r"[A-Za-z0-9_:.+\-]{1,40}")
_OPAQUE = "application/octet-stream"
_MESSAGE = "message/rfc822"
_UNENCODED_ONLY = ("message/", "multipart/")  # RFC 2045 §6.4


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter.

    Attributes:
        filename: As its owner calls it; it is written without path and control characters.
        content_type: Its media type, perhaps with a charset; nonsense is written as octets.
        content_id: For an image that the HTML shows, its id without angle brackets; else "".
        chunks: Gives the octets, from their beginning each time it is called.
        already_encoded: The octets are a whole entity that `write_letter` wrote earlier, with its
            header section; they are copied, and the values above only say where to.
    """

    filename: str
    content_type: str
    chunks: Callable[[], Iterable[bytes]]
    content_id: str = ""
    already_encoded: bool = False


def entity(attachment: Attachment) -> Iterator[bytes]:
    """Write one, piece by piece; it ends in the line end that belongs to the boundary after it."""
    if attachment.already_encoded:
        yield from attachment.chunks()
        yield b"\r\n"
        return
    is_message = _type(attachment) == _MESSAGE
    if is_message and _is_short_ascii(attachment.chunks()):
        yield head(attachment) + b"Content-Transfer-Encoding: 7bit\r\n\r\n"
        yield from attachment.chunks()
        yield b"\r\n"
        return
    # RFC 2046 §5.2.1: a message may not be encoded
    fields = head(attachment, _OPAQUE) if is_message else head(attachment)
    yield fields + b"Content-Transfer-Encoding: base64\r\n\r\n"
    yield from _base64(attachment.chunks())


def head(attachment: Attachment, content_type: str = "") -> bytes:
    """The Content- fields of an attachment, but for its transfer encoding.

    Raises:
        HeaderError: Its content id is none.
    """
    type_ = content_type or _type(attachment)
    name = parameters.file_name(attachment.filename) or f"attachment{parameters.suffix(type_)}"
    declared = parameters.parse(attachment.content_type.partition(";")[2]).get("charset", "")
    charset = f"; charset={declared}" if _CHARSET.fullmatch(declared) else ""
    charset = charset if type_.startswith("text/") else ""
    disposition = "inline" if attachment.content_id else "attachment"
    fields = header("Content-Type", type_ + charset + parameters.written("name", name))
    fields += header("Content-Disposition", disposition + parameters.written("filename", name))
    if attachment.content_id:
        if not _CONTENT_ID.fullmatch(attachment.content_id):
            raise HeaderError(f"not a content id: {attachment.content_id[:80]!r}")
        fields += header("Content-ID", f"<{attachment.content_id}>")
    return fields


def _type(attachment: Attachment) -> str:
    type_ = attachment.content_type.partition(";")[0].strip().lower()
    if type_ != _MESSAGE and type_.startswith(_UNENCODED_ONLY):
        return _OPAQUE
    return type_ if _TYPE.fullmatch(type_) else _OPAQUE


def _is_short_ascii(chunks: Iterable[bytes]) -> bool:
    """Whether these are lines of ASCII that every server takes as they are."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        if not data.isascii() or b"\0" in data:
            return False
        lines = data.split(b"\n")
        rest = lines.pop()
        if any(not line.endswith(b"\r") or b"\r" in line[:-1] for line in lines):
            return False
        if max((len(line) for line in lines), default=0) > MAX_LINE + 1 or len(rest) > MAX_LINE:
            return False
    return b"\r" not in rest


def _base64(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % _BASE64_LINE
        for place in range(0, whole, _BLOCK):
            yield _base64_lines(data[place : min(place + _BLOCK, whole)])
        rest = data[whole:]
    yield _base64_lines(rest) or b"\r\n"


def _base64_lines(data: bytes) -> bytes:
    lines = (
        binascii.b2a_base64(data[place : place + _BASE64_LINE], newline=False)
        for place in range(0, len(data), _BASE64_LINE)
    )
    return b"".join(line + b"\r\n" for line in lines)
