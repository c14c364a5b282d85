"""Plain text as HTML: what was quoted is set apart, links can be followed.

Standards: RFC 3676 §4 (format=flowed: quoting, stuffing, DelSp), §4.3 (signatures).
Owns: nothing.
Never: let through anything but our own elements; spend more than linear time on links.
Failure: none.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from functools import cache

from linkify_it import LinkifyIt

from appliance.mail.html_policy import link

__all__ = ["SIGNATURE", "TEXT", "lines", "text_to_html"]

TEXT = "plain-text"  # the class of the whole; its white space is to be kept
SIGNATURE = "signature"  # the class of what follows "-- "
_MAX_QUOTES = 20  # levels; deeper ones are shown at this one
_QUOTE = re.compile(r">(?: ?>)*+ ?")
_MAX_PIECE = 2000  # characters that links are looked for in at once
_MAX_PIECES = 2000
_PIECES = re.compile(rf".{{1,{_MAX_PIECE}}}(?:\s|\Z)|\S+\s?", re.DOTALL)
_MAY_LINK = re.compile(r"://|@|www\.|mailto:", re.IGNORECASE)
_WWW = re.compile(r"www\.", re.IGNORECASE)
_RIGHT = 'target="_blank" rel="noopener noreferrer nofollow"'
# Names that no registry gives out, and houses use.
_OWN_DOMAINS = ["corp", "example", "home", "internal", "lan", "local", "test"]
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def text_to_html(text: str, *, flowed: bool = False, delsp: bool = False) -> str:
    """Write text as HTML: escaped, with links, quotes in blockquotes, the signature marked.

    The whole is a div of the class `plain-text`, whose white space counts.

    Args:
        text: Of any size, lines separated by LF.
        flowed: The part said format=flowed: its lines are put together to paragraphs.
        delsp: It said delsp=yes: the space at which lines were broken is none of the text.
    """
    written = [f'<div class="{TEXT}">']
    linker = _Linker()
    quotes = 0
    in_signature = False
    is_first = True
    for depth, line in _trimmed(lines(text, flowed=flowed, delsp=delsp)):
        if in_signature and depth:
            written.append("</div>")
            in_signature = False
        if depth != quotes:
            written.append("<blockquote>" * (depth - quotes) or "</blockquote>" * (quotes - depth))
            quotes = depth
        elif line == "-- " and not depth and not in_signature:
            written.append(f'<div class="{SIGNATURE}">')
            in_signature = True
        elif not is_first:
            written.append("\n")
        is_first = False
        written.append(linker.write(line))
    written += ["</div>" * in_signature, "</blockquote>" * quotes, "</div>"]
    return "".join(written)


def lines(text: str, *, flowed: bool = False, delsp: bool = False) -> Iterator[tuple[int, str]]:
    """The lines of a text, each with how deep it is quoted, its ">" taken away."""
    if flowed:
        yield from _flowed(text, delsp=delsp)
        return
    for line in text.split("\n"):
        quote = _QUOTE.match(line)
        if quote is None:
            yield 0, line
        else:
            yield min(quote[0].count(">"), _MAX_QUOTES), line[quote.end() :]


def _flowed(text: str, *, delsp: bool) -> Iterator[tuple[int, str]]:
    paragraph: list[str] = []
    depth = 0
    for line in text.split("\n"):
        content = line.lstrip(">")
        quotes = min(len(line) - len(content), _MAX_QUOTES)
        content = content.removeprefix(" ")  # RFC 3676 §4.4: stuffed
        if paragraph and (quotes != depth or content == "-- "):  # §4.5: broken, and so it ends
            yield depth, "".join(paragraph)
            paragraph.clear()
        depth = quotes
        if content.endswith(" ") and content != "-- ":
            paragraph.append(content[:-1] if delsp else content)
            continue
        yield depth, "".join([*paragraph, content])
        paragraph.clear()
    if paragraph:
        yield depth, "".join(paragraph)


def _trimmed(found: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Without the empty lines at the end."""
    empty: list[tuple[int, str]] = []
    for depth, line in found:
        if not line.strip():
            empty.append((depth, line))
            continue
        yield from empty
        empty.clear()
        yield depth, line


class _Linker:
    """Escapes lines and marks links in them, until there were enough."""

    def __init__(self) -> None:
        self._left = _MAX_PIECES

    def write(self, line: str) -> str:
        line = _CONTROLS.sub("", line)
        if not _MAY_LINK.search(line):
            return html.escape(line)
        return "".join(self._piece(piece) for piece in _PIECES.findall(line))

    def _piece(self, piece: str) -> str:
        if self._left <= 0 or len(piece) > _MAX_PIECE + 1 or not _MAY_LINK.search(piece):
            return html.escape(piece)
        self._left -= 1
        written: list[str] = []
        place = 0
        for found in _linkify().match(piece) or ():
            shown = piece[found.index : found.last_index]
            url = link(found.url)
            is_meant = found.schema or found.url.startswith("mailto:") or _WWW.match(shown)
            if url is None or not is_meant or found.index < place:
                continue
            written.append(html.escape(piece[place : found.index]))
            written.append(f'<a href="{html.escape(url)}" {_RIGHT}>{html.escape(shown)}</a>')
            place = found.last_index
        written.append(html.escape(piece[place:]))
        return "".join(written)


@cache
def _linkify() -> LinkifyIt:
    finder = LinkifyIt().tlds(_OWN_DOMAINS, keep_old=True)
    return finder.add("ftp:", None).add("//", None)
