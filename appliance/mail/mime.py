"""The tree of a message's parts, as places in its octets; nothing is copied to find them.

Standards: RFC 2045 (fields), RFC 2046 §5.1 (boundaries), §5.1.5 (digests), §5.2.1 (messages in
    messages); where senders deviate, what most readers make of it.
Owns: nothing.
Never: raise on what strangers wrote; take more than linear time; look into encoded bodies.
Failure: none: what is no sound MIME comes out as fewer, larger parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from appliance.mail import headers, parameters
from appliance.mail.part import Buffer, Part, find, walk
from appliance.mail.transfer import decode, decode_chunks, decoded_text
from appliance.mail.words import decode_bytes

__all__ = [
    "MAX_DEPTH",
    "MAX_PARTS",
    "Buffer",
    "Part",
    "decode",
    "decode_chunks",
    "decoded_text",
    "find",
    "parse",
    "walk",
]

MAX_DEPTH = 32  # multiparts and messages inside each other
MAX_PARTS = 1000
_MAX_BOUNDARY = 1000  # RFC 2046 §5.1.1 allows 70
_MAX_NEAR_MISSES = 100_000  # lines that begin like a boundary, and are none

# CR, LF and CRLF end a line, and so does the CR CR LF that some gateways make of one.
_EOL = rb"(?>\r{0,3}\n|\r)"
_EMPTY_LINE = re.compile(_EOL + _EOL)
_LINE_END = re.compile(_EOL)
_FIELD_END = re.compile(_EOL + rb"(?![ \t])")
_FIELD = re.compile(rb"[!-9;-~]{1,250}+[ \t]{0,20}+:")
_NO_FIELD = re.compile(_EOL + rb"(?![ \t\r\n]|\Z|[!-9;-~]{1,250}+[ \t]{0,20}+:)")
_FROM_LINE = re.compile(rb">?From [^\r\n]{0,500}+")  # the first line of a message in an mbox
_DELIMITER_END = re.compile(rb"(--)?[ \t]{0,200}+(?:" + _EOL + rb"|\Z)")
_FOLD = re.compile(r"[\r\n]+")
_NAME = r"""[^\s/;()<>@,\\:"=?\[\]]"""
_TYPE = re.compile(rf"\s*({_NAME}{{1,80}})\s*/\s*({_NAME}{{1,120}})")

_FIELDS = frozenset(
    (b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id")
)
_MESSAGES = frozenset(("message/rfc822", "message/global", "message/news"))
_IDENTITY = frozenset(("", "7bit", "8bit", "binary"))


def parse(octets: Buffer) -> Part:
    """Find the parts of a message; any octets are one.

    At most 1,000 parts are found, and 32 levels; what lies beyond belongs to the last ones.

    Args:
        octets: The message, or the beginning of one. A mapped file is read where it is.
    """
    return _frozen(_Scan(octets).run(), "", _Names(octets))


@dataclass(slots=True)
class _Entity:
    """A part that is being found."""

    header_start: int
    start: int
    end: int
    fields: dict[bytes, str]
    type: str
    parameters: dict[str, str]
    boundary: bytes = b""
    children: list[_Entity] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Delimiter:
    start: int
    end: int
    closes: bool
    exists: bool = True


class _Scan:
    """One pass over the octets, with the chain of entities that are open at a place."""

    def __init__(self, octets: Buffer) -> None:
        self._octets = octets
        self._size = len(octets)
        self._open: list[_Entity] = []
        self._boundaries: dict[bytes, list[int]] = {}  # to places in the chain, inner ones last
        self._ahead: dict[bytes, _Delimiter] = {}  # the next of each boundary
        self._count = 0
        self._near_misses = 0

    def run(self) -> _Entity:
        self._begin(0)
        root = self._open[0]
        position = self._open[-1].start
        while (found := self._next(position)) is not None:
            place, delimiter = found
            end = self._before(delimiter.start)
            for entity in self._open[place + 1 :]:
                self._close(entity)
                entity.end = max(entity.start, end)
            del self._open[place + 1 :]
            if delimiter.closes:
                self._close(self._open[place])
                position = delimiter.end
            elif self._count >= MAX_PARTS:
                break
            else:
                self._drop_empty(self._open[place])
                self._begin(delimiter.end)
                position = self._open[-1].start
        return root

    def _begin(self, position: int) -> None:
        """Open the entity whose header begins here, and the message that it may consist of."""
        while True:
            parent = self._open[-1] if self._open else None
            entity = self._read_header(position, parent)
            if parent is not None:
                parent.children.append(entity)
            self._open.append(entity)
            self._count += 1
            if len(self._open) > MAX_DEPTH:
                return
            if entity.boundary:
                places = self._boundaries.setdefault(entity.boundary, [])
                places.append(len(self._open) - 1)
                return
            is_message = entity.type in _MESSAGES and _encoding(entity.fields) in _IDENTITY
            if not is_message or self._count >= MAX_PARTS or entity.start >= self._size:
                return
            position = entity.start

    def _drop_empty(self, multipart: _Entity) -> None:
        """Two delimiters with nothing between them are one."""
        last = multipart.children[-1] if multipart.children else None
        if last is not None and not last.fields and not last.children and last.start >= last.end:
            multipart.children.pop()

    def _close(self, entity: _Entity) -> None:
        """No further delimiter belongs to this entity."""
        places = self._boundaries.get(entity.boundary)
        if places and self._open[places[-1]] is entity:
            places.pop()
            if not places:
                del self._boundaries[entity.boundary]
                self._ahead.pop(entity.boundary, None)

    def _next(self, position: int) -> tuple[int, _Delimiter] | None:
        """The first delimiter line from here on, with the place in the chain that it belongs to.

        What surrounds comes first, and limits where the inner ones are looked for: so each octet is
        searched once for each level that it is in.
        """
        best: tuple[int, _Delimiter] | None = None
        limit = self._size
        for boundary, places in self._boundaries.items():
            delimiter = self._ahead.get(boundary)
            if delimiter is None or delimiter.start < position:
                delimiter = self._search(boundary, position, limit)
                self._ahead[boundary] = delimiter
            if delimiter.exists and delimiter.start <= limit:
                if best is None or delimiter.start < limit or places[-1] > best[0]:
                    best = (places[-1], delimiter)
                limit = delimiter.start
        return best

    def _search(self, boundary: bytes, position: int, limit: int) -> _Delimiter:
        marker = b"--" + boundary
        until = min(limit + len(marker), self._size)
        while self._near_misses < _MAX_NEAR_MISSES:
            found = self._octets.find(marker, position, until)
            if found < 0:
                break
            if found == 0 or self._octets[found - 1] in b"\r\n":
                end = _DELIMITER_END.match(self._octets, found + len(marker))
                if end is not None:
                    return _Delimiter(found, end.end(), closes=end[1] is not None)
            self._near_misses += 1
            position = found + len(marker)
        return _Delimiter(limit, limit, closes=True, exists=False)

    def _before(self, delimiter: int) -> int:
        """Where what precedes a delimiter ends; the line end is its own (RFC 2046 §5.1.1)."""
        before = self._octets[max(0, delimiter - 2) : delimiter]
        if before == b"\r\n":
            return delimiter - 2
        return delimiter - 1 if before[-1:] in (b"\r", b"\n") else delimiter

    def _read_header(self, position: int, parent: _Entity | None) -> _Entity:
        following = self._next(position)
        limit = self._size if following is None else following[1].start
        end, start = self._section(position, limit)
        fields = _content_fields(self._octets[position : min(end, position + headers.MAX_SECTION)])
        default = "message/rfc822" if parent and parent.type == "multipart/digest" else "text/plain"
        type_, values = _content_type(fields.get(b"content-type", ""), default)
        boundary = b""
        if type_.startswith("multipart/"):
            boundary = values.get("boundary", "").encode("utf-8", "replace").rstrip()
        return _Entity(
            header_start=position,
            start=start,
            end=self._size,
            fields=fields,
            type=type_,
            parameters=values,
            boundary=boundary if len(boundary) <= _MAX_BOUNDARY else b"",
        )

    def _section(self, position: int, limit: int) -> tuple[int, int]:
        """Where the header section ends that begins here, and where the body begins."""
        at_once = _LINE_END.match(self._octets, position, limit)
        if at_once is not None:
            return position, at_once.end()
        if not self._begins_header(position, limit):
            return position, position
        empty_line = _EMPTY_LINE.search(self._octets, position, limit)
        if (
            empty_line is not None
            and self._octets[empty_line.end() : min(limit, empty_line.end() + 3)].strip()
        ):
            return empty_line.start(), empty_line.end()
        # Without an empty line, or without a body after it, the body begins with what is no field.
        no_field = _NO_FIELD.search(self._octets, position, limit)
        if no_field is not None:
            return no_field.start(), no_field.end()
        return (limit, limit) if empty_line is None else (empty_line.start(), empty_line.end())

    def _begins_header(self, position: int, limit: int) -> bool:
        if _FIELD.match(self._octets, position, limit):
            return True
        line_end = _LINE_END.search(
            self._octets, position, min(limit, position + headers.MAX_SECTION)
        )
        if line_end is None:
            return False
        is_from_line = _FROM_LINE.match(self._octets, position, limit) is not None
        second = _FIELD.match(self._octets, line_end.end(), limit) is not None
        return second or (is_from_line and position == 0)


def _content_fields(section: bytes) -> dict[bytes, str]:
    fields: dict[bytes, str] = {}
    for entry in _FIELD_END.split(section):
        label, _, value = entry.partition(b":")
        name = label.strip().lower()
        if name in _FIELDS and name not in fields:
            fields[name] = _FOLD.sub("", decode_bytes(value)).strip()
    return fields


def _content_type(value: str, default: str) -> tuple[str, dict[str, str]]:
    found = _TYPE.match(value)
    if found is None:  # RFC 2045 §5.2
        return default, parameters.parse(value)
    kind = f"{found[1]}/{found[2]}".lower()
    return kind, parameters.parse(value[found.end() :])


def _encoding(fields: dict[bytes, str]) -> str:
    words = fields.get(b"content-transfer-encoding", "").replace(";", " ").split(None, 1)
    return words[0].strip("\"'").lower()[:40] if words else ""


def _disposition(value: str) -> tuple[str, dict[str, str]]:
    kind, _, _ = value.partition(";")
    kind = kind.strip().strip("\"'").lower()
    if "=" in kind:  # the parameters without what they belong to
        return "", parameters.parse(value)
    if kind == "form-data":
        kind = ""
    elif kind not in ("", "inline"):  # RFC 2183 §2.8
        kind = "attachment"
    return kind, parameters.parse(value.partition(";")[2])


class _Names:
    """Names for parts whose senders gave them none."""

    def __init__(self, octets: Buffer) -> None:
        self._octets = octets
        self._given: dict[str, int] = {}

    def name(self, entity: _Entity, disposition: str, declared: str) -> str:
        """The part's file name, "" for what is a body or a multipart."""
        if declared:
            return declared
        main = entity.type.partition("/")[0]
        if main == "multipart" and entity.children:
            return ""
        if entity.type in parameters.READABLE and disposition != "attachment":
            return ""
        suffix = parameters.suffix(entity.type)
        if entity.type in _MESSAGES:
            subject = self._subject(entity)
            return parameters.file_name(f"{subject}{suffix}") if subject else f"message{suffix}"
        stem = main if main in ("audio", "image", "text", "video") else "attachment"
        self._given[stem] = self._given.get(stem, 0) + 1
        return f"{stem}-{self._given[stem]}{suffix}"

    def _subject(self, entity: _Entity) -> str:
        if not entity.children:
            return ""
        inner = entity.children[0]
        end = min(inner.start, inner.header_start + headers.MAX_SECTION)
        subject = headers.scan(self._octets[inner.header_start : end]).subject
        return parameters.file_name(subject.replace("/", "-").replace("\\", "-"))[:80].strip(" .")


def _frozen(entity: _Entity, number: str, names: _Names) -> Part:
    disposition, values = _disposition(entity.fields.get(b"content-disposition", ""))
    declared = values.get("filename") or entity.parameters.get("name", "")
    filename = names.name(entity, disposition, parameters.file_name(declared))
    prefix = f"{number}." if number else ""
    return Part(
        number=number,
        type=entity.type,
        parameters=tuple(entity.parameters.items()),
        charset=entity.parameters.get("charset", "").partition(" ")[0].lower()[:40],
        filename=filename,
        disposition=disposition,
        content_id=entity.fields.get(b"content-id", "").strip().strip("<>").strip()[:998],
        encoding=_encoding(entity.fields),
        header_start=entity.header_start,
        start=entity.start,
        end=entity.end,
        children=tuple(
            _frozen(child, f"{prefix}{place}", names)
            for place, child in enumerate(entity.children, 1)
        ),
    )
