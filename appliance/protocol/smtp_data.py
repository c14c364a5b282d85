"""Read and write message content as it travels after DATA, in blocks rather than lines.

Standards: RFC 5321 §2.3.8 (line ends), §4.1.1.4 (DATA), §4.5.2 (transparency); RFC 1870 §5 (size);
    RFC 1939 §3 (the same dot-stuffing in POP3 multi-line answers).
Owns: the few octets at a block's border that cannot be judged before the next block arrives.
Never: headers, storage, the reply that follows the content.
Failure: a reader never raises on what the peer sends; it notes the first `Fault` and reads on to
    the real end, so that the connection stays in step and the sender gets one clear reply.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from appliance.protocol import LocalProtocolError

__all__ = ["DataReader", "DataWriter", "Fault", "stuff", "stuffed", "travels_unchanged"]

_END: Final = b"\r\n.\r\n"
_FIRST_FAULT: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")
_DOT: Final = re.compile(rb"\n\.")  # `in` takes three times as long
_LINE_END: Final = re.compile(rb"\r\n?|\n")


class Fault(StrEnum):
    """Why content cannot be accepted."""

    BARE_CR = "bare-cr"
    BARE_LF = "bare-lf"
    NUL = "nul"
    TOO_BIG = "too-big"


_FAULT_OF: Final = {b"\r": Fault.BARE_CR, b"\n": Fault.BARE_LF, b"\0": Fault.NUL}


def _is_clean(data: bytes) -> bool:
    """Whether every CR and LF is half of a CRLF and there is no NUL."""
    if b"\0" in data:
        return False
    joined = b"\r\n".join(data.splitlines())  # a third of the time that counting each takes
    return data in (joined, joined + b"\r\n")


class DataReader:
    """Takes the blocks received after a 354 and gives back the content without dot-stuffing.

    Only CRLF "." CRLF ends the content (the CRLF of the DATA command counts as the first one).
    Every other spelling of a line end is a fault, so no message can hold a text that the next
    server would take for an end (SMTP smuggling). How the input is cut into blocks makes no
    difference.

    Attributes:
        finished: the end was read.
        rest: octets after the end, i.e. pipelined commands; only set once finished.
        fault: the first defect in the order of the content, or None. Content handed out before the
            fault was noticed is to be thrown away.
        bytes_seen: octets of the wire that belong to the content, with stuffing and end marker.
    """

    __slots__ = ("_held", "_max_bytes", "_size", "bytes_seen", "fault", "finished", "rest")

    def __init__(self, max_bytes: int | None = None) -> None:
        """Start reading.

        Args:
            max_bytes: octets of content allowed, line ends counted and stuffing not (RFC 1870 §5);
                None for no limit.
        """
        self._max_bytes = max_bytes
        # What is held is always the longest tail that could be the beginning of the end marker. The
        # first two octets stand for the line end of the DATA command: they are no content, so the
        # size starts below zero.
        self._held = b"\r\n"
        self._size = -2
        self.finished = False
        self.rest = b""
        self.fault: Fault | None = None
        self.bytes_seen = 0

    def feed(self, block: bytes) -> list[bytes]:
        """Take the next block from the wire.

        Args:
            block: any number of octets, cut anywhere.

        Returns:
            Content to store, in order: no chunk, or one. Nothing once there is a fault.

        Raises:
            LocalProtocolError: the end was read before; give `rest` to the command reader.
        """
        if self.finished:
            raise LocalProtocolError("content was fed after its end")
        data = self._held + block
        dot = data.find(b"\r\n.")
        end = data.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            content = data[: end + 2]
            self._held = b""
            self.rest = data[end + len(_END) :]
            self.finished = True
        else:
            undecided = next((n for n in (4, 3, 2, 1) if data.endswith(_END[:n])), 0)
            decided = len(data) - undecided
            content = data[:decided]
            self._held = data[decided:]
        self.bytes_seen += len(block) - len(self.rest)
        if self.fault is not None or not content:
            return []
        return self._accept(content, is_stuffed=dot >= 0)

    def _accept(self, content: bytes, *, is_stuffed: bool) -> list[bytes]:
        fault: Fault | None = None
        if not _is_clean(content) and (found := _FIRST_FAULT.search(content)):
            fault = _FAULT_OF[found[0]]
            content = content[: found.start()]
        if is_stuffed:  # RFC 5321 §4.5.2: a line's first dot goes when more follows it
            content = content.replace(b"\r\n.", b"\r\n")
        is_first = self._size < 0
        self._size += len(content)
        if self._max_bytes is not None and self._size > self._max_bytes:
            fault = Fault.TOO_BIG
        self.fault = fault
        if fault is not None:
            return []
        if is_first:
            content = content[2:]
        return [content] if content else []


class DataWriter:
    """Turns content into what is sent after a 354, or in a POP3 multi-line answer.

    Line ends leave as CRLF and NUL does not leave at all, whatever the content holds: content that
    came in by another door must not become a message smuggled into the next server. Clean content
    passes unchanged apart from its dots.
    """

    __slots__ = ("_held", "_is_line_start")

    def __init__(self) -> None:
        """Start at the beginning of a line, as after the DATA command."""
        self._is_line_start = True
        self._held = b""

    def write(self, chunk: bytes) -> bytes:
        """Stuff the next chunk of content.

        Args:
            chunk: any number of octets, cut anywhere.

        Returns:
            What to send; a CR at the chunk's end waits for its LF.
        """
        data = self._held + chunk.replace(b"\0", b"") if self._held or b"\0" in chunk else chunk
        self._held = b""
        if data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        if not data:
            return b""
        if not _is_clean(data):
            data = _LINE_END.sub(b"\r\n", data)
        wire = data if _DOT.search(data) is None else data.replace(b"\r\n.", b"\r\n..")
        if self._is_line_start and wire.startswith(b"."):
            wire = b"." + wire
        self._is_line_start = wire.endswith(b"\r\n")
        return wire

    def end(self) -> bytes:
        """The end marker, after the line end that the content may lack (RFC 5321 §4.1.1.4)."""
        is_complete = self._is_line_start and not self._held
        return b".\r\n" if is_complete else _END


def stuff(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Stuff a whole content, the end marker included.

    Args:
        chunks: the content, cut anywhere.

    Yields:
        Pieces to send, none of them empty.
    """
    writer = DataWriter()
    for chunk in chunks:
        if wire := writer.write(chunk):
            yield wire
    yield writer.end()


def travels_unchanged(content: bytes) -> bool:
    """Whether a whole content is sent as it is: whole lines that end in CRLF, none with a dot."""
    is_whole = content.endswith(b"\r\n") and not content.startswith(b".")
    return is_whole and _is_clean(content) and _DOT.search(content) is None


def stuffed(content: bytes) -> bytes:
    """Stuff a whole content that is in memory, without the end marker.

    Args:
        content: what `DataWriter` takes; as a rule it comes back as it is.

    Returns:
        What to send before the end marker ".": it ends with a line end.
    """
    if travels_unchanged(content):
        return content
    writer = DataWriter()
    wire = writer.write(content)
    return wire + writer.end().removesuffix(b".\r\n")
