"""Which elements, attributes, styles and addresses of HTML mail are shown.

Standards: RFC 2392 (cid), RFC 2397 (data), RFC 6068 (mailto).
Owns: nothing.
Never: let an address through that runs something, or loads something on its own but images.
Failure: none; what isn't known here is left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from appliance.mail.markup import names

__all__ = ["ATTRIBUTES", "PROPERTIES", "TAGS", "attribute", "data_image", "link", "style", "web"]

TAGS = names(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col"
    " colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i"
    " img ins kbd li main mark nav ol p pre q s samp section small span strike strong sub sup table"
    " tbody td tfoot th thead tr tt u ul var wbr"
)
_EVERYWHERE = frozenset(("align", "bgcolor", "dir", "height", "lang", "title", "valign", "width"))
_CELL = frozenset(("colspan", "nowrap", "rowspan"))
# By tag, beside those that are allowed everywhere; href, src and style are looked at apart.
ATTRIBUTES = {
    "br": frozenset(("clear",)),
    "col": frozenset(("span",)),
    "colgroup": frozenset(("span",)),
    "font": frozenset(("color", "face", "size")),
    "hr": frozenset(("color", "noshade", "size")),
    "img": frozenset(("alt", "border", "hspace", "vspace")),
    "li": frozenset(("type", "value")),
    "ol": frozenset(("start", "type")),
    "table": frozenset(("border", "bordercolor", "cellpadding", "cellspacing")),
    "td": _CELL,
    "th": _CELL,
    "ul": frozenset(("type",)),
}
ATTRIBUTES = {tag: ATTRIBUTES.get(tag, frozenset()) | _EVERYWHERE for tag in TAGS}

# No position, z-index, transform or opacity: mail stays in its place. Nothing that loads, either.
PROPERTIES = names(
    "background-color border border-bottom border-bottom-color border-bottom-left-radius"
    " border-bottom-right-radius border-bottom-style border-bottom-width border-collapse"
    " border-color border-left border-left-color border-left-style border-left-width border-radius"
    " border-right border-right-color border-right-style border-right-width border-spacing"
    " border-style border-top border-top-color border-top-left-radius border-top-right-radius"
    " border-top-style border-top-width border-width box-sizing caption-side clear color direction"
    " display empty-cells float font font-family font-size font-style font-variant font-weight"
    " height letter-spacing line-height list-style-type margin margin-bottom margin-left"
    " margin-right margin-top max-height max-width min-height min-width overflow-wrap padding"
    " padding-bottom padding-left padding-right padding-top table-layout text-align text-decoration"
    " text-indent text-transform unicode-bidi vertical-align visibility white-space width"
    " word-break word-spacing word-wrap"
)
_PROPERTY = re.compile(r"\s*([a-zA-Z\-]{1,40})\s*:\s*(.{1,300}?)\s*", re.DOTALL)
_STYLE_VALUE = re.compile(r"[\w\s#%.,'\"+\-/()!]+")
_FUNCTION = re.compile(r"([\w\-]*)\s*\(")
_FUNCTIONS = frozenset(("calc", "hsl", "hsla", "max", "min", "rgb", "rgba"))
# The last: a number with the unit "e" is written with an escape by those who read it after us.
_NEVER = re.compile(
    r"\b(?:behaviou?r|binding|expression|import|javascript|url)\b"
    r"|(?<![#\w.])[\d.]+e(?![a-z])",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(r"-\s*[\d.]")
_BACKGROUND = re.compile(
    r"(#[0-9a-f]{3,8}|(?:rgb|hsl)a?\([\d\s.,%/]{1,40}\)|[a-z]{3,30})(?![\w(])", re.IGNORECASE
)
_MAX_STYLE = 4096  # characters

_COLOUR = re.compile(r"#?[0-9A-Za-z]{1,30}")
_LENGTH = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)(?:px)?(%?)")
_FREE_TEXT = frozenset(("alt", "title"))
_MAX_TEXT = 1000
_VALUES = {
    **dict.fromkeys(("bgcolor", "bordercolor", "color"), _COLOUR),
    **dict.fromkeys(("align", "clear", "dir", "valign"), re.compile(r"[A-Za-z]{1,10}")),
    **dict.fromkeys(
        ("border", "cellpadding", "cellspacing", "hspace", "start", "value", "vspace"),
        re.compile(r"\d{1,5}"),
    ),
    **dict.fromkeys(("colspan", "rowspan", "span"), re.compile(r"\d{1,3}")),
    **dict.fromkeys(("noshade", "nowrap"), re.compile(r"(?:noshade|nowrap)?", re.IGNORECASE)),
    "face": re.compile(r"[\w\s,'\"\-]{1,200}"),
    "lang": re.compile(r"[A-Za-z0-9\-]{1,35}"),
    "size": re.compile(r"[+\-]?\d{1,3}"),
    "type": re.compile(r"[1AaIi]|disc|circle|square", re.IGNORECASE),
}

_IGNORED_IN_URLS = re.compile(r"[\x00-\x1f\x7f]")
_LINK = re.compile(r"(?:https?://[^/\s\\]|mailto:[^\s]).*", re.IGNORECASE | re.DOTALL)
_WEB = re.compile(r"https?://[^/\s\\].*", re.IGNORECASE | re.DOTALL)
_DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=]+", re.IGNORECASE)
_UNSAFE_IN_URLS = str.maketrans({" ": "%20", '"': "%22", "<": "%3C", ">": "%3E", "`": "%60"})
_MAX_URL = 8192  # characters


def attribute(tag: str, name: str, value: str) -> str | None:
    """The value of an attribute as it may be written, or None where it may not."""
    if name not in ATTRIBUTES[tag]:
        return None
    if name in _FREE_TEXT:  # without what would be markup, were it read out of its place
        return value[:_MAX_TEXT].replace("<", "").replace(">", "")
    if name in ("width", "height"):
        length = _LENGTH.fullmatch(value.strip())
        return length[1] + length[2] if length else None
    pattern = _VALUES[name]
    value = value.strip()
    return value if pattern.fullmatch(value) else None


@lru_cache(maxsize=2048)
def style(text: str) -> str:
    """The declarations of a style attribute that are harmless."""
    kept: list[str] = []
    for declaration in text[:_MAX_STYLE].split(";"):
        found = _PROPERTY.fullmatch(declaration)
        if found is None:
            continue
        name, value = found[1].lower(), found[2]
        if name == "background":
            colour = _BACKGROUND.match(value)
            name, value = "background-color", colour[1] if colour else ""
        if name in PROPERTIES and _is_harmless(name, value):
            kept.append(f"{name}:{value}")
    return ";".join(kept)


def link(url: str) -> str | None:
    """The address of a link, if it is one of the web or of mail."""
    return _address(url, _LINK)


def web(url: str) -> str | None:
    """The address of an image on the web; one without a scheme is taken for https."""
    url = _IGNORED_IN_URLS.sub("", url).strip()
    return _address(f"https:{url}" if url.startswith("//") else url, _WEB)


def data_image(url: str) -> str | None:
    """An image that is its own address, of a kind that can hold nothing but an image."""
    url = re.sub(r"\s+", "", url)
    return url if _DATA_IMAGE.fullmatch(url) else None


def _address(url: str, pattern: re.Pattern[str]) -> str | None:
    url = _IGNORED_IN_URLS.sub("", url).strip()
    if len(url) > _MAX_URL or not pattern.fullmatch(url):
        return None
    return url.translate(_UNSAFE_IN_URLS)


def _is_harmless(name: str, value: str) -> bool:
    if not _STYLE_VALUE.fullmatch(value) or _NEVER.search(value):
        return False
    if value.count('"') % 2 or value.count("'") % 2 or value.count("(") != value.count(")"):
        return False
    if any(function.lower() not in _FUNCTIONS for function in _FUNCTION.findall(value)):
        return False
    moves = name.startswith(("margin", "text-indent", "letter-spacing", "word-spacing"))
    return not (moves and _NEGATIVE.search(value))
