"""Transfer encodings and charsets: RFC 2045 §6, RFC 2046 §4.1.2."""

from __future__ import annotations

import tracemalloc

import pytest

from appliance.mail.mime import decode, decode_chunks, decoded_text, parse


def decoded(encoding: bytes, body: bytes) -> bytes:
    octets = b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" + body
    return decode(parse(octets), octets)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"SGVsbG8=", b"Hello"),
        (b"SGVs\r\nbG8=\r\n", b"Hello"),
        (b"S G!V*s\tb\xff\x00G-8=", b"Hello"),
        (b"SGVsbG8", b"Hello"),
        (b"SGVsbG8=SGVsbG8=", b"HelloHello"),
        (b"SGVsb", b"Hel"),
        (b"====", b""),
        (b"", b""),
    ],
)
def test_base64_is_read_past_what_does_not_belong_to_it(body: bytes, expected: bytes) -> None:
    assert decoded(b"BASE64", body) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a=3Db=c3=BC", b"a=b\xc3\xbc"),
        (b"soft =\r\nbreak", b"soft break"),
        (b"soft = \t\r\nbreak", b"soft break"),
        (b"soft =\nbreak", b"soft break"),
        (b"not=ZZ hex=", b"not=ZZ hex"),
        (b"line\r\nends", b"line\r\nends"),
    ],
)
def test_quoted_printable_is_read_tolerantly(body: bytes, expected: bytes) -> None:
    assert decoded(b"quoted-printable", body) == expected


@pytest.mark.parametrize("encoding", [b"x-uuencode", b"uuencode", b"X-UUE"])
def test_uuencode_is_read(encoding: bytes) -> None:
    body = (
        b"intro\r\nbegin 644 a.txt\r\n%2&5L;&\\`\r\n#PZ-@   \r\n``garbage\xff\r\n`\r\nend\r\nmore"
    )
    assert decoded(encoding, body) == b"Hello\x8c\xe0\xa0"[:5] + decoded(
        b"x-uuencode", b"begin 644 a\n#PZ-@\nend"
    )


@pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"binary", b"", b"x-unheard-of"])
def test_what_is_not_encoded_stays_as_it_is(encoding: bytes) -> None:
    assert decoded(encoding, b"a=3D\r\n\xff\0") == b"a=3D\r\n\xff\0"


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"binary", b"x-uuencode"])
def test_large_bodies_are_decoded_in_small_pieces(encoding: bytes) -> None:
    octets = (
        b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\nbegin 644 a\n" + b"QUJD" * 2_000_000
    )
    part = parse(octets)
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in decode_chunks(part, octets))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000
    assert total > 1_000_000 or encoding == b"x-uuencode"


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        (b"", "Grüße".encode(), "Grüße"),
        (b"", "Grüße".encode("latin-1"), "Grüße"),
        (b"text/plain; charset=us-ascii", "Grüße €".encode("cp1252"), "Grüße €"),
        (b"text/plain; charset=utf-8", "Grüße".encode("latin-1"), "Grüße"),
        (b"text/plain; charset=utf-8", b"cut off \xc3", "cut off \ufffd"),
        (b"text/plain; charset=ISO-8859-1", "„Grüße“".encode("cp1252"), "„Grüße“"),
        (b"text/plain; charset=koi8-r", "Привет".encode("koi8-r"), "Привет"),
        (b"text/plain; charset=GB2312", "谢谢 镕".encode("gb18030"), "谢谢 镕"),
        (b"text/plain; charset=x-sjis", "こんにちは".encode("cp932"), "こんにちは"),
        (b"text/plain; charset=iso-2022-jp", "こんにちは".encode("iso-2022-jp"), "こんにちは"),
        (b"", "こんにちは".encode("iso-2022-jp"), "こんにちは"),
        (
            b"",
            "これは日本語のメールです。よろしく".encode("cp932"),
            "これは日本語のメールです。よろしく",
        ),
        (b"text/plain; charset=nonsense", "ü".encode(), "ü"),
        (b"text/plain; charset=rot13", b"abc", "abc"),
        (b"text/plain; charset=utf-7", b"+APw-+2AA-", "ü"),
        (b"text/plain; charset=utf-16", "\ufeffü".encode("utf-16-le"), "ü"),
        (b"text/plain; charset=utf-8", "\ufeffü".encode(), "ü"),
        (b"text/html", '<meta charset="koi8-r">Привет'.encode("koi8-r"), "Привет"),
        (b"text/html; charset=utf-8", '<meta charset="koi8-r">ü'.encode(), "ü"),
        (b"text/html", b'<meta charset="utf-16">abc', "abc"),
        (b"text/plain", b"a\r\nb\rc\nd", "a\nb\nc\nd"),
    ],
)
def test_text_is_read_in_what_it_declares_or_seems_to_be(
    fields: bytes, body: bytes, expected: str
) -> None:
    octets = (b"Content-Type: " + fields if fields else b"A: b") + b"\r\n\r\n" + body
    assert decoded_text(parse(octets), octets).rpartition(">")[2] == expected


def test_only_so_much_of_a_text_is_read_as_is_asked_for() -> None:
    octets = b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * 100_000
    assert decoded_text(parse(octets), octets, most=4) == "ABCA"
    assert decoded_text(parse(octets), octets, most=0) == ""


def test_size_of_what_is_encoded_is_told_about() -> None:
    body = (b"QUJD" * 19 + b"\r\n") * 1000
    octets = b"Content-Transfer-Encoding: base64\r\n\r\n" + body
    assert parse(octets).size == len(decode(parse(octets), octets))
    assert parse(b"\r\nabc").size == 3
