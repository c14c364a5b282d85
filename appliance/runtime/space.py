"""How much room a file system has left, without asking the kernel each time.

Owns: the last answer. Failure: OSError where the path has gone.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

_ANEW_S = 1.0


class Space:
    """The room left where a path lies."""

    def __init__(self, path: Path) -> None:
        """Name the path."""
        self._path = path
        self._free = 0
        self._until = 0.0

    def free(self) -> int:
        """Return the octets that the service may still use, as of the last second."""
        now = time.monotonic()
        if now >= self._until:
            self._free = shutil.disk_usage(self._path).free
            self._until = now + _ANEW_S
        return self._free
