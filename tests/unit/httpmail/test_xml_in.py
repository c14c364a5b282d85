"""Reading requests' XML: tolerant to old clients, hard to hurt (RFC 4918 §8.2, §14, §20.6)."""

from __future__ import annotations

import pytest

from httpmail import xml_in
from httpmail.vocabulary import DAV, HOTMAIL, HTTPMAIL, READ
from httpmail.xml_in import BadXml, Target, Wanted

HEAD = b'<D:propfind xmlns:D="DAV:" xmlns:hm="urn:schemas:httpmail:">'
TAIL = b"</D:propfind>"


def test_names_are_read_in_their_order_each_once() -> None:
    asked = xml_in.propfind(
        HEAD + b"<D:prop><hm:read/><D:isfolder/><hm:read/><x xmlns=''/></D:prop>" + TAIL
    )
    assert asked.names == (READ, f"{{{DAV}}}isfolder", "x")
    assert (asked.wanted, asked.is_legacy) == (Wanted.NAMED, False)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", Wanted.ALL),
        (b" \r\n", Wanted.ALL),
        (HEAD + b"<D:allprop/>" + TAIL, Wanted.ALL),
        (HEAD + b"<D:propname/>" + TAIL, Wanted.NAMES),
        (HEAD + b"<unknown/><D:allprop/>" + TAIL, Wanted.ALL),
    ],
)
def test_what_is_wanted(body: bytes, wanted: Wanted) -> None:
    assert xml_in.propfind(body).wanted is wanted


def test_include_names_more_than_all() -> None:
    body = HEAD + b"<D:allprop/><D:include><hm:read/></D:include>" + TAIL
    assert xml_in.propfind(body).names == (READ,)


@pytest.mark.parametrize("spelling", [b"Dav:", b"dav:", b"DAV:"])
def test_namespaces_are_known_in_any_case(spelling: bytes) -> None:
    body = HEAD.replace(b"DAV:", spelling) + b"<D:prop><D:getetag/></D:prop>" + TAIL
    asked = xml_in.propfind(body)
    assert asked.names == (f"{{{DAV}}}getetag",)
    assert asked.is_legacy == (spelling != b"DAV:")


def test_undeclared_prefixes_of_httpmail_are_known() -> None:
    head = b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- <x> -->'
    body = head + b'<propfind xmlns="DAV:"><prop><h:sig/></prop></propfind>'
    assert xml_in.propfind(body).names == (f"{{{HOTMAIL}}}sig",)


@pytest.mark.parametrize(
    "body",
    [
        b"<",
        b"no xml",
        b"<a/>",
        b"\xff\xfe\x00",
        b"<y:propfind/>",
        HEAD + TAIL,
        HEAD + b"<D:prop/><D:propname/>" + TAIL,
        HEAD + b'<D:prop><b:c xmlns:b=""/></D:prop>' + TAIL,
        b'<?xml version="1.0" encoding="none"?>' + HEAD + b"<D:allprop/>" + TAIL,
        b'<?xml version="1.0" encoding="utf-7"?>' + b"+ADw-a/+AD4-",
        b'<!DOCTYPE D:propfind [<!ENTITY a "b">]>' + HEAD + b"<D:allprop/>" + TAIL,
        b'<!DOCTYPE a SYSTEM "http://example.com/a.dtd"><a/>',
        b"<a>" * 40 + b"</a>" * 40,
        HEAD + b"<D:prop>" + b"<a/>" * 100_001 + b"</D:prop>" + TAIL,
    ],
)
def test_what_cannot_be_read_is_said(body: bytes) -> None:
    with pytest.raises(BadXml) as error:
        xml_in.propfind(body)
    assert str(error.value).isprintable()


def test_entities_do_not_multiply() -> None:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))
    with pytest.raises(BadXml):
        xml_in.parse(f'<!DOCTYPE a [<!ENTITY e0 "x">{lines}]><a>&e19;</a>'.encode())


def test_an_update_sets_and_removes_in_its_order() -> None:
    root, _ = xml_in.parse(
        b'<D:propertyupdate xmlns:D="DAV:" xmlns:hm="urn:schemas:httpmail:"><D:set><D:prop>'
        b"<hm:read>1</hm:read></D:prop></D:set><D:remove><D:prop><x/></D:prop></D:remove>"
        b"</D:propertyupdate>"
    )
    found = xml_in.updates(root)
    assert [(each.name, each.value is None) for each in found] == [(READ, False), ("x", True)]


def test_an_update_of_nothing_is_none() -> None:
    with pytest.raises(BadXml):
        xml_in.updates(
            xml_in.parse(b'<D:propertyupdate xmlns:D="DAV:"><D:set/></D:propertyupdate>')[0]
        )


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("<target><href> a </href><href>b</href></target>", [Target("a"), Target("b")]),
        (
            "<target><href>a</href></target><target><href>b</href></target>",
            [Target("a"), Target("b")],
        ),
        ("<target><href>a</href><dest>x</dest></target>", [Target("a", "x")]),
        ("<target><href>a</href><dest><href>x</href></dest></target>", [Target("a", "x")]),
        (
            "<target><href>a</href><dest>x</dest><href>b</href><dest>y</dest></target>",
            [Target("a", "x"), Target("b", "y")],
        ),
        (
            "<target><href>a</href><href>b</href><dest>y</dest></target>",
            [Target("a"), Target("b", "y")],
        ),
    ],
)
def test_targets_with_and_without_destinations(inside: str, wanted: list[Target]) -> None:
    root, _ = xml_in.parse(f'<move xmlns="DAV:">{inside}</move>'.encode())
    assert xml_in.targets(root, "move") == wanted


@pytest.mark.parametrize("body", ['<move xmlns="DAV:"/>', '<copy xmlns="DAV:"/>', "<move/>"])
def test_a_batch_needs_its_element_and_targets(body: str) -> None:
    with pytest.raises(BadXml):
        xml_in.targets(xml_in.parse(body.encode())[0], "move")


def test_prefixes_that_clients_look_for_stand_for_their_namespaces() -> None:
    body = b"<D:propfind><D:prop><hm:read/></D:prop></D:propfind>"
    assert xml_in.propfind(body).names == (f"{{{HTTPMAIL}}}read",)
