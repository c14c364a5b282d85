"""Removing what a running backup may still have to save: it is put off until that has ended.

Whoever removes content files, deliveries or tombstones for good asks first, and leaves them to
housekeeping's next round where the answer is no. A backup in its turn waits for removals under way.

Owns: a descriptor of the lock's file, for the time of a `with` block. Failure: OSError.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Removals:
    """The lock that removals share, and that a backup takes alone (`run/locks/removals`)."""

    __slots__ = ("_path",)

    def __init__(self, home: Path) -> None:
        """Name the home."""
        self._path = home / "run" / "locks" / "removals"

    @contextmanager
    def allowed(self) -> Iterator[bool]:
        """Tell whether something may be removed now; no backup begins inside the `with` block.

        What is to be removed must be out of use before this is asked: a backup that begins
        afterwards does not name it.
        """
        descriptor = self._open()
        try:
            yield _try_to_share(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Have nothing removed inside the `with` block; waits for removals under way."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(self._path, flags, 0o600)


def _try_to_share(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
