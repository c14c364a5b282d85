"""Content after DATA: where it ends, what is refused, how dots travel."""

from __future__ import annotations

import pytest

from appliance.protocol import LocalProtocolError
from appliance.protocol.smtp_data import DataReader, DataWriter, Fault, stuff


def read(*blocks: bytes, max_bytes: int | None = None) -> tuple[DataReader, bytes]:
    reader = DataReader(max_bytes)
    content = b"".join(chunk for block in blocks for chunk in reader.feed(block))
    return reader, content


def test_content_ends_at_a_lone_dot_and_the_rest_is_the_next_command() -> None:
    # RFC 5321 §4.1.1.4
    reader, content = read(b"Subject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n")
    assert reader.finished
    assert content == b"Subject: x\r\n\r\ntext\r\n"
    assert reader.rest == b"QUIT\r\n"
    assert reader.fault is None


def test_bytes_seen_are_those_of_the_content_on_the_wire() -> None:
    reader, _ = read(b"..a\r\n", b".\r\nQU", max_bytes=None)
    assert reader.bytes_seen == len(b"..a\r\n.\r\n")


def test_dot_line_right_after_data_is_an_empty_message() -> None:
    # RFC 5321 §4.1.1.4: the CRLF of the DATA command is the first of the end marker
    reader, content = read(b".\r\n")
    assert (reader.finished, content, reader.fault) == (True, b"", None)


def test_leading_dots_lose_one_dot() -> None:
    # RFC 5321 §4.5.2
    _, content = read(b"..\r\n...\r\n.leading\r\nin.the.middle\r\n.\r\n")
    assert content == b".\r\n..\r\nleading\r\nin.the.middle\r\n"


def test_message_that_begins_with_a_blank_line_keeps_it() -> None:
    _, content = read(b"\r\nbody\r\n.\r\n")
    assert content == b"\r\nbody\r\n"


@pytest.mark.parametrize("cut", range(1, 12))
def test_end_marker_is_found_wherever_it_is_cut(cut: int) -> None:
    wire = b"ab\r\n.\r\nQUIT"
    reader, content = read(wire[:cut], wire[cut:]) if cut < 7 else read(wire[:cut])
    assert reader.finished
    assert content == b"ab\r\n"
    assert reader.rest == (wire[7:] if cut < 7 else wire[7:cut])


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (b"a\n.\nMAIL", Fault.BARE_LF),
        (b"a\n.\r\nMAIL", Fault.BARE_LF),
        (b"a\r\n.\nMAIL", Fault.BARE_LF),
        (b"a\r\n.\rMAIL", Fault.BARE_CR),
        (b"a\r.\rMAIL", Fault.BARE_CR),
        (b"a\r.\r\nMAIL", Fault.BARE_CR),
        (b"a\r.\nMAIL", Fault.BARE_CR),
        (b"a\rb\nc\r\nMAIL", Fault.BARE_CR),
        (b"a\r\r\n.\nMAIL", Fault.BARE_CR),
        (b"a\r\n.\0\r\nMAIL", Fault.NUL),
        (b"a\0\nMAIL", Fault.NUL),
        (b"\nMAIL", Fault.BARE_LF),
        (b".\nMAIL", Fault.BARE_LF),
        (b".\rMAIL", Fault.BARE_CR),
        (b"\rMAIL", Fault.BARE_CR),
    ],
)
def test_other_line_ends_end_nothing_and_are_faults(wire: bytes, fault: Fault) -> None:
    # RFC 5321 §2.3.8: SMTP smuggling
    reader, content = read(wire)
    assert not reader.finished
    assert reader.fault == fault
    assert content == b""
    assert reader.feed(b"\r\n.\r\nRSET") == []
    assert reader.finished
    assert reader.fault == fault
    assert reader.rest == b"RSET"


def test_first_fault_in_the_order_of_the_content_is_the_one_named() -> None:
    reader, _ = read(b"a\0b\nc\rd\r\n.\r\n")
    assert reader.fault is Fault.NUL


def test_limit_counts_line_ends_but_no_stuffing() -> None:
    # RFC 1870 §5
    reader, content = read(b"..34\r\n.\r\n", max_bytes=5)
    assert (reader.fault, content) == (None, b".34\r\n")
    reader, content = read(b"..345\r\n.\r\nQUIT", max_bytes=5)
    assert reader.fault is Fault.TOO_BIG
    assert reader.finished
    assert reader.rest == b"QUIT"


def test_nothing_is_handed_out_after_the_limit() -> None:
    reader = DataReader(10)
    assert reader.feed(b"x" * 10) == [b"x" * 10]
    assert reader.feed(b"y") == []
    assert reader.feed(b"z" * 1000) == []
    assert reader.fault is Fault.TOO_BIG


def test_lines_beyond_998_octets_pass() -> None:
    line = b"x" * 5000 + b"\r\n"
    reader, content = read(line + b".\r\n")
    assert (reader.fault, content) == (None, line)


def test_feeding_beyond_the_end_is_a_local_error() -> None:
    reader, _ = read(b".\r\n")
    with pytest.raises(LocalProtocolError):
        reader.feed(b"")


def test_writer_doubles_leading_dots_across_chunks_and_ends() -> None:
    # RFC 5321 §4.5.2
    assert b"".join(stuff([b".a\r", b"\n", b".b\r\n."])) == b"..a\r\n..b\r\n..\r\n.\r\n"


def test_writer_sends_no_empty_piece() -> None:
    assert list(stuff([b"", b"a", b"\r", b"\n"])) == [b"a", b"\r\n", b".\r\n"]


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\n.\0\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"\0", b".\r\n"),
    ],
)
def test_writer_never_sends_a_bare_line_end_or_a_nul(content: bytes, wire: bytes) -> None:
    # RFC 5321 §2.3.8
    assert b"".join(stuff([content])) == wire


def test_writer_holds_a_cr_back_until_it_knows_what_follows() -> None:
    writer = DataWriter()
    assert writer.write(b"a\r") == b"a"
    assert writer.write(b"\n") == b"\r\n"
    assert writer.end() == b".\r\n"
