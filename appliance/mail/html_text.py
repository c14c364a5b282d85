"""HTML mail as plain text.

Standards: the HTML standard, for what is a block; RFC 3676 §4.5 (quoting by ">").
Owns: nothing.
Never: show what style, script and title hold.
Failure: none.
"""

from __future__ import annotations

import re

from appliance.mail.markup import Tag, names, tokens

__all__ = ["html_to_text"]

_MAX = 2 * 1024 * 1024  # characters of HTML that are read
_SPACES = re.compile(r"[ \t\n\r\f]+")
_APART = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"))
_BLOCKS = _APART | names(
    "address article aside body caption center dd div dl dt fieldset figcaption figure footer form"
    " header html li main nav section tbody tfoot thead tr"
)
_MAX_QUOTES = 20
_RULE = "-" * 20


def html_to_text(html: str, *, links: bool = True) -> str:
    """Write HTML as lines of text, quotes marked by ">", paragraphs apart.

    Args:
        html: Of any size; 2 Mi characters are read.
        links: Give the addresses of links, and the descriptions of images.
    """
    writer = _Writer(links=links)
    for token in tokens(html[:_MAX]):
        if isinstance(token, str):
            writer.text(token)
        elif token.closes:
            writer.end(token.name)
        else:
            writer.start(token)
    return writer.finish()


class _Writer:
    def __init__(self, *, links: bool) -> None:
        self._links = links
        self._lines: list[str] = []
        self._line: list[str] = []
        self._is_spaced = True  # the line has no text yet, or ends in a space
        self._quotes = 0
        self._pre = 0
        self._lists: list[int] = []  # of each list its next number, 0 for bullets
        self._link: tuple[str, int] | None = None  # its address, and where its text begins

    def text(self, text: str) -> None:
        if self._pre:
            first, *rest = text.split("\n")
            self._put(first)
            for line in rest:
                self._end_line()
                self._put(line)
            return
        text = _SPACES.sub(" ", text)
        if self._is_spaced:
            text = text.removeprefix(" ")
        self._put(text)

    def start(self, tag: Tag) -> None:
        name = tag.name
        if name == "br":
            self._end_line()
        elif name == "hr":
            self._block(apart=False)
            self._put(_RULE)
            self._block(apart=False)
        elif name == "img" and self._links:
            self._put(tag.attributes.get("alt", "").strip())
        elif name == "a" and self._links:
            self._end_link()
            self._link = (tag.attributes.get("href", "").strip(), len(self._line))
        elif name == "blockquote":
            self._block(apart=True)
            self._quotes = min(self._quotes + 1, _MAX_QUOTES)
        elif name in ("td", "th"):
            self._put(" " if not self._is_spaced else "")
        elif name in _BLOCKS:
            self._block(apart=name in _APART and not self._lists)
            self._begin_block(tag)

    def end(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name == "blockquote":
            self._block(apart=False)
            while self._quotes and self._lines and self._lines[-1] == ">" * self._quotes:
                self._lines.pop()  # what set its last paragraph apart
            self._quotes = max(0, self._quotes - 1)
            self._block(apart=True)
        elif name in _BLOCKS:
            if name in ("ol", "ul") and self._lists:
                self._lists.pop()
            self._block(apart=name in _APART and not self._lists)
            self._pre -= name == "pre" and self._pre > 0

    def finish(self) -> str:
        self._end_link()
        self._block(apart=False)
        return "\n".join(self._lines).strip("\n")

    def _begin_block(self, tag: Tag) -> None:
        if tag.name == "pre":
            self._pre += 1
        elif tag.name in ("ol", "ul"):
            if len(self._lists) < _MAX_QUOTES:
                self._lists.append(int(tag.name == "ol"))
        elif tag.name == "li":
            depth = max(0, len(self._lists) - 1)
            number = self._lists[-1] if self._lists else 0
            self._put("  " * depth + (f"{number}. " if number else "* "))
            if number:
                self._lists[-1] += 1

    def _end_link(self) -> None:
        if self._link is None:
            return
        url, place = self._link
        self._link = None
        shown = "".join(self._line[place:]).strip()
        is_shown = shown.rstrip("/") in (url.rstrip("/"), url.partition(":")[2].strip("/"))
        if url.lower().startswith(("http://", "https://", "mailto:")) and shown and not is_shown:
            self._put(f" <{url}>")

    def _put(self, text: str) -> None:
        if text:
            self._line.append(text)
            self._is_spaced = text.endswith(" ")

    def _end_line(self) -> None:
        line = "".join(self._line).rstrip()
        self._lines.append(">" * self._quotes + " " * bool(self._quotes and line) + line)
        self._line.clear()
        self._is_spaced = True
        if self._link is not None:
            self._link = (self._link[0], 0)

    def _block(self, *, apart: bool) -> None:
        """A block begins or ends: what follows is in a line of its own, or in a paragraph."""
        if "".join(self._line).strip():
            self._end_line()
        else:
            self._line.clear()
            self._is_spaced = True
        if apart and self._lines and self._lines[-1].strip("> "):
            self._lines.append(">" * self._quotes)
