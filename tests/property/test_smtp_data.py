"""Content after DATA, for every content and every way of cutting it."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocol.smtp_data import DataReader, DataWriter, stuff, stuffed, travels_unchanged

# what matters, often enough to meet: line ends, dots, NUL
PIECES = st.sampled_from(
    [b"\r\n", b".", b"\r\n.", b"\r\n.\r\n", b"\r", b"\n", b"\0", b"a", b"line"]
)
HOSTILE = st.lists(PIECES, max_size=24).map(b"".join)
CLEAN_PIECES = st.sampled_from([b"\r\n", b".", b"\r\n.", b"\r\n..", b"a", b"line", "é".encode()])
CLEAN = st.lists(CLEAN_PIECES, max_size=24).map(b"".join)
LIMITS = st.none() | st.integers(0, 40)


@st.composite
def cuts(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Octets, and the same in blocks."""
    data = draw(whole)
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *places, len(data)]
    return data, [data[a:b] for a, b in pairwise(edges)]


def read(blocks: list[bytes], limit: int | None) -> tuple[object, ...]:
    """Everything there is to know after reading; the last item is the content, unless at fault."""
    reader = DataReader(limit)
    content = b""
    rest = b""
    for block in blocks:
        if reader.finished:
            rest += block
        else:
            content += b"".join(reader.feed(block))
            rest = reader.rest
    return (
        reader.finished,
        reader.fault,
        rest,
        reader.bytes_seen,
        content if reader.fault is None else None,
    )


@given(cuts(HOSTILE), LIMITS)
def test_every_split_into_blocks_reads_the_same(
    split: tuple[bytes, list[bytes]], limit: int | None
) -> None:
    whole, blocks = split
    expected = read([whole], limit)
    assert read(blocks, limit) == expected
    assert read([bytes([octet]) for octet in whole], limit) == expected


@given(HOSTILE, LIMITS)
def test_reader_agrees_with_a_simple_model(wire: bytes, limit: int | None) -> None:
    # RFC 5321 §4.1.1.4, §4.5.2; the CRLF in front is the one of the DATA command
    content, end, rest = (b"\r\n" + wire).partition(b"\r\n.\r\n")
    finished, fault, got_rest, seen, got = read([wire], limit)
    assert finished == bool(end)
    if not end:
        assert seen == len(wire)
        return
    assert (got_rest, seen) == (rest, len(wire) - len(rest))
    lines = (content + b"\r\n").split(b"\r\n")[1:-1]
    unstuffed = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines)
    is_clean = not re.search(rb"[\r\n\0]", b"".join(lines))
    is_small = limit is None or len(unstuffed) <= limit
    assert (fault is None) == (is_clean and is_small)
    if fault is None:
        assert got == unstuffed


@given(HOSTILE)
def test_what_a_reader_accepts_has_no_bare_line_end_and_no_nul(wire: bytes) -> None:
    # RFC 5321 §2.3.8: nothing that a laxer server could take for an end passes on
    content = read([wire], None)[4]
    if isinstance(content, bytes):
        assert not re.search(rb"[\r\n\0]", content.replace(b"\r\n", b""))


@given(cuts(CLEAN))
def test_unstuffing_undoes_stuffing(split: tuple[bytes, list[bytes]]) -> None:
    content, chunks = split
    wire = b"".join(stuff(chunks))
    complete = content if not content or content.endswith(b"\r\n") else content + b"\r\n"
    assert read([wire + b"QUIT"], None) == (True, None, b"QUIT", len(wire), complete)


@given(cuts(HOSTILE))
def test_writer_sends_one_clean_message_however_its_content_is_cut(
    split: tuple[bytes, list[bytes]],
) -> None:
    content, chunks = split
    wire = b"".join(stuff(chunks))
    assert wire == b"".join(stuff([content]))
    assert not re.search(rb"[\r\n\0]", wire.replace(b"\r\n", b""))
    finished, fault, rest, _, _ = read([wire], None)
    assert (finished, fault, rest) == (True, None, b"")


@given(CLEAN)
def test_writer_changes_nothing_but_dots_at_line_starts(content: bytes) -> None:
    writer = DataWriter()
    wire = writer.write(content)
    assert wire == re.sub(rb"(\A|\r\n)\.", rb"\1..", content)


@given(HOSTILE | CLEAN)
def test_content_travels_unchanged_when_a_writer_would_change_nothing(content: bytes) -> None:
    is_same = b"".join(stuff([content])) == content + b".\r\n"
    assert travels_unchanged(content) == (is_same and content != b"")


@given(HOSTILE | CLEAN)
def test_content_stuffed_at_once_is_that_stuffed_in_pieces(content: bytes) -> None:
    assert stuffed(content) + b".\r\n" == b"".join(stuff([content]))
