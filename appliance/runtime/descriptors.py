"""How many files and sockets this process may have open.

Owns: the process's soft limit. Failure: none; where it can't be raised it stays.
"""

from __future__ import annotations

import contextlib
import resource

_WANTED = 16_384  # what the databases of many post offices and the sockets of many clients need


def descriptors() -> int:
    """Raise the soft limit as far as is wanted and the hard one lets; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return _WANTED if soft == resource.RLIM_INFINITY else soft
