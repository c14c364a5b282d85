"""Any bytes as the XML of a request: read within bounds, or refused with a reason."""

from __future__ import annotations

import sys
from contextlib import suppress
from xml.etree.ElementTree import Element

from httpmail import xml_in
from httpmail.multistatus import MultiStatus
from httpmail.xml_in import BadXml

_BEGINNINGS = (
    b"",
    b'<D:propfind xmlns:D="DAV:" xmlns:hm="urn:schemas:httpmail:"><D:prop>',
    b'<propfind xmlns="Dav:">',
    b'<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>',
    b'<D:move xmlns:D="DAV:"><D:target><D:href>',
)
_ENDS = (
    b"",
    b"</D:prop></D:propfind>",
    b"</propfind>",
    b"</D:prop></D:set></D:propertyupdate>",
    b"</D:href></D:target></D:move>",
)


def fuzz_one(data: bytes) -> None:
    """Read `data` as each kind of body, and write back what was found."""
    for beginning, end in zip(_BEGINNINGS, _ENDS, strict=True):
        body = beginning + data + end
        with suppress(BadXml):
            asked = xml_in.propfind(body)
            assert len(set(asked.names)) == len(asked.names)
            write([(name, None) for name in asked.names])
        with suppress(BadXml):
            root, _ = xml_in.parse(body)
            write([(each.name, each.value) for each in xml_in.updates(root)])
        with suppress(BadXml):
            root, _ = xml_in.parse(body)
            assert all(each.href for each in xml_in.targets(root, "move"))


def write(properties: list[tuple[str, Element | None]]) -> None:
    """See that what came in goes out as XML that can be read."""
    answer = MultiStatus()
    answer.properties("/x", properties)
    size = answer.finish()
    octets = b"".join(answer)
    answer.close()
    assert len(octets) == size
    assert octets.isascii()
    xml_in.parse(octets)


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
