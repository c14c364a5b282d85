"""The rich text of a letter: what may be in it, its quotation, its pictures.

A letter's HTML is what was written, and after it in one <section> what it quotes: the message that
is answered or forwarded, in its own look. The editor shows the first only; the quotation stands in
a frame. Pictures that came with a message are `cid:` in a letter, and paths of ours on a page.

Standards: RFC 2392 (cid).
Never: let through what the reading pane wouldn't show, or what loads from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote, unquote

from appliance.mail.html import sanitise

_BEGIN, _END = "<section>", "</section>"
_SECTION = re.compile(r"<(/?)section\b[^>]*>", re.IGNORECASE)
_PLACE = "/picture/"  # stands for `cid:` while the text is cleaned, which takes no such scheme
_PLAIN_IN_CID = "@!$*+=~"  # some programs don't undo %40
_CLEANED = re.compile(rf'(<img src="){_PLACE}([^"]*)"')
_WRITTEN = re.compile(r'(<img\b[^>]*?\bsrc=")cid:([^"]*)"', re.IGNORECASE)
_CID = re.compile(r'<img\b[^>]*?\bsrc="?cid:([^"\s>]{1,998})', re.IGNORECASE)


def clean(html: str) -> str:
    """Return what may be sent of a rich text; pictures of the message itself stay as `cid:`."""
    if not html.strip():
        return ""
    return named(sanitise(html, cid=places(cids(html)), remote_images=False).html)


def places(ids: Iterable[str]) -> dict[str, str]:
    """Return where pictures are while a text is cleaned, by content id; `named` undoes it."""
    return {cid: _PLACE + quote(cid, safe=_PLAIN_IN_CID) for cid in ids}


def named(html: str) -> str:
    """Return a cleaned text with `cid:` for its pictures."""
    return _CLEANED.sub(r'\1cid:\2"', html)


def cids(html: str) -> set[str]:
    """Return the content ids of the pictures in a text."""
    return {unquote(found) for found in _CID.findall(html.replace("&amp;", "&"))}


def pictures(html: str, addresses: Mapping[str, str]) -> str:
    """Return a text whose pictures have addresses here, by content id; others have none."""
    return _WRITTEN.sub(
        lambda found: f'{found[1]}{escape(addresses.get(unquote(found[2]), ""))}"', html
    )


def joined(html: str, quoted: str) -> str:
    """Return the whole text of a letter: what was written, then its quotation."""
    written = _SECTION.sub(r"<\1div>", html)
    return f"{written}{_BEGIN}{quoted}{_END}" if quoted else written


def parted(html: str) -> tuple[str, str]:
    """Return what `joined` put together; without a quotation all was written."""
    written, begin, rest = html.partition(_BEGIN)
    if not begin or not rest.endswith(_END):
        return html, ""
    return written, rest.removesuffix(_END)
