"""Unix sockets below a home, however long its path is.

Standards: unix(7): an address holds 107 octets. Owns: nothing. Failure: OSError, as from the call.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 107


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Yield an address for a socket's path: the path itself, or a short way to the same place."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
