"""SMTP replies: what a server says, as a value, to the wire and back.

Standards: RFC 5321 §4.2 (replies), §4.5.3.1.5 (line length); RFC 2034 (enhanced status codes on
    each line); RFC 3463 (their meaning).
Owns: nothing; a reply is a frozen value.
Never: choose a code; engines and rules do.
Failure: ReplyError for lines that are no reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Reply", "ReplyError", "parse_reply"]

_MAX_TEXT = 490  # octets: a line of 512 without code, enhanced code and CRLF (RFC 5321 §4.5.3.1.5)
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ReplyError(ValueError):
    """Lines which are not an SMTP reply."""


class Reply(NamedTuple):
    r"""One reply of a server.

    Attributes:
        code: The reply code, 200–599.
        status: The enhanced status code, `2.1.0`; empty where a reply has none.
        text: What it says to people; `\n` separates lines.
    """

    code: int
    status: str
    text: str

    def encode(self, *, utf8: bool = False) -> bytes:
        """The reply as it goes over the wire, each line ended by CRLF.

        Args:
            utf8: The peer can take UTF-8 in replies (RFC 6531 §3.7.4.1); else non-ASCII
                characters become `?`.
        """
        text = self.text
        prefix = f"{self.status} " if self.status else ""
        if len(text) <= _MAX_TEXT and text.isascii() and text.isprintable():
            return f"{self.code} {prefix}{text}\r\n".encode("ascii")
        lines = [part for line in text.split("\n") for part in _wrap(_clean(line, utf8=utf8))]
        last = len(lines) - 1
        return b"".join(
            f"{self.code}{' ' if number == last else '-'}{prefix}".encode("ascii") + line + b"\r\n"
            for number, line in enumerate(lines)
        )

    def __str__(self) -> str:
        """The reply on one line, for logs and reports: `550 5.1.1 No such mailbox`."""
        text = self.text if self.text.isprintable() else _CONTROLS.sub(" ", self.text)
        words = f"{self.code} {self.status}" if self.status else str(self.code)
        return f"{words} {text}" if text else words

    @property
    def is_positive(self) -> bool:
        """A 2xx or 3xx: done, or go on."""
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        """A 4xx: the same may succeed later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """A 5xx: the same will not succeed."""
        return self.code >= 500


def parse_reply(lines: list[bytes]) -> Reply:
    """Read a reply from its lines, with or without their line ends.

    An enhanced status code that is missing, or belongs to another class than the reply code, is
    tolerated: `status` is then empty and the text is left as it came.

    Raises:
        ReplyError: There is no line, a line has no reply code, the codes differ, or the line
            that ends the reply isn't the last one (RFC 5321 §4.2.1).
    """
    code = b""
    status = ""
    texts: list[str] = []
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r\n")
        match = _LINE.fullmatch(line)
        if match is None or (code and match[1] != code):
            raise ReplyError(f"not a line of a reply: {line[:80]!r}")
        if (match[2] == b"-") != (number < len(lines)):
            raise ReplyError(f"a reply ends at the wrong line: {line[:80]!r}")
        code = match[1]
        text = _CONTROLS.sub(" ", (match[3] or b"").decode("utf-8", "replace"))
        found = _STATUS.match(text)
        if found and found[1][0] == chr(code[0]) and status in ("", found[1]):
            status = found[1]
            text = text[found.end() :]
        texts.append(text)
    if not code:
        raise ReplyError("a reply has at least one line")
    return Reply(int(code), status, "\n".join(texts))


def _clean(line: str, *, utf8: bool) -> bytes:
    return _CONTROLS.sub(" ", line).encode("utf-8" if utf8 else "ascii", "replace")


def _wrap(line: bytes) -> Iterator[bytes]:
    while len(line) > _MAX_TEXT:
        end = line.rfind(b" ", 1, _MAX_TEXT)
        if end < 0:
            end = _MAX_TEXT
            while line[end] & 0xC0 == 0x80:  # not inside a UTF-8 sequence
                end -= 1
        yield line[:end]
        line = line[end:].lstrip(b" ")
    yield line
