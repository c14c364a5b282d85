"""Writing answers in the one form that all clients read."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

import pytest
from defusedxml.ElementTree import fromstring

from httpmail.multistatus import MultiStatus, Value, error_body, escape
from httpmail.vocabulary import DAV, HTTPMAIL

READ = f"{{{HTTPMAIL}}}read"


def write(*properties: tuple[str, Value], missing: tuple[tuple[int, str], ...] = ()) -> str:
    found = MultiStatus()
    found.properties("http://a.test/x", properties, missing)
    size = found.finish()
    octets = b"".join(found)
    found.close()
    assert len(octets) == size
    return octets.decode("ascii")


def test_an_element_has_no_blank_inside_and_no_attribute() -> None:
    text = write((READ, "1"), (f"{{{DAV}}}isfolder", "0"), (f"{{{HTTPMAIL}}}subject", ""))
    assert "<hm:read>1</hm:read>\r\n<D:isfolder>0</D:isfolder>\r\n" in text
    assert "<hm:subject></hm:subject>\r\n" in text
    assert text.count("xmlns") == 4


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a & b <c> \"d\" 'e'", "a &amp; b &lt;c&gt; \"d\" 'e'"),
        ("Zoë €", "Zo&#235; &#8364;"),
        ("\U0001f600", "&#128512;"),
        ("a\x00b\x1fc\ud800d\uffff", "abcd"),
        ("a\r\nb", "a&#13;\nb"),
        ("]]>", "]]&gt;"),
    ],
)
def test_any_text_becomes_harmless_ascii(value: str, written: str) -> None:
    text = write((READ, value))
    assert f"<hm:read>{written}</hm:read>" in text
    fromstring(text)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("{urn:x}y", '<x:y xmlns:x="urn:x"/>'),
        ('{a"&b}y', '<x:y xmlns:x="a&quot;&amp;b"/>'),
        ("y", "<y/>"),
        (READ, "<hm:read/>"),
    ],
)
def test_names_of_others_bring_their_declaration(name: str, start: str) -> None:
    assert start in write((name, None))


def test_each_status_has_its_own_part() -> None:
    text = write((READ, "1"), missing=((404, "{urn:x}y"), (403, "z"), (404, "w")))
    assert text.count("<D:propstat>") == 3
    assert "HTTP/1.1 404 Not Found" in text
    assert text.index("200 OK") < text.index("404 Not Found")


def test_elements_are_written_with_the_usual_prefixes() -> None:
    element = Element(f"{{{DAV}}}resourcetype")
    SubElement(element, f"{{{DAV}}}collection")
    text = write((f"{{{DAV}}}resourcetype", element))
    assert "<D:resourcetype><D:collection/></D:resourcetype>" in text


def test_elements_of_others_are_written_whole() -> None:
    element = fromstring('<a:b xmlns:a="urn:a" c="é">d<e/>f</a:b>')
    (found,) = fromstring(write(("{urn:a}b", element))).iter("{urn:a}b")
    assert (found.get("c"), "".join(found.itertext())) == ("é", "df")


def test_items_of_a_batch_have_status_and_location() -> None:
    found = MultiStatus()
    found.status("http://a.test/x", 201, "http://a.test/y?&")
    found.status("http://a.test/z", 404)
    found.finish()
    text = b"".join(found).decode()
    assert "<D:location><D:href>http://a.test/y?&amp;</D:href></D:location>" in text
    assert text.count("<D:location>") == 1
    found.close()


def test_a_long_answer_leaves_memory_for_a_file() -> None:
    found = MultiStatus()
    for number in range(20_000):
        found.properties(f"http://a.test/{number}", [(READ, "1")])
    size = found.finish()
    assert sum(len(chunk) for chunk in found) == size > 1 << 20
    found.close()


def test_an_error_names_its_condition_and_addresses() -> None:
    text = error_body("no-conflicting-lock", ["/a&b"]).decode()
    assert "<D:no-conflicting-lock><D:href>/a&amp;b</D:href></D:no-conflicting-lock>" in text
    assert escape("") == ""
