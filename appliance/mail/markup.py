"""HTML as a row of tags and texts, cut as browsers cut it, in linear time.

Standards: the HTML standard, §13.2.5 (tokenization), for what mail contains.
Owns: nothing.
Never: build a tree; judge a tag or a value.
Failure: none; what never ends is left out, as in browsers.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Tag", "names", "tokens"]

_SPACE = "\t\n\f\r "
_NAME = re.compile(rf"[A-Za-z][^{_SPACE}/>]*+")
# A name may begin with "=", quotes only count after one, and a value may have no end.
_ATTRIBUTE = re.compile(
    rf"[{_SPACE}/]*+([^{_SPACE}/>][^{_SPACE}/>=]*+)"
    rf"(?:[{_SPACE}]*+=[{_SPACE}]*+(?:\"([^\"]*+)(?:\"|\Z)|'([^']*+)(?:'|\Z)|([^{_SPACE}>]*+)))?"
)
_TAG_END = re.compile(rf"[{_SPACE}/]*+>")
_COMMENT_END = re.compile(r"--!?>")
# Elements whose content is no markup, and is never shown.
_RAW = {
    name: re.compile(rf"</{name}(?=[{_SPACE}/>])", re.IGNORECASE)
    for name in (
        "iframe",
        "noembed",
        "noframes",
        "script",
        "style",
        "textarea",
        "title",
        "xmp",
    )
}
_MAX_NAME = 40
_MAX_ATTRIBUTES = 100
# In a value "&copy=1" is part of a query, not a sign (§13.2.5.73).
_REFERENCE = re.compile(
    r"&(?:#[0-9]{1,9}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31}(?![=\w]));?"
)


@dataclass(frozen=True, slots=True)
class Tag:
    """A start tag or an end tag.

    Attributes:
        name: In lower case.
        attributes: By name in lower case, references resolved; of several the first counts.
        closes: It is an end tag.
    """

    name: str
    attributes: dict[str, str]
    closes: bool = False


def names(*lists: str) -> frozenset[str]:
    """The names in texts that have spaces between them."""
    return frozenset(name for text in lists for name in text.split())


def tokens(source: str) -> Iterator[Tag | str]:
    """Cut HTML into tags and texts, references in both resolved.

    Comments, declarations and what is inside of script, style, title and the like are left out.
    """
    position = 0
    while position < len(source):
        sign = source.find("<", position)
        if sign < 0:
            sign = len(source)
        if sign > position:
            yield html.unescape(source[position:sign])
        if sign == len(source):
            return
        following = source[sign + 1 : sign + 2]
        closes = following == "/"
        name = _NAME.match(source, sign + 1 + closes)
        if name is not None:
            tag, position = _tag(source, name, closes=closes)
            if tag is None:
                return
            yield tag
            raw = None if closes else _RAW.get(tag.name)
            if raw is not None:
                end = raw.search(source, position)
                position = end.start() if end else len(source)
        elif source.startswith("<!--", sign):
            end = _COMMENT_END.search(source, sign + 2)
            position = end.end() if end else len(source)
        elif following in ("!", "?", "/") and following:
            end_at = source.find(">", sign)
            position = end_at + 1 if end_at >= 0 else len(source)
        else:
            yield "<"
            position = sign + 1


def _tag(source: str, name: re.Match[str], *, closes: bool) -> tuple[Tag | None, int]:
    attributes: dict[str, str] = {}
    position = name.end()
    while (found := _ATTRIBUTE.match(source, position)) is not None:
        position = found.end()
        label = found[1].lower()
        if len(attributes) < _MAX_ATTRIBUTES and label not in attributes:
            attributes[label] = _value(found[2] or found[3] or found[4] or "")
    end = _TAG_END.match(source, position)
    if end is None:
        return None, len(source)
    return Tag(name[0].lower()[:_MAX_NAME], attributes, closes), end.end()


def _value(text: str) -> str:
    if "&" not in text:
        return text
    return _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
