"""Time and identifiers, handed in rather than imported so that tests own them.

Owns: nothing; a `Clock` reads the system's clocks, a `FixedClock` the test's.
Never: sleeps.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol

ID_CHARACTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_PAIRS = [a + b for a in ID_CHARACTERS for b in ID_CHARACTERS]

MICROSECONDS = 1_000_000


class Clock(Protocol):
    """Where a daemon reads the time."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


def to_datetime(at_us: int) -> datetime:
    """Turn microseconds since the epoch into an aware UTC datetime."""
    return datetime.fromtimestamp(at_us / MICROSECONDS, UTC)


def to_iso(at_us: int) -> str:
    """Turn microseconds since the epoch into ISO 8601 text, UTC, to the second."""
    return to_datetime(at_us).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id(at_us: int) -> str:
    """Make a message id: 16 characters that sort by time and never repeat.

    48 bits of milliseconds and 32 random bits in Crockford's base 32. It names a message in the
    queue, the logs, the Received header and `posthouse message trace`.
    """
    return _written((at_us // 1000) << 32 | int.from_bytes(os.urandom(4)))


def first_id(at_us: int) -> str:
    """Return the least id that `new_id` makes in the millisecond of a time."""
    return _written((at_us // 1000) << 32)


def _written(value: int) -> str:
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(70, -1, -10)])
