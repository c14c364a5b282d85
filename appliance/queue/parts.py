"""Parts of the queue: which of several workers on one SQLite queue handles an entry.

An entry's id ends in one of 32 characters, by chance. A worker that is the Kth of N handles those
entries whose last character's place is K modulo N, and holds a lock on each of these places: two
workers never own one entry, even while a home is going over from one N to another.

On PostgreSQL recipients are leased instead.

Owns: the descriptors of `run/locks/SERVICE` and `run/locks/SERVICE.parts`.
Failure: none; waits until those who hold a place have ended.
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from appliance.runtime.clock import ID_CHARACTERS
from appliance.runtime.locks import ProcessLock

MOST = len(ID_CHARACTERS)
_CORES_EACH = 4  # receiving takes about three times what delivering does


@dataclass(frozen=True, slots=True)
class Part:
    """What one of several workers handles.

    Attributes:
        number: which worker, from 0.
        of: how many there are.
    """

    number: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.of <= MOST:
            raise ValueError(
                f"{self.number} of {self.of} is no part: give a number from 0 below 1 to {MOST}"
            )

    @property
    def places(self) -> range:
        """The places of its entries' last characters."""
        return range(self.number, MOST, self.of)

    @property
    def endings(self) -> list[str]:
        """The last characters of its entries' ids."""
        return [ID_CHARACTERS[place] for place in self.places]


WHOLE = Part()


def how_many(wanted: int, cores: int) -> int:
    """Return how many workers a setting means: 0 is one for each four cores, at least one."""
    return min(wanted or max(1, cores // _CORES_EACH), MOST)


class PartLock:
    """The lock of a part, gone with the process that holds it."""

    def __init__(self, folder: Path, service: str, part: Part) -> None:
        """Name the folder of the locks, the service, and its part."""
        self._service = ProcessLock(folder / service)
        self._part = part
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        self._places = os.open(folder / f"{service}.parts", flags, 0o600)

    def try_acquire(self) -> bool:
        """Take the part if nobody has anything of it."""
        try:
            self._take(fcntl.F_OFD_SETLK)
        except OSError:
            self._change(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0, 0)  # to the end: all of it
            return False
        return self._service.try_acquire(shared=True)

    def acquire(self) -> None:
        """Take the part, waiting for the end of those who have something of it."""
        self._take(fcntl.F_OFD_SETLKW)  # in one order by all, so that no two wait for each other
        self._service.acquire(shared=True)

    def release(self) -> None:
        """Let the part go."""
        os.close(self._places)
        self._service.release()

    def _take(self, how: int) -> None:
        for place in self._part.places:
            self._change(how, fcntl.F_WRLCK, place, 1)

    def _change(self, how: int, kind: int, start: int, length: int) -> None:
        # struct flock: l_type, l_whence, l_start, l_len, l_pid
        fcntl.fcntl(self._places, how, struct.pack("hhqqi", kind, os.SEEK_SET, start, length, 0))
