"""What a list of messages shows of each one beside its header: preview, clip and urgency.

Owns: nothing.
Never: raise on what strangers wrote; need more than the beginning of a message.
Failure: none; what can't be read is left out of the preview.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.mail import headers, priority
from appliance.mail.html_text import html_to_text
from appliance.mail.mime import Part, decoded_text, parse
from appliance.mail.plain import lines
from appliance.mail.priority import Priority
from appliance.mail.view import View, view

__all__ = ["MAX_PREVIEW", "Digest", "Priority", "digest"]

MAX_PREVIEW = 160  # characters
_MAX_TEXT = 16 * 1024  # octets of plain text that a preview is looked for in
_MAX_HTML = 128 * 1024  # of HTML, which often begins with styles
# What fills the place after a hidden first line of newsletters, and what may not be in a line.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff]"
)
_ATTRIBUTION = re.compile(r"[^\n]{0,300}:\s*\Z")


@dataclass(frozen=True, slots=True)
class Digest:
    """What is remembered of a message's body for lists.

    Attributes:
        preview: The beginning of its text in one line, at most 160 characters.
        has_attachments: It has parts that a reader is offered to save.
        priority: What the sender says of its urgency.
    """

    preview: str = ""
    has_attachments: bool = False
    priority: Priority = Priority.NORMAL

    def to_json(self) -> str:
        """The values as a JSON array in the order above; new ones may only be added at its end."""
        return _write_json([self.preview, self.has_attachments, self.priority.value])

    @classmethod
    def from_json(cls, text: str) -> Digest:
        """Read what `to_json` wrote, by this version or an older one.

        Raises:
            ValueError: It isn't such a text.
        """
        values = json.loads(text)
        if not isinstance(values, list) or len(values) != len(cls.__slots__):
            raise ValueError("not the digest of a message")
        preview, has_attachments, urgency = values
        return cls(str(preview), bool(has_attachments), Priority(urgency))


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def digest(octets: bytes) -> Digest:
    """Sum up a message, or as much of its beginning as there is; hostile bytes never raise."""
    root = parse(octets)
    shown = view(root, octets)
    return Digest(
        preview=_preview(shown, octets),
        has_attachments=bool(shown.attachments),
        priority=priority.read(headers.fields(octets)),
    )


def _preview(shown: View, octets: bytes) -> str:
    for part in (shown.text, shown.html, *shown.more):
        if part is not None:
            preview = _line(_own_words(_text(part, octets)))
            if preview:
                return preview
    return ""


def _text(part: Part, octets: bytes) -> str:
    if part.type == "text/html":
        return html_to_text(decoded_text(part, octets, most=_MAX_HTML), links=False)
    return decoded_text(part, octets, most=_MAX_TEXT)


def _own_words(text: str) -> str:
    """What the sender wrote: no quotes, no line that leads to one, no signature, if that's left."""
    own = "\n".join(_unquoted(text)).strip()
    return own or "\n".join(line for _, line in lines(text))


def _unquoted(text: str) -> Iterator[str]:
    held = ""  # a line that may turn out to lead to a quote
    for depth, line in lines(text):
        if line.rstrip() == "--" and not depth:
            break
        if depth:
            held = ""
        elif line.strip():
            if held:
                yield held
            held = line if _ATTRIBUTION.match(line) else ""
            if not held:
                yield line
    if held:
        yield held


def _line(text: str) -> str:
    line = " ".join(_INVISIBLE.sub("", text[: 100 * MAX_PREVIEW]).split())
    return line if len(line) <= MAX_PREVIEW else line[: MAX_PREVIEW - 1].rstrip() + "…"
