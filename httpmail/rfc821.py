r"""Reads what a client posts to send a message: the envelope, an empty line, the message.

    MAIL FROM:<alice@example.com>
    RCPT TO:<bob@example.com>

    From: …

There is no DATA, no dot-stuffing and no final dot. Spaces after the colon, missing angle brackets,
a name before them, LF alone and small letters are tolerated.

Standards: RFC 821 §3.1 for the two lines, as the media type's name says.
Owns: the envelope's octets until its end has come. Failure: `BadEnvelope`.
"""

from __future__ import annotations

import re

MAX_ENVELOPE = 256 << 10  # octets: some thousands of recipients
_LINE = re.compile(r"(MAIL\s+FROM|RCPT\s+TO)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_BRACKETS = re.compile(r"<([^<>]*)>[^<>]*\Z")
_BLANK = b" \t\r"


class BadEnvelope(ValueError):
    """The lines before the message are no envelope; the text says which and why."""


class EnvelopeReader:
    """Takes the body in pieces and cuts it into envelope and message.

    Attributes:
        reverse_path: the address of MAIL FROM; empty for `<>`.
        recipients: the addresses of RCPT TO in their order.
        is_complete: the empty line has come; the rest is the message.
    """

    def __init__(self) -> None:
        self._held = b""
        self._seen = 0
        self._has_sender = False
        self.reverse_path = ""
        self.recipients: list[str] = []
        self.is_complete = False

    def feed(self, octets: bytes) -> bytes:
        """Take a piece of the body; returns the octets of it that belong to the message.

        Raises:
            BadEnvelope: a line is neither of the two, or there are too many.
        """
        if self.is_complete:
            return octets
        self._held += octets
        while not self.is_complete:
            end = self._held.find(b"\n")
            line_end = len(self._held) if end < 0 else end
            if self._seen + line_end > MAX_ENVELOPE:
                raise BadEnvelope(f"the envelope has more than {MAX_ENVELOPE} octets")
            if end < 0:
                return b""
            line, self._held = self._held[:end], self._held[end + 1 :]
            self._seen += end + 1
            self._take(line.strip(_BLANK))
        rest, self._held = self._held, b""
        return rest

    def close(self) -> None:
        """Say that the body has ended.

        Raises:
            BadEnvelope: the envelope is not complete, or has no sender or recipient.
        """
        if not self.is_complete:
            raise BadEnvelope("no empty line follows the envelope")
        if not self._has_sender:
            raise BadEnvelope("there is no MAIL FROM")
        if not self.recipients:
            raise BadEnvelope("there is no RCPT TO")

    def _take(self, line: bytes) -> None:
        if not line:
            self.is_complete = True
            return
        text = line.decode("utf-8", "replace")
        match = _LINE.fullmatch(text)
        if match is None:
            raise BadEnvelope(f"{text[:80]!r} is neither MAIL FROM nor RCPT TO")
        bracketed = _BRACKETS.search(match[2])
        address = (bracketed[1] if bracketed else match[2].partition(" ")[0]).strip()
        if match[1][:1] in "Mm":
            if self._has_sender:
                raise BadEnvelope("there is more than one MAIL FROM")
            self._has_sender, self.reverse_path = True, address
        elif address:
            self.recipients.append(address)
        else:
            raise BadEnvelope("a RCPT TO has no address")
