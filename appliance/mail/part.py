"""A part of a message, as its places in the octets.

Standards: RFC 2045 §2.4 (entity), RFC 2046 §5 (what contains others).
Owns: nothing; a part is a frozen value.
Never: hold octets.
Failure: none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

__all__ = ["Buffer", "Part", "find", "walk"]

Buffer = bytes | mmap

_PLACE = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class Part:
    """One entity of a message (RFC 2045 §2.4).

    Attributes:
        number: Its place: "" the message itself, "1" its first part, "1.2" the second one in there.
            The message inside of a message/rfc822 is that part's first.
        type: Type and subtype in lower case; `text/plain` where none is declared.
        parameters: Those of the type, names in lower case, values decoded.
        charset: As declared, in lower case; may be empty or nonsense.
        filename: Without path and control characters; made up where a sender gave none, except for
            multiparts and for what is shown as text.
        disposition: `inline`, `attachment`, or "" where nothing is said.
        content_id: Without angle brackets.
        encoding: The transfer encoding in lower case; may be nonsense.
        header_start: Where its header section begins in the message.
        start: Where its body begins.
        end: Where its body ends, without the line end that belongs to a boundary.
        children: Its parts, in their order.
    """

    number: str
    type: str
    parameters: tuple[tuple[str, str], ...]
    charset: str
    filename: str
    disposition: str
    content_id: str
    encoding: str
    header_start: int
    start: int
    end: int
    children: tuple[Part, ...] = ()

    def parameter(self, name: str) -> str:
        """A parameter of the content type, by its name in lower case; "" where there is none."""
        return next((value for known, value in self.parameters if known == name), "")

    @property
    def is_flowed(self) -> bool:
        """Whether its lines are to be put together to paragraphs (RFC 3676 §4.1)."""
        return self.type == "text/plain" and self.parameter("format").lower() == "flowed"

    @property
    def is_delsp(self) -> bool:
        """Whether the spaces at which lines were broken are none of the text (RFC 3676 §4.1)."""
        return self.is_flowed and self.parameter("delsp").lower() == "yes"

    @property
    def size(self) -> int:
        """About how many octets it decodes to; exact where nothing is encoded."""
        encoded = self.end - self.start
        return encoded * 57 // 78 if self.encoding == "base64" else encoded


def find(root: Part, number: str) -> Part | None:
    """The part of that number, or None."""
    part = root
    if not number:
        return part
    for place in number.split("."):
        if not _PLACE.fullmatch(place) or int(place) > len(part.children):
            return None
        part = part.children[int(place) - 1]
    return part


def walk(root: Part) -> Iterator[Part]:
    """The part and all that are in it, each before its own parts."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))
