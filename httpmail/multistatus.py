"""Writes multistatus answers in the one form that the strictest mail clients read.

All namespaces are declared on the root and nowhere else, with the prefixes D, hm, m and h; elements
have no attributes; everything is ASCII, other characters are references; no blank stands inside a
value. Only properties that no mail client asks for bring a declaration of their own.

An answer gathers in memory while it is small, then in a temporary file, so that its length is known
before it is sent, however many messages a folder has.

Standards: RFC 4918 §13. Owns: the temporary file, until the answer is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO
from xml.etree.ElementTree import Element, tostring

from httpmail.vocabulary import PREFIXES, split_name

CONTENT_TYPE = "text/xml"  # exactly: one client compares the whole value
_IN_MEMORY = 1 << 20
_CHUNK = 64 << 10
_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n<D:multistatus '
    + " ".join(f'xmlns:{prefix}="{name}"' for name, prefix in PREFIXES.items())
    + ">\r\n"
).encode()
_TAIL = b"</D:multistatus>\r\n"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 §2.2
_PLAIN = re.compile("[ -%'-;=?-~]*")
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})

Value = str | Element | None  # text; an element that is the property; present without a value
Properties = Iterable[tuple[str, Value]]


class MultiStatus:
    """An answer that is being written."""

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`
        self._file.write(_HEAD)
        self._tags: dict[str, tuple[str, str]] = {}

    def properties(
        self, href: str, found: Properties, missing: Iterable[tuple[int, str]] = ()
    ) -> None:
        """Write what is known of a resource.

        Args:
            href: the resource's address.
            found: properties with their values; None for one that is only named.
            missing: properties with the status that says why they are not there.
        """
        parts = [f"<D:response><D:href>{escape(href)}</D:href>"]
        by_status: dict[int, list[str]] = {}
        for name, value in found:
            by_status.setdefault(200, []).append(self._property(name, value))
        for status, name in missing:
            by_status.setdefault(status, []).append(self._property(name, None))
        if not by_status:
            by_status[200] = []
        for status, written in by_status.items():
            parts.append("<D:propstat><D:prop>\r\n")
            parts.extend(each + "\r\n" for each in written)
            parts.append(f"</D:prop><D:status>{_status(status)}</D:status></D:propstat>")
        parts.append("</D:response>\r\n")
        self._write("".join(parts))

    def status(self, href: str, status: int, location: str = "") -> None:
        """Write what became of one item of a batch.

        Args:
            href: its address.
            status: what came of it.
            location: its new address, if it has one.
        """
        new = f"<D:location><D:href>{escape(location)}</D:href></D:location>" if location else ""
        self._write(
            f"<D:response><D:href>{escape(href)}</D:href>"
            f"<D:status>{_status(status)}</D:status>{new}</D:response>\r\n"
        )

    def finish(self) -> int:
        """Write the end; returns how many octets the answer has."""
        self._file.write(_TAIL)
        size = self._file.tell()
        self._file.seek(0)
        return size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the answer's octets."""
        while chunk := self._file.read(_CHUNK):
            yield chunk

    def close(self) -> None:
        """Throw the temporary file away."""
        self._file.close()

    def _write(self, text: str) -> None:
        self._file.write(text.encode("ascii", "xmlcharrefreplace"))

    def _property(self, name: str, value: Value) -> str:
        if isinstance(value, Element):
            return _element(value)
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = _tag(name)
        if value is None:
            return f"<{tag[0]}{tag[1]}/>"
        return f"<{tag[0]}{tag[1]}>{escape(value)}</{tag[0]}>"


def escape(text: str) -> str:
    """Make a text fit XML; what no document may hold is left out."""
    if _PLAIN.fullmatch(text):
        return text
    return _NO_XML.sub("", text).translate(_ESCAPED)


def error_body(condition: str, hrefs: Iterable[str] = ()) -> bytes:
    """Write the body of an error that names a condition (RFC 4918 §16)."""
    inside = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\r\n'
        f'<D:error xmlns:D="DAV:"><D:{condition}>{inside}</D:{condition}></D:error>\r\n'
    )
    return text.encode("ascii", "xmlcharrefreplace")


def is_known(name: str) -> bool:
    """Whether a property's name can be written without a declaration of its own."""
    return split_name(name)[0] in PREFIXES


def _tag(name: str) -> tuple[str, str]:
    """Return what an element is called, and the declaration it needs."""
    namespace, local = split_name(name)
    if not namespace:
        return local, ""
    prefix = PREFIXES.get(namespace)
    if prefix is not None:
        return f"{prefix}:{local}", ""
    quoted = escape(namespace).replace('"', "&quot;")
    return f"x:{local}", f' xmlns:x="{quoted}"'


def _element(element: Element) -> str:
    """Write an element that a client has given, or WsgiDAV has made."""
    if any(each.attrib or not is_known(each.tag) for each in element.iter()):
        octets: bytes = tostring(element, encoding="us-ascii", xml_declaration=False)
        return octets.decode("ascii")
    inside = escape(element.text or "") + "".join(
        _element(child) + escape(child.tail or "") for child in element
    )
    namespace, local = split_name(element.tag)
    tag = f"{PREFIXES[namespace]}:{local}"
    return f"<{tag}>{inside}</{tag}>" if inside else f"<{tag}/>"


def _status(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
