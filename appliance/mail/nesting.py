"""HTML written so that every parser reads the same: well nested, and not too deep.

What is written here needs no repair, so a parser behind it neither moves nor repeats elements. The
repairs that the standard asks for can make 58 MB of 28 KB, and take seconds for 200 KB of mail.

Standards: the HTML standard, §13.2.6 (tree construction): what start tags close, and tables.
Owns: one document while it is written.
Never: judge tags and attributes; the caller names those that may be written.
Failure: none; what fits nowhere is left out, its text stays.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable

from appliance.mail.markup import names

__all__ = ["VOID", "Nesting"]

VOID = frozenset(("br", "col", "hr", "img", "wbr"))

_MAX_DEPTH = 200
_MAX_FORMATTING = 32
# The parser behind needs the square of the time for a long text full of "&". A comment, which it
# removes, makes two of one.
_MAX_RUN = 4096
_BREAK = "<!---->"
_FORMATTING = names("a b big code em font i s small strike strong tt u")
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_CLOSES_P = _HEADINGS | names(
    "address article aside blockquote center dd div dl dt figcaption figure footer header hr li"
    " main nav ol p pre section table ul"
)
_CELLS = frozenset(("caption", "td", "th"))
_SECTIONS = frozenset(("tbody", "tfoot", "thead"))
# Where only the structure of a table may stand.
_STRUCTURE = _SECTIONS | {"colgroup", "table", "tr"}
# An end tag, and what a start tag closes, does not reach beyond these.
_TABLE = frozenset(("table",))
_BOUNDS = _CELLS | _TABLE
# Table tags, with what has to be innermost for them.
_TABLE_TAGS = {
    "caption": frozenset(("table",)),
    "col": frozenset(("colgroup", "table")),
    "colgroup": frozenset(("table",)),
    **dict.fromkeys(_SECTIONS, frozenset(("table",))),
    "td": _SECTIONS | {"table", "tr"},
    "th": _SECTIONS | {"table", "tr"},
    "tr": _SECTIONS | {"table"},
}
_ITEMS = {
    "li": (frozenset(("li",)), frozenset(("ol", "ul"))),
    "dd": (frozenset(("dd", "dt")), frozenset(("dl",))),
    "dt": (frozenset(("dd", "dt")), frozenset(("dl",))),
}


class Nesting:
    """Takes tags and texts in any order, and writes them well nested."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._open: list[tuple[str, str]] = []  # names, and what they are written as
        self._count: Counter[str] = Counter()  # how many of each name are open
        self._formatting = 0
        self._left_out: Counter[str] = Counter()
        self._run = 0  # characters of text since the last tag

    def text(self, text: str) -> None:
        """Write text."""
        if text.strip() and not self._open_cell():
            return
        for place in range(0, len(text), _MAX_RUN):
            piece = text[place : place + _MAX_RUN].replace("\0", "")
            self._run += len(piece)
            if self._run > _MAX_RUN:
                self._written.append(_BREAK)
                self._run = len(piece)
            self._written.append(html.escape(piece, quote=False))

    def start(
        self, name: str, attributes: Iterable[tuple[str, str]] = (), *, written_as: str = ""
    ) -> None:
        """Write a start tag, and before it the end tags of what it closes.

        Args:
            name: The element. A void one is written and done with.
            attributes: Names and values, in their order.
            written_as: Another element to write in its place.
        """
        if name in _TABLE_TAGS:
            if not self._make_room(name):
                return
        elif not self._may_begin(name):
            self._left_out[name] += name not in VOID
            return
        self._run = 0
        values = "".join(f' {key}="{html.escape(value)}"' for key, value in attributes)
        self._written.append(f"<{written_as or name}{values}>")
        if name not in VOID:
            self._open.append((name, written_as or name))
            self._count[name] += 1
            self._formatting += name in _FORMATTING

    def end(self, name: str) -> None:
        """Write an end tag, with those of what is still open inside; one too many is left out."""
        if self._left_out[name]:
            self._left_out[name] -= 1
            return
        bounds = _TABLE if name in _TABLE_TAGS or name == "table" else _BOUNDS
        place = self._find(frozenset((name,)), bounds - {name})
        if place >= 0:
            self._close(place)

    def finish(self) -> str:
        """Close what is open, and return all that was written."""
        self._close(0)
        return "".join(self._written)

    def _make_room(self, name: str) -> bool:
        """Close up to where this table tag may stand."""
        table = self._find(_TABLE, frozenset())
        if table < 0 or len(self._open) >= _MAX_DEPTH:
            return False
        parents = _TABLE_TAGS[name]
        place = len(self._open) - 1
        while self._open[place][0] not in parents and place > table:
            place -= 1
        self._close(place + 1)
        return True

    def _open_cell(self) -> bool:
        """Between the cells of a table there is only its structure: what stands there gets a cell.

        A parser would move it before the table.
        """
        if self._open and self._open[-1][0] in _STRUCTURE:
            self.start("td")
            return self._open[-1][0] == "td"
        return True

    def _may_begin(self, name: str) -> bool:
        if not self._open_cell():
            return False
        if name in _FORMATTING and self._formatting >= _MAX_FORMATTING:
            return False
        if name in _CLOSES_P:
            self._close_nearest(frozenset(("p",)), _BOUNDS)
        if name in _ITEMS:
            items, lists = _ITEMS[name]
            self._close_nearest(items, lists | _BOUNDS)
        elif name in _HEADINGS and self._open and self._open[-1][0] in _HEADINGS:
            self._close(len(self._open) - 1)
        elif name == "a":
            self._close_nearest(frozenset(("a",)), _BOUNDS)
        return name in VOID or len(self._open) < _MAX_DEPTH

    def _close_nearest(self, wanted: frozenset[str], bounds: frozenset[str]) -> None:
        place = self._find(wanted, bounds)
        if place >= 0:
            self._close(place)

    def _find(self, wanted: frozenset[str], bounds: frozenset[str]) -> int:
        """Where the innermost of these is open, unless a bound is further in; else -1."""
        if not any(self._count[name] for name in wanted):
            return -1
        for place in range(len(self._open) - 1, -1, -1):
            name = self._open[place][0]
            if name in wanted:
                return place
            if name in bounds:
                return -1
        return -1

    def _close(self, place: int) -> None:
        """Close the elements from this place in, the innermost first."""
        self._run = 0
        for name, written in reversed(self._open[place:]):
            self._written.append(f"</{written}>")
            self._count[name] -= 1
            self._formatting -= name in _FORMATTING
        del self._open[place:]
