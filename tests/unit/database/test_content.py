"""Message contents: small ones in memory, large ones in a file, whatever the pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.database.content import CHUNK, INLINE_MAX, Content, ContentFolder, ContentWriter

NAME = "06BQ886W030KW6S1"


@pytest.fixture
def folder(tmp_path: Path) -> ContentFolder:
    return ContentFolder(tmp_path / "content")


def write(folder: ContentFolder, *chunks: bytes) -> ContentWriter:
    writer = ContentWriter(folder, NAME)
    for chunk in chunks:
        writer.write(chunk)
    return writer


def test_small_content_is_kept_in_memory(folder: ContentFolder) -> None:
    writer = write(folder, b"a" * 10, b"b" * (INLINE_MAX - 10))
    assert not writer.is_file
    assert writer.body() == b"a" * 10 + b"b" * (INLINE_MAX - 10)
    assert writer.file_name() is None
    writer.sync()
    assert list(folder.names()) == []
    assert not folder.path.exists()


def test_one_octet_more_makes_it_a_file(folder: ContentFolder) -> None:
    writer = write(folder, b"a" * INLINE_MAX, b"b", b"c" * 1000)
    writer.sync()
    assert writer.is_file
    assert (writer.body(), writer.file_name()) == (None, NAME)
    assert folder.file(NAME).read_bytes() == b"a" * INLINE_MAX + b"b" + b"c" * 1000
    assert writer.size == INLINE_MAX + 1001


def test_files_lie_in_folders_by_the_end_of_the_id(folder: ContentFolder) -> None:
    # the end is random, the beginning is the time
    assert folder.file(NAME) == folder.path / "S1" / NAME
    assert folder.file(f"{NAME}.12") == folder.path / "S1" / f"{NAME}.12"


@pytest.mark.parametrize("size", [0, 100, INLINE_MAX, INLINE_MAX + 1, 3 * INLINE_MAX])
def test_beginning_is_there_for_the_header_section(folder: ContentFolder, size: int) -> None:
    octets = bytes(range(256)) * (size // 256 + 1)
    writer = write(folder, octets[: size // 2], octets[size // 2 : size])
    beginning = writer.beginning()
    assert octets[:size].startswith(beginning)
    assert len(beginning) >= min(size, 64 << 10)
    writer.abandon()


@pytest.mark.parametrize("size", [10, INLINE_MAX + 10])
def test_abandoned_content_is_gone(folder: ContentFolder, size: int) -> None:
    writer = write(folder, b"x" * size)
    writer.abandon()
    assert list(folder.names()) == []
    writer.abandon()  # twice is once


@settings(max_examples=25)
@given(pieces=st.lists(st.integers(0, INLINE_MAX), max_size=8))
def test_every_split_gives_the_same_content(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int]
) -> None:
    folder = ContentFolder(tmp_path_factory.mktemp("split") / "content")
    octets = bytes(range(251)) * (sum(pieces) // 251 + 1)
    chunks, at = [], 0
    for size in pieces:
        chunks.append(octets[at : at + size])
        at += size
    writer = write(folder, *chunks)
    writer.sync()
    path = folder.file(NAME) if writer.is_file else None
    content = Content(writer.size, writer.body(), path)
    assert writer.is_file == (at > INLINE_MAX)
    assert content.read() == octets[:at] == b"".join(content.chunks())
    assert content.read(100) == octets[:at][:100]


def test_chunks_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (CHUNK * 2 + 1))
    sizes = [len(chunk) for chunk in Content(CHUNK * 2 + 1, None, path).chunks()]
    assert sizes == [CHUNK, CHUNK, 1]


def test_link_gives_a_second_name_and_replaces_what_a_crash_left(
    folder: ContentFolder, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"octets")
    folder.make_place(f"{NAME}.0").write_bytes(b"left by a crash")
    for _ in range(2):
        folder.link(source, f"{NAME}.0")
        assert folder.file(f"{NAME}.0").samefile(source)
    assert [path.name for path in folder.names()] == [f"{NAME}.0"]
    folder.remove(f"{NAME}.0")
    folder.remove(f"{NAME}.0")  # twice is once
    assert source.read_bytes() == b"octets"
