"""Parameters of Content- fields, and file names that do no harm.

Standards: RFC 2045 §5.1 (syntax), RFC 2231 §3, §4 (continuations, charsets), RFC 2183 §2.3 (file
    names); encoded-words in parameters, which RFC 2047 §5 forbids and everybody sends.
Owns: nothing.
Never: raise on what strangers wrote; hand on a path.
Failure: none; HeaderError's subject is headers.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from appliance.mail import charset, words

__all__ = ["MAX_NAME", "READABLE", "file_name", "parse", "suffix", "written"]

MAX_NAME = 150  # characters of a file name; even in UTF-8 a file system takes it
_MAX_PARAMETERS = 500
_PARAMETER = re.compile(
    r"""[;\s]*+([^\s=;"]{1,80}+)\s*+=\s*+(?:"((?:[^"\\]|\\.)*+)"?|([^;"]*+))[^;]*+""", re.DOTALL
)
_NEXT = re.compile(r"[^;]*+;[;\s]*+")
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")
_WIDTH = 60  # characters of one segment of a parameter that is written
_SPACES = re.compile(r"\s+")

# What is shown as text, and so needs no name.
READABLE = frozenset(
    (
        "text/plain",
        "text/html",
        "text/enriched",
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
    )
)
_SUFFIXES = {
    "application/gzip": ".gz",
    "application/json": ".json",
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/pgp-encrypted": ".asc",
    "application/pgp-keys": ".asc",
    "application/pgp-signature": ".asc",
    "application/pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/rtf": ".rtf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/x-pkcs7-mime": ".p7m",
    "application/x-pkcs7-signature": ".p7s",
    "application/xml": ".xml",
    "application/zip": ".zip",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "image/avif": ".avif",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "message/global": ".eml",
    "message/news": ".eml",
    "message/rfc822": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/css": ".css",
    "text/enriched": ".txt",
    "text/html": ".html",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/rtf": ".rtf",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
    "video/mp4": ".mp4",
    "video/mpeg": ".mpg",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
}


def parse(text: str) -> dict[str, str]:
    """Read `; name=value` pairs: names in lower case, values decoded.

    Of a parameter given several times the first counts; one in RFC 2231's form before any other.
    """
    plain: dict[str, str] = {}
    segments: dict[str, dict[int, tuple[bool, str]]] = {}
    position = 0
    for _ in range(_MAX_PARAMETERS):
        found = _PARAMETER.match(text, position)
        if found is None:
            skipped = _NEXT.match(text, position)
            if skipped is None:
                break
            position = skipped.end()
            continue
        position = found.end()
        name, quoted, bare = found[1].lower(), found[2], found[3]
        value = _unescape(quoted) if quoted is not None else (bare or "").strip()
        segment = _SEGMENT.fullmatch(name)
        if segment is None or not (segment[2] or segment[3]):
            plain.setdefault(name, words.decode(value))
        else:
            place = int(segment[2] or 0)
            segments.setdefault(segment[1], {}).setdefault(place, (bool(segment[3]), value))
    return plain | {name: _joined(parts) for name, parts in segments.items()}


def written(name: str, value: str) -> str:
    """One parameter in ASCII, `; name=value`, quoted, encoded or continued as its value needs.

    Each piece of a long value is separated by a space, so that the field can be folded there.
    """
    if value.isascii() and value.isprintable() and len(value) <= _WIDTH and "=?" not in value:
        if _TOKEN.fullmatch(value):
            return f"; {name}={value}"
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'; {name}="{escaped}"'
    encoded = quote(value.encode("utf-8", "replace"), safe="!#$&+-.^_`{|}~")
    if len(encoded) <= _WIDTH:
        return f"; {name}*=utf-8''{encoded}"
    pieces: list[str] = []
    rest = "utf-8''" + encoded
    while rest:
        cut = _WIDTH
        if "%" in rest[cut - 2 : cut]:  # RFC 2231 §4.1: never inside an octet
            cut = rest.rindex("%", 0, cut)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return "".join(f"; {name}*{place}*={piece}" for place, piece in enumerate(pieces))


def file_name(declared: str) -> str:
    """What a file may be called here: no path, no control or invisible characters; may be empty."""
    last = re.split(r"[/\\]", declared[-4096:].rstrip("/\\ "))[-1]
    shown = "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") else " "
        for c in last
    )
    name = _SPACES.sub(" ", shown).strip(" .")
    if len(name) > MAX_NAME:
        stem, dot, ending = name.rpartition(".")
        if not dot or len(ending) > 20:
            return name[:MAX_NAME].strip(" .")
        name = stem[: MAX_NAME - len(ending) - 1].strip(" .") + dot + ending
    return name


def suffix(type: str) -> str:
    """The usual end of a file name for a media type."""
    return _SUFFIXES.get(type, ".txt" if type.startswith("text/") else ".bin")


def _unescape(quoted: str) -> str:
    # Only what has to be escaped: C:\new.txt, written by Windows, is no escaped n.
    return re.sub(r'\\(["\\])', r"\1", quoted)


def _joined(parts: dict[int, tuple[bool, str]]) -> str:
    """Put the segments of RFC 2231 §3 together; a gap ends the value."""
    name = ""
    octets = b""
    for place in range(len(parts)):
        if place not in parts:
            break
        is_encoded, value = parts[place]
        if not is_encoded:
            octets += words.decode(value).encode(charset.codec(name) or "utf-8", "replace")
            continue
        if place == 0 and value.count("'") >= 2:
            name, _, value = value.split("'", 2)
        octets += unquote_to_bytes(value.encode("utf-8", "replace"))
    return charset.text(octets, name)
