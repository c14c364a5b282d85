"""A lock that one process of a server holds: who works on a queue that only one may work on.

Owns: the lock file's descriptor. Failure: none; waits until the holder has ended.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class ProcessLock:
    """An exclusive lock, gone with the process that holds it."""

    def __init__(self, path: Path) -> None:
        """Name the lock's file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def acquire(self) -> None:
        """Take the lock, waiting for its holder to end."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._descriptor)
