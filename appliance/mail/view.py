"""What a reader is shown of a message: its text, what belongs into it, and what can be saved.

Standards: RFC 2046 §5.1.3, §5.1.4 (mixed, alternative), RFC 2387 (related), RFC 2183 (disposition),
    RFC 2392 (cid), RFC 1847 (signed).
Owns: nothing.
Never: decode more than the HTML, which says what belongs into it.
Failure: none; what can't be shown can be saved.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import unquote

from appliance.mail import parameters
from appliance.mail.part import Buffer, Part
from appliance.mail.transfer import decoded_text

__all__ = ["MAX_HTML", "View", "view"]

MAX_HTML = 2 * 1024 * 1024  # octets of HTML that are read and shown
_CID = re.compile(r"\bcid:([^\"'\s<>()]{1,998})", re.IGNORECASE)
_SIGNATURES = frozenset(
    (
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
    )
)
# For programs: the other half of an image's Macintosh file, and a third form of the same text.
_NEVER_SHOWN = frozenset(("application/applefile", "text/x-amp-html"))


@dataclass(frozen=True, slots=True)
class View:
    """The parts of a message by what a reader does with them.

    Attributes:
        html: The text as HTML, if there is such a one.
        text: The text as plain text; beside `html` it is the same in another form.
        more: Texts that follow the first one: the footer of a list, the report of a bounce.
            Plain or HTML, each by its type.
        attachments: What can be saved. Each has a file name.
        inline: Images that the HTML shows, by content id. They are no attachments.
    """

    html: Part | None = None
    text: Part | None = None
    more: tuple[Part, ...] = ()
    attachments: tuple[Part, ...] = ()
    inline: Mapping[str, Part] = field(default_factory=lambda: MappingProxyType({}))


def view(root: Part, octets: Buffer) -> View:
    """Sort the parts of a message.

    Args:
        root: The message, or a message/rfc822 part's first child for the message in it.
        octets: What it was parsed from; its HTML is searched for the images that it shows.
    """
    found = _read(root)
    shown: set[str] = set()
    for part in (found.html, *found.more):
        if part is not None and part.type == "text/html" and _may_refer(found):
            shown |= _references(decoded_text(part, octets, most=MAX_HTML))
    inline: dict[str, Part] = {}
    attachments: list[Part] = []
    for part in found.others:
        if part.type.startswith("image/") and part.content_id in shown:
            inline.setdefault(part.content_id, part)
        else:
            attachments.append(part if part.filename else replace(part, filename=_name(part)))
    return View(
        html=found.html,
        text=found.text,
        more=tuple(found.more),
        attachments=tuple(attachments),
        inline=MappingProxyType(inline),
    )


@dataclass(slots=True)
class _Found:
    html: Part | None = None
    text: Part | None = None
    more: list[Part] = field(default_factory=list)
    others: list[Part] = field(default_factory=list)

    @property
    def has_text(self) -> bool:
        return self.html is not None or self.text is not None


def _read(part: Part) -> _Found:
    if not part.children or not part.type.startswith("multipart/"):
        return _leaf(part)
    if part.type == "multipart/alternative":
        return _alternative(part)
    if part.type == "multipart/related":
        return _related(part)
    found = _Found()
    for child in part.children:
        if part.type == "multipart/signed" and child.type in _SIGNATURES:
            continue
        _join(found, _read(child))
    return found


def _leaf(part: Part) -> _Found:
    if part.type in _NEVER_SHOWN:
        return _Found()
    if part.disposition == "attachment":
        return _Found(others=[part])
    if part.type == "text/html":
        return _Found(html=part)
    if part.type in parameters.READABLE or part.type.startswith("multipart/"):
        return _Found(text=part)
    return _Found(others=[part])


def _join(found: _Found, following: _Found) -> None:
    """What follows in a multipart/mixed: its first text is the message's, the others come after."""
    if not found.has_text:
        found.html, found.text = following.html, following.text
    elif following.has_text:
        text = following.html or following.text
        assert text is not None
        if text.filename:
            found.others.append(text)
        else:
            found.more.append(text)
    found.more += following.more
    found.others += following.others


def _alternative(part: Part) -> _Found:
    """The last HTML and the first plain text: later ones are richer (RFC 2046 §5.1.4)."""
    found = _Found()
    for child in part.children:
        alternative = _read(child)
        found.others += alternative.others
        if alternative.html is not None:
            found.html = alternative.html
            found.more = alternative.more
        elif not found.has_text:
            found.more = alternative.more
        if found.text is None:
            found.text = alternative.text
    return found


def _related(part: Part) -> _Found:
    """A text with what belongs to it; the start parameter may name the text (RFC 2387 §3.2)."""
    start = part.parameter("start").strip("<> ")
    named = (child for child in part.children if start and child.content_id == start)
    first = next(named, part.children[0])
    found = _read(first)
    for child in part.children:
        if child is not first:
            _join(found, _read(child))
    return found


def _may_refer(found: _Found) -> bool:
    return any(part.content_id for part in found.others)


def _references(text: str) -> set[str]:
    written = {html.unescape(cid) for cid in _CID.findall(text)}
    return written | {unquote(cid) for cid in written}


def _name(part: Part) -> str:
    return f"text-{part.number or 1}{parameters.suffix(part.type)}"
