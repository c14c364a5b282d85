"""Text out of octets: what a message declares, then UTF-8, then the best guess.

Standards: RFC 2046 §4.1.2 (charset), RFC 2978 (names; many senders use others).
Owns: nothing.
Never: hand a name to the codec registry that isn't known here: it remembers each unknown one for
    ever, and some of its codecs are no charsets.
Failure: none; what can't be decoded becomes U+FFFD.
"""

from __future__ import annotations

import re

__all__ = ["codec", "decode", "text"]

_NAME = re.compile(
    r"utf-?(?:7|8|16|32)(?:-?[bl]e)?|iso-?8859-?\d{1,2}|latin\d|(?:windows-?|cp|ibm)\d{3,4}"
    r"|koi8-[rtu]|gb(?:2312|k|18030)|hz-gb-2312|hz|big5(?:-hkscs)?|euc-(?:jp|kr)"
    r"|iso-2022-(?:jp|kr)(?:-\d)?|shift-jis|tis-620|johab|mac-(?:roman|cyrillic|greek)|ascii"
)
# What senders call by the smaller name is usually the larger set; the rest are other spellings.
_ALIASES = {
    "8859-1": "cp1252",
    "ansi-x3.4-1968": "ascii",
    "big5-eten": "big5",
    "cp-850": "cp850",
    "euc": "euc-jp",
    "gb-2312-80": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "iso-8859-11": "cp874",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "iso8859-1": "cp1252",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "ks-c-5601-1987": "cp949",
    "ksc5601": "cp949",
    "euc-kr": "cp949",
    "latin1": "cp1252",
    "macintosh": "mac-roman",
    "ms949": "cp949",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "tis-620": "cp874",
    "unicode-1-1-utf-7": "utf-7",
    "us-ascii": "ascii",
    "utf8mb4": "utf-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "x-euc-jp": "euc-jp",
    "x-gbk": "gb18030",
    "x-mac-roman": "mac-roman",
    "x-sjis": "cp932",
}
_SHIFT_TO_JIS = b"\x1b$B"  # RFC 1468: seven bits, so UTF-8 would take it
_SAMPLE = 4096  # octets that a guess is made from
# What such a text may be in; charsets of Latin letters are not among them.
_GUESSES = [
    "cp1251",
    "koi8_r",
    "cp932",
    "euc_jp",
    "gb18030",
    "big5",
    "cp949",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
    "iso8859_5",
    "cp866",
]
_HIGH = bytes(range(0x80, 0x100))
_MANY = 0.25  # share of octets beyond ASCII that no language in Latin letters reaches
_ENOUGH = 16  # octets beyond ASCII without which nothing can be told


def codec(name: str) -> str:
    """Python's name of a declared charset, or "" for one that is not known."""
    name = name.strip().strip("\"'").lower().replace("_", "-")[:40]
    name = _ALIASES.get(name, name)
    return name if _NAME.fullmatch(name) else ""


def decode(octets: bytes, name: str, errors: str = "replace") -> str:
    """Decode in a codec that `codec` named; the result has no lone surrogates.

    Raises:
        LookupError: No codec has this name, for all its right shape.
        UnicodeError: The octets are none of it, and `errors` is "strict".
    """
    decoded = octets.decode(name, errors)
    if name.replace("-", "") != "utf7":
        return decoded
    # It alone can write them, and nothing can be done with them.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def text(octets: bytes, declared: str = "") -> str:
    """Read a text of any size.

    A declaration is believed as long as the octets allow it: ASCII with octets beyond it, and UTF-8
    that isn't any, are read as if nothing had been declared. A character cut off at the end is
    no objection.

    Args:
        octets: The text, transfer encoding undone.
        declared: The charset that the message names.
    """
    name = codec(declared)
    if name and name != "ascii":
        try:
            decoded = decode(octets, name, "strict")
        except (LookupError, UnicodeError) as error:
            believed = name != "utf-8" or _is_cut_off(error)
            decoded = _forgiving(octets, name) if believed else ""
        if decoded or not octets:
            return decoded.removeprefix("\ufeff")
    if _SHIFT_TO_JIS in octets:
        return _forgiving(octets, "iso-2022-jp")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if _is_cut_off(error):
            return octets.decode("utf-8-sig", "replace")
    return _forgiving(octets, _guess(octets) or "cp1252")


def _is_cut_off(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) and error.reason == "unexpected end of data"


def _forgiving(octets: bytes, name: str) -> str:
    try:
        return decode(octets, name)
    except (LookupError, UnicodeError):  # a name of the right shape that no codec has
        return ""


def _guess(octets: bytes) -> str:
    """The charset of a text that is mostly beyond ASCII; "" for one in Latin letters.

    Statistics on a few umlauts are worse than windows-1252, which is right nearly always.
    """
    sample = octets[:_SAMPLE]
    high = len(sample) - len(sample.translate(None, _HIGH))
    if high < max(_ENOUGH, _MANY * len(sample)):
        return ""
    import charset_normalizer  # a MiB of each process, for mail that names no charset

    best = charset_normalizer.from_bytes(sample, cp_isolation=_GUESSES).best()
    return codec(best.encoding) if best is not None else ""
