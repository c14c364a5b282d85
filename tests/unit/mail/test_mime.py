"""The tree of parts: RFC 2045, RFC 2046 §5.1, and how senders deviate from them."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from appliance.mail.mime import (
    MAX_DEPTH,
    MAX_PARTS,
    Part,
    decode,
    decoded_text,
    find,
    parse,
    walk,
)

MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def bodies(octets: bytes) -> list[tuple[str, str, bytes]]:
    """Number, type and body of each part that has no parts."""
    return [
        (part.number, part.type, octets[part.start : part.end])
        for part in walk(parse(octets))
        if not part.children
    ]


def texts(octets: bytes) -> list[bytes]:
    return [body for _, _, body in bodies(octets)]


def test_message_without_mime_fields_is_plain_text() -> None:
    octets = b"From: a\r\nSubject: b\r\n\r\nHello\r\n"
    assert parse(octets) == Part(
        number="",
        type="text/plain",
        parameters=(),
        charset="",
        filename="",
        disposition="",
        content_id="",
        encoding="",
        header_start=0,
        start=len(octets) - 7,
        end=len(octets),
    )


def test_fields_of_a_part_are_read_in_any_case_and_folded() -> None:
    root = parse(
        b'CONTENT-TYPE: Text/HTML;\r\n\tCharSet="UTF-8" ;\r\n name=ignored.html\r\n'
        b"content-transfer-encoding: Quoted-Printable (a comment)\r\n"
        b'Content-Disposition: INLINE;\r\n  FileName="a b.html"\r\n'
        b"Content-ID:\r\n <x@y>\r\n\r\n"
    )
    assert (root.type, root.charset, root.encoding) == ("text/html", "utf-8", "quoted-printable")
    assert (root.disposition, root.filename, root.content_id) == ("inline", "a b.html", "x@y")
    assert root.parameter("name") == "ignored.html"
    assert root.parameter("charset") == "UTF-8"
    assert root.parameter("format") == ""


def test_parts_are_numbered_by_their_places() -> None:
    octets = (
        MIXED + b"preamble\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
        b"--c\r\n\r\none\r\n--c\r\nContent-Type: text/html\r\n\r\ntwo\r\n--c--\r\n"
        b"\r\n--b  \r\nContent-Type: image/png\r\n\r\nthree\r\n--b--\r\nepilogue\r\n--b\r\n\r\nno"
    )
    assert bodies(octets) == [
        ("1.1", "text/plain", b"one"),
        ("1.2", "text/html", b"two"),
        ("2", "image/png", b"three"),
    ]
    root = parse(octets)
    assert [part.number for part in walk(root)] == ["", "1", "1.1", "1.2", "2"]
    for part in walk(root):
        assert find(root, part.number) is part


@pytest.mark.parametrize("number", ["0", "3", "1.3", "1.", ".1", "a", "01", "-1", "1.1.1", "²"])
def test_number_of_no_part_finds_nothing(number: str) -> None:
    octets = MIXED + b"--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\n--b\r\n\r\nx"
    assert find(parse(octets), number) is None


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_any_line_ends_separate(end: bytes) -> None:
    octets = (MIXED + b"--b\r\nA: b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n").replace(
        b"\r\n", end
    )
    assert [text.rstrip(b"\r") for text in texts(octets)] == [b"one", b"two"]


def test_line_ends_of_a_message_may_be_mixed() -> None:
    octets = (
        b"A: b\nContent-Type: multipart/mixed; boundary=b\r\n\n--b\n\r\none\n--b\r\n\ntwo\r--b--"
    )
    assert texts(octets) == [b"one", b"two"]


def test_line_end_before_a_boundary_is_the_boundarys() -> None:
    assert texts(MIXED + b"--b\r\n\r\none\r\n\r\n--b\r\n\r\n\r\n--b--") == [b"one\r\n", b""]


def test_missing_final_boundary_ends_with_the_message() -> None:
    assert texts(MIXED + b"--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n") == [b"one", b"two\r\n"]


def test_boundary_of_what_surrounds_ends_all_within() -> None:
    octets = (
        MIXED + b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n"
        b"--b\r\n\r\ntwo\r\n--c\r\n--b--\r\n"
    )
    assert bodies(octets) == [("1.1", "text/plain", b"one"), ("2", "text/plain", b"two\r\n--c")]


def test_boundary_that_begins_like_another_is_another() -> None:
    """RFC 2046 §5.1.1: the whole line counts."""
    octets = (
        MIXED + b"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n"
        b"--bb\r\n\r\none\r\n--bb--\r\n--b\r\n\r\n--bx\r\nx--b\r\n --b\r\n--b--\r\n"
    )
    assert bodies(octets) == [
        ("1.1", "text/plain", b"one"),
        ("2", "text/plain", b"--bx\r\nx--b\r\n --b"),
    ]


def test_nested_multiparts_may_share_a_boundary() -> None:
    octets = MIXED + b"--b\r\n" + MIXED + b"--b\r\n\r\none\r\n--b--\r\n--b\r\n\r\ntwo\r\n--b--\r\n"
    assert bodies(octets) == [("1.1", "text/plain", b"one"), ("2", "text/plain", b"two")]


def test_boundary_twice_in_a_row_is_one() -> None:
    assert texts(MIXED + b"--b\r\n--b\r\n\r\none\r\n--b--") == [b"one"]


@pytest.mark.parametrize(
    "octets",
    [
        MIXED,
        MIXED + b"--b--",
        b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=" + b"b" * 2000 + b"\r\n\r\n--" + b"b" * 2000,
    ],
)
def test_multipart_without_parts_is_one_part(octets: bytes) -> None:
    root = parse(octets)
    assert (root.type, root.children, root.end) == ("multipart/mixed", (), len(octets))


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", b""),
        (b"\r\nA: b\r\n\r\nx", b"A: b\r\n\r\nx"),
        (b"Hello there,\r\n\r\nx", b"Hello there,\r\n\r\nx"),
        (b"A: b\r\n", b""),
        (b"A: b", b""),
        (b"A: b\r\nHello there", b"Hello there"),
        (b"From me Mon Jan 1\r\nA: b\r\n\r\nx", b"x"),
        (b"???\r\nA: b\r\n\r\nx", b"x"),
        (b"A: b\r\n broken\r\n???\r\nC: d\r\n\r\nx", b"x"),
        (b"A : b\r\n\r\nx", b"x"),
        (MIXED + b"--b\r\nContent-Type: text/html\r\n<p>\r\n\r\n--b--", b"<p>\r\n"),
        (MIXED + b"--b\r\nContent-Type: text/html\r\n--b--", b""),
        (MIXED + b"--b\r\nJust text\r\n--b--", b"Just text"),
        (MIXED + b"--b\r\n\r\n--b--", b""),
    ],
)
def test_body_begins_where_readers_expect_it(octets: bytes, expected: bytes) -> None:
    assert texts(octets) == [expected]


def test_message_in_a_message_is_the_parts_child() -> None:
    """RFC 2046 §5.2.1."""
    octets = (
        MIXED
        + b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe/2?=\r\n"
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n--c--\r\n--b--\r\n"
    )
    assert [(part.number, part.type) for part in walk(parse(octets))] == [
        ("", "multipart/mixed"),
        ("1", "message/rfc822"),
        ("1.1", "multipart/mixed"),
        ("1.1.1", "text/plain"),
    ]
    attached = find(parse(octets), "1")
    assert attached is not None
    assert attached.filename == "Grüße-2.eml"
    assert decode(attached, octets).startswith(b"Subject:")


def test_message_that_is_encoded_has_no_children() -> None:
    octets = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg=="
    root = parse(octets)
    assert (root.children, root.filename) == ((), "message.eml")
    assert decode(root, octets) == b"A: b"


def test_parts_of_a_digest_are_messages() -> None:
    """RFC 2046 §5.1.5."""
    octets = b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nA: b\r\n\r\nx\r\n--b--"
    assert bodies(octets) == [("1.1", "text/plain", b"x")]
    assert parse(octets).children[0].type == "message/rfc822"


@pytest.mark.parametrize(
    ("declared", "type"),
    [
        (b"", "text/plain"),
        (b"text", "text/plain"),
        (b"/", "text/plain"),
        (b"text/html charset=utf-8", "text/html"),
        (b" IMAGE / png ;", "image/png"),
        (b"; charset=utf-8", "text/plain"),
        ("täxt/html".encode(), "täxt/html"),
    ],
)
def test_type_is_read_as_far_as_it_is_one(declared: bytes, type: str) -> None:
    assert parse(b"Content-Type:" + declared + b"\r\n\r\n").type == type


@pytest.mark.parametrize(
    ("declared", "disposition"),
    [
        (b"inline", "inline"),
        (b" Attachment;", "attachment"),
        (b"something-new", "attachment"),  # RFC 2183 §2.8
        (b"form-data; name=x", ""),
        (b'filename="x.pdf"', ""),
        (b"", ""),
    ],
)
def test_disposition_is_one_of_three(declared: bytes, disposition: str) -> None:
    root = parse(b"Content-Disposition:" + declared + b"\r\n\r\n")
    assert root.disposition == disposition


@pytest.mark.parametrize(
    ("fields", "filename"),
    [
        (b"Content-Type: image/png", "image-1.png"),
        (b"Content-Type: application/pdf", "attachment-1.pdf"),
        (b"Content-Type: application/x-unheard-of", "attachment-1.bin"),
        (b"Content-Type: message/rfc822", "message.eml"),
        (b"Content-Type: text/calendar", "text-1.ics"),
        (b"Content-Type: text/plain", ""),
        (b"Content-Type: text/plain\r\nContent-Disposition: attachment", "text-1.txt"),
        (b"Content-Type: image/png; name=a.png", "a.png"),
        (b"Content-Type: image/png; name=a\r\nContent-Disposition: inline; filename=b", "b"),
        (b'Content-Type: image/png; name="../.."', "image-1.png"),
    ],
)
def test_what_can_be_saved_has_a_name(fields: bytes, filename: str) -> None:
    assert parse(fields + b"\r\n\r\nx").filename == filename


def test_parts_beyond_the_limit_are_left_out() -> None:
    root = parse(MIXED + b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 100))
    assert len(list(walk(root))) == MAX_PARTS
    assert root.children[-1].end < root.end


def test_levels_beyond_the_limit_are_not_opened() -> None:
    levels = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
        for level in range(100)
    )
    messages = b"Content-Type: message/rfc822\r\n\r\n" * 100
    for octets in (levels, messages):
        assert max(part.number.count(".") for part in walk(parse(octets))) == MAX_DEPTH - 1


def test_a_mapped_file_is_parsed_where_it_is(tmp_path: Path) -> None:
    octets = (
        MIXED + b"--b\r\n\r\none\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\ndHdv\r\n--b--"
    )
    path = tmp_path / "message"
    path.write_bytes(octets)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert parse(mapped) == parse(octets)
        assert [decoded_text(part, mapped) for part in parse(mapped).children] == ["one", "two"]


HOSTILE = {
    "boundaries": MIXED + b"--b\n" * 250_000,
    "near boundaries": MIXED + b"--bx\n" * 200_000,
    "closing boundaries": MIXED + b"--b--\n" * 150_000,
    "dashes": MIXED + b"--\n" * 300_000,
    "header lines": b"A: b\n" * 200_000,
    "parts without end of header": MIXED + b"--b\nA: b\n" * 100_000,
    "carriage returns": MIXED + b"\r" * 1_000_000,
    "carriage returns in a header": b"A: b" + b"\r" * 1_000_000,
    "folds": b"Content-Type: text/plain;\n" + b" \n" * 500_000,
    "semicolons": b"Content-Type: text/plain" + b";" * 1_000_000,
    "escapes": b'Content-Type: text/plain; a="' + b'\\"' * 500_000,
    "spaces": b"Content-Type:" + b" " * 1_000_000,
    "multiparts never closed": MIXED
    + b"".join(b"--b\nContent-Type: multipart/mixed; boundary=c%d\n\n" % i for i in range(1000))
    + b"x\n" * 450_000,
    "messages": b"Content-Type: message/rfc822\n\n" * 30_000,
    "nested multiparts": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(18_000)
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_made_to_be_slow_is_one_pass(name: str) -> None:
    """What is quadratic takes minutes here, what is linear a tenth of a second."""
    octets = HOSTILE[name]
    assert len(list(walk(parse(octets)))) <= MAX_PARTS
