"""The end of log files, read by the block from behind, and never more than a bound.

Owns: nothing. Failure: a file that has gone is passed over.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 64 << 10
MOST_OCTETS = 16 << 20  # read for one answer, however rare the text that is looked for


@dataclass(frozen=True, slots=True)
class Tail:
    """The last lines that were asked for.

    Attributes:
        lines: the newest last.
        is_cut: there was more to read than the bound.
        file: the newest file's name; empty without files.
        end: how far that was read, in octets: new lines begin there.
    """

    lines: tuple[str, ...]
    is_cut: bool
    file: str
    end: int


def last_lines(files: Sequence[Path], *, containing: str, most: int) -> Tail:
    """Return the last lines.

    Args:
        files: the newest last.
        containing: only lines that hold this, in any case; empty for all.
        most: how many at most.
    """
    found: deque[str] = deque()
    left = MOST_OCTETS
    newest, end = "", 0
    wanted = containing.casefold()
    for path in reversed(files):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        if not newest:
            newest, end = path.name, _whole(path, size)
            size = end
        bound = min(size, left)
        for line in _backwards(path, size, size - bound):
            if wanted in line.casefold():
                found.appendleft(line)
                if len(found) == most:
                    return Tail(tuple(found), is_cut=False, file=newest, end=end)
        left -= bound
        if left <= 0:
            return Tail(tuple(found), is_cut=True, file=newest, end=end)
    return Tail(tuple(found), is_cut=False, file=newest, end=end)


def new_lines(files: Sequence[Path], *, containing: str, file: str, end: int, most: int) -> Tail:
    """Return what was written since an earlier look.

    Args:
        files: the newest last.
        containing: only lines that hold this, in any case; empty for all.
        file: that the earlier look was at.
        end: how far it had read.
        most: how many at most; of more, the newest.
    """
    names = [path.name for path in files]
    if file not in names:
        return last_lines(files, containing=containing, most=most)
    found: deque[str] = deque(maxlen=most)
    wanted = containing.casefold()
    is_cut = False
    place = end
    for path in files[names.index(file) :]:
        start = end if path.name == file else 0
        place = _whole(path, path.stat().st_size)
        if place - start > MOST_OCTETS:
            start, is_cut = place - MOST_OCTETS, True
        with path.open("rb") as opened:
            opened.seek(start)
            text = opened.read(max(0, place - start)).decode("utf-8", "replace")
        found.extend(line for line in text.splitlines() if wanted in line.casefold())
    return Tail(tuple(found), is_cut=is_cut, file=names[-1], end=place)


def _whole(path: Path, size: int) -> int:
    """Return where the last whole line ends."""
    with path.open("rb") as file:
        start = max(0, size - _BLOCK)
        file.seek(start)
        block = file.read(size - start)
    at = block.rfind(b"\n")
    return start + at + 1 if at >= 0 else size


def _backwards(path: Path, end: int, begin: int) -> Iterator[str]:
    """Yield a file's lines from the last one to the first that is whole."""
    rest = b""
    with path.open("rb") as file:
        while end > begin:
            start = max(begin, end - _BLOCK)
            file.seek(start)
            block = file.read(end - start) + rest
            end = start
            lines = block.split(b"\n")
            rest = lines.pop(0)
            for line in reversed(lines):
                if line:
                    yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest and begin == 0:
        yield rest.rstrip(b"\r").decode("utf-8", "replace")


def octets_of(path: Path) -> Iterator[bytes]:
    """Yield a file as it is now, by the block: what is written meanwhile is left out."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            yield block
