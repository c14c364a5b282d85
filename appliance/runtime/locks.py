"""A lock that one process of a server holds: who works on what only one may work on.

The file says which process that is, for people and for what is told to a second one.

Owns: the lock file's descriptor. Failure: none; waits until the holder has ended.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class ProcessLock:
    """A lock that is gone with the process that holds it."""

    def __init__(self, path: Path) -> None:
        """Name the lock's file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody has it; shared, if nobody has it alone."""
        try:
            fcntl.flock(
                self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
            )
        except BlockingIOError:
            return False
        self._sign()
        return True

    def acquire(self, *, shared: bool = False) -> None:
        """Take the lock, waiting for its holder to end; shared, for who has it alone."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        self._sign()

    def holder(self) -> int:
        """Return the process that took the lock last; 0 if it has not said so yet."""
        text = os.pread(self._descriptor, 32, 0).strip()
        return int(text) if text.isdigit() else 0

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)

    def _sign(self) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
