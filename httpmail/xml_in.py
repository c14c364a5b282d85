"""Reads the XML of requests: strictly where it could do harm, tolerantly where old clients err.

Tolerated: namespaces in the wrong case (`Dav:`), prefixes of HTTPMail's own that are not declared,
properties directly below `propfind`. Refused: DTDs and entities, a depth or size beyond reason.

Standards: RFC 4918 §14, §8.2 (bodies that are not well-formed are refused with 400).
Never: resolves anything outside the text. Failure: `BadXml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from xml.etree.ElementTree import (
    Element,
    ParseError,
    TreeBuilder,
)

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from httpmail.vocabulary import CONTACTS, DAV, KNOWN_PREFIXES, PREFIXES, split_name

MAX_OCTETS = 4 << 20  # a BDELETE of some 40,000 messages
_MAX_DEPTH = 32
_MAX_ELEMENTS = 100_000
_UNBOUND_PREFIX = 27  # expat's XML_ERROR_UNBOUND_PREFIX
_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+<(?:[A-Za-z_][\w.-]*:)?[\w.-]+(?=[\s/>])",
    re.DOTALL,
)
_NAMESPACES = {name.casefold(): name for name in (*PREFIXES, CONTACTS)}


class BadXml(ValueError):
    """The body is not XML that can be read; the text says why."""


class Wanted(Enum):
    """What a PROPFIND asks for (RFC 4918 §9.1)."""

    ALL = "allprop"
    NAMES = "propname"
    NAMED = "prop"


@dataclass(frozen=True, slots=True)
class PropFind:
    """A PROPFIND's question.

    Attributes:
        wanted: all properties, their names, or those of some names.
        names: the names, each once, in the order asked for.
        is_legacy: it errs in a way that only mail clients do.
    """

    wanted: Wanted
    names: tuple[str, ...] = ()
    is_legacy: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """One property of a PROPPATCH: a value to set, or None to remove it."""

    name: str
    value: Element | None


@dataclass(frozen=True, slots=True)
class Target:
    """One item of a batch, and where it shall go, if that is said for itself."""

    href: str
    destination: str = ""


class _Builder(TreeBuilder):
    """Builds the tree as long as it stays within bounds."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH:
            raise BadXml(f"elements are nested deeper than {_MAX_DEPTH}")
        if self._elements > _MAX_ELEMENTS:
            raise BadXml(f"there are more than {_MAX_ELEMENTS} elements")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def parse(octets: bytes) -> tuple[Element, bool]:
    """Read a document.

    Returns:
        Its root, with the known namespaces in their right spelling, and whether that or a missing
        declaration had to be mended.

    Raises:
        BadXml: it is not well-formed, or not harmless.
    """
    is_mended = False
    try:
        root = _parse(octets)
    except ParseError as error:
        mended = _declare(octets) if error.code == _UNBOUND_PREFIX else octets
        if mended == octets:
            raise BadXml(f"the body is not well-formed XML: {error}") from None
        is_mended = True
        try:
            root = _parse(mended)
        except ParseError as again:
            raise BadXml(f"the body is not well-formed XML: {again}") from None
    for element in root.iter():
        namespace, local = split_name(element.tag)
        known = _NAMESPACES.get(namespace.casefold(), namespace)
        if known != namespace:
            element.tag = f"{{{known}}}{local}"
            is_mended = True
    return root, is_mended


def propfind(octets: bytes) -> PropFind:
    """Read a PROPFIND's body; an empty one asks for everything (RFC 4918 §9.1).

    Raises:
        BadXml: it is no such body.
    """
    if not octets.strip():
        return PropFind(Wanted.ALL)
    root, is_legacy = parse(octets)
    _expect(root, "propfind")
    names: list[str] = []
    kinds: set[Wanted] = set()
    for child in root:
        match split_name(child.tag):
            case (namespace, "prop") if namespace == DAV:
                names.extend(each.tag for each in child)
                kinds.add(Wanted.NAMED)
            case (namespace, "allprop") if namespace == DAV:
                kinds.add(Wanted.ALL)
            case (namespace, "propname") if namespace == DAV:
                kinds.add(Wanted.NAMES)
            case (namespace, "include") if namespace == DAV:
                names.extend(each.tag for each in child)
            case (namespace, _) if namespace in PREFIXES:  # FreePOPs leaves `prop` out
                names.append(child.tag)
                kinds.add(Wanted.NAMED)
                is_legacy = True
    if len(kinds) != 1:  # RFC 4918 §14.20
        raise BadXml("propfind holds exactly one of prop, allprop and propname")
    return PropFind(kinds.pop(), tuple(dict.fromkeys(names)), is_legacy)


def updates(root: Element) -> list[Update]:
    """Return what a `propertyupdate` changes, in its order (RFC 4918 §9.2).

    Raises:
        BadXml: it is no such body.
    """
    _expect(root, "propertyupdate")
    found: list[Update] = []
    for instruction in root:
        kind = split_name(instruction.tag)
        if kind not in ((DAV, "set"), (DAV, "remove")):
            continue  # RFC 4918 §17: what is not known is passed over; a batch has its target here
        for prop in instruction:
            if split_name(prop.tag) == (DAV, "prop"):
                is_set = kind[1] == "set"
                found.extend(Update(each.tag, each if is_set else None) for each in prop)
    if not found:
        raise BadXml("propertyupdate neither sets nor removes a property")
    return found


def targets(root: Element, name: str) -> list[Target]:
    """Return the items of a batch.

    A `dest` belongs to the `href` before it in the same `target`; its address is its text or that
    of an `href` inside.

    Args:
        root: of the body.
        name: what the body's root is called: the method without its B.

    Raises:
        BadXml: it is no such body, or names nothing.
    """
    _expect(root, name)
    found = [each for target in root.iter(f"{{{DAV}}}target") for each in _of_target(target)]
    if not found:
        raise BadXml("the batch names no target")
    return found


def _of_target(target: Element) -> Iterator[Target]:
    href = ""
    for child in target:
        if child.tag == f"{{{DAV}}}href":
            if href:
                yield Target(href)
            href = _address(child)
        elif child.tag == f"{{{DAV}}}dest" and href:
            yield Target(href, _address(child))
            href = ""
    if href:
        yield Target(href)


def _address(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _expect(root: Element, name: str) -> None:
    namespace, local = split_name(root.tag)
    if local != name or namespace not in (DAV, ""):
        raise BadXml(f"the body is a {local}, not a {name}")


def _parse(octets: bytes) -> Element:
    """Parse with DTDs and entities refused; ParseError goes through."""
    parser = DefusedXMLParser(target=_Builder(), forbid_dtd=True)
    try:
        parser.feed(octets)
        root: Element = parser.close()
    except DefusedXmlException:
        raise BadXml("the body has a document type or entities, which are not read") from None
    except BadXml:
        raise
    except (ValueError, LookupError) as error:  # an encoding that nobody has
        raise BadXml(f"the body can't be read: {error}") from None
    return root


def _declare(octets: bytes) -> bytes:
    """Add the declarations that the root lacks of HTTPMail's own prefixes."""
    root = _ROOT.match(octets)
    if root is None:
        return octets
    end = octets.find(b">", root.end())
    head = octets[root.end() : end]
    missing = b"".join(
        b' xmlns:%s="%s"' % (prefix.encode(), namespace.encode())
        for prefix, namespace in KNOWN_PREFIXES.items()
        if b"xmlns:" + prefix.encode() + b"=" not in head.replace(b" =", b"=")
    )
    return octets[: root.end()] + missing + octets[root.end() :]
