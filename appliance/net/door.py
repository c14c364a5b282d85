"""The door of a service: how many clients are in, over all processes that serve it.

The counts are in memory that the processes share: a column for each, which only it writes, so that
what a dead process had counted is gone as soon as it is started again. A lock makes looking and
counting one step; the kernel takes it from a process that dies.

A client is found by its address's hash in a row of `_ROW` places. It is bounded, not sorted out:
with 50,000 clients at a time one in a thousand finds its row full, and is turned away.

Owns: the shared memory, at most 0.5 MiB a process and 1 MiB; taken as clients come.
Failure: none.
"""

from __future__ import annotations

import fcntl
import mmap
import os

_PLACES = 1 << 17  # clients at the same time
_ROW = 16
_KEYS = mmap.PAGESIZE  # the first page holds how many are in: numbers for each process
_MOST_PROCESSES = 64
_COUNTS = _KEYS + 8 * _PLACES
_COLUMN = 4 * _PLACES


class Places:
    """What the processes of one service share: made before they are forked."""

    def __init__(self, processes: int = 1) -> None:
        """Make places with a column for each process."""
        self.processes = processes
        self.file = os.memfd_create("posthouse-door")
        octets = _COUNTS + processes * _COLUMN
        os.ftruncate(self.file, octets)
        self._memory = mmap.mmap(self.file, octets)
        view = memoryview(self._memory)
        numbers = view[:_KEYS].cast("I")
        self.open = numbers[:processes]
        self.busy = numbers[_MOST_PROCESSES:][:processes]
        self.clients = view[_KEYS:_COUNTS].cast("q")
        self.counts = view[_COUNTS:].cast("I")

    def clear(self, process: int) -> None:
        """Forget what a process has counted; its memory goes back to the system."""
        self.open[process] = self.busy[process] = 0
        self._memory.madvise(mmap.MADV_REMOVE, _COUNTS + process * _COLUMN, _COLUMN)


class Door:
    """Counts the connections of a service and says who may come in.

    Whom no limit holds for is not to be counted here: it would take others' places.

    Attributes:
        most: connections at the same time, in all processes.
        most_per_client: the same from one address; 0 for no limit.
    """

    def __init__(self, places: Places | None = None, process: int = 0) -> None:
        """Stand at the door for one process, the only one if no places are shared."""
        self.most = 0
        self.most_per_client = 0
        self.processes = 1 if places is None else places.processes
        self._places = places or Places()
        self._process = process
        self._places.clear(process)

    @property
    def open(self) -> int:
        """How many are in, in all processes."""
        return sum(self._places.open)

    @property
    def is_ahead(self) -> bool:
        """Whether this process has more to do than another."""
        busy = self._places.busy
        return len(busy) > 1 and busy[self._process] > min(busy)

    def is_busy_with(self, connections: int) -> None:
        """Say how many connections this process has, counted here or not."""
        self._places.busy[self._process] = connections

    def enter(self, client: str) -> bool:
        """Let a client in; False when there are too many of it, or of all."""
        shared = self._places
        fcntl.lockf(shared.file, fcntl.LOCK_EX)  # a process's own: children don't inherit it
        try:
            place = self._find(client)
            if place is None or self.open >= self.most:
                return False
            if 0 < self.most_per_client <= self._count(place):
                return False
            shared.clients[place] = _key(client)
            shared.open[self._process] += 1
            shared.counts[self._process * _PLACES + place] += 1
            return True
        finally:
            fcntl.lockf(shared.file, fcntl.LOCK_UN)

    def leave(self, client: str) -> None:
        """Count a client out."""
        place = self._find(client)
        assert place is not None
        self._places.open[self._process] -= 1
        self._places.counts[self._process * _PLACES + place] -= 1

    def _find(self, client: str) -> int | None:
        """Return the place of a client that is in, or one for a client that is not."""
        key = _key(client)
        first = key % (_PLACES // _ROW) * _ROW
        row = self._places.clients[first : first + _ROW].tolist()
        if key in row:
            return first + row.index(key)
        return next((at for at in range(first, first + _ROW) if not self._count(at)), None)

    def _count(self, place: int) -> int:
        return sum(self._places.counts[place::_PLACES])


def _key(client: str) -> int:
    """Return an address's hash, salted by the interpreter and the same in its forks; never 0."""
    return hash(client) or 1
