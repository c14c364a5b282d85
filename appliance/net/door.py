"""The door of a service: how many clients are in, over all processes that serve it.

The kernel wakes all processes for a client, and whoever runs first would take a whole burst before
another gets a core. So who accepts one hands it to the process that has the fewest.

The counts are in memory that the processes share: a column for each, which only it writes, so that
what a dead process had counted is gone as soon as it is started again. A lock makes looking and
counting one step; the kernel takes it from a process that dies.

A client is found by its address's hash in a row of `_ROW` places. It is bounded, not sorted out:
with 50,000 clients at a time one in a thousand finds its row full, and is turned away.

Owns: the shared memory, at most 0.5 MiB a process and 1 MiB, taken as clients come; a pair of
sockets a process, by which connections are handed to it.
Failure: none. What was handed to a process that died is the next one's in its place.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import socket
import time
import weakref
from collections.abc import Sequence
from itertools import chain

_PLACES = 1 << 17  # clients at the same time
_ROW = 16
_KEYS = mmap.PAGESIZE  # the first page holds how many are in: numbers for each process
_MOST_PROCESSES = 64
_COUNTS = _KEYS + 8 * _PLACES
_COLUMN = 4 * _PLACES
_ABOUT = 64  # octets that go with a connection
_AWAY = 1 << 31  # more connections than any process has
_HANGS_NS = 3_000_000_000  # without a beat


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
        numbers = view[:_KEYS].cast("q")
        self.open, self.busy, self.handed, self.taken, self.beaten = (
            numbers[row * _MOST_PROCESSES :][:processes] for row in range(5)
        )
        self.clients = view[_KEYS:_COUNTS].cast("q")
        self.counts = view[_COUNTS:].cast("I")
        self.ends = [_pair() for _ in range(processes)]
        weakref.finalize(self, _close, self.file, list(chain(*self.ends)))

    def clear(self, process: int) -> None:
        """Forget what a process has counted; its memory goes back to the system."""
        self.open[process] = 0
        self.busy[process] = _AWAY
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
        self._here = self._arriving = 0
        self._places.clear(process)

    @property
    def open(self) -> int:
        """How many are in, in all processes."""
        return sum(self._places.open)

    @property
    def handed(self) -> socket.socket:
        """Becomes readable when a connection was handed to this process."""
        return self._places.ends[self._process][0]

    def hand_on(self, connection: socket.socket, about: bytes) -> bool:
        """Hand a connection to the process that has the fewest; False when it is this one.

        Args:
            connection: closed here when it has been handed on.
            about: what the other gets with it, at most `_ABOUT` octets.
        """
        shared = self._places
        if self.processes == 1:
            return False
        fcntl.lockf(shared.file, fcntl.LOCK_EX)
        try:
            counts = zip(shared.busy, shared.handed, shared.taken, shared.beaten, strict=True)
            alive = time.monotonic_ns() - _HANGS_NS
            busy = [
                here + handed - taken if beaten > alive else _AWAY
                for here, handed, taken, beaten in counts
            ]
            fewest = min(busy)
            if busy[self._process] == fewest:
                return False
            to = busy.index(fewest)
            try:
                socket.send_fds(shared.ends[to][1], [about], [connection.fileno()])
            except OSError:  # it has too many to take already
                return False
            shared.handed[to] += 1
        finally:
            fcntl.lockf(shared.file, fcntl.LOCK_UN)
        connection.close()
        return True

    def take(self) -> tuple[socket.socket, bytes] | None:
        """Return a connection that was handed to this process, and what came with it, if any was.

        Raises:
            OSError: there is no descriptor for it, and it is lost.
        """
        try:
            flags = socket.MSG_CMSG_CLOEXEC
            about, descriptors, _, _ = socket.recv_fds(self.handed, _ABOUT, 1, flags)
        except BlockingIOError:
            return None
        self._places.taken[self._process] += 1
        if not descriptors:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return socket.socket(fileno=descriptors[0]), about

    def come(self) -> None:
        """Have connections handed to this process."""
        self._places.busy[self._process] = 0
        self.beat()

    def beat(self) -> None:
        """Say that this process goes round: one that hangs is handed nothing."""
        self._places.beaten[self._process] = time.monotonic_ns()

    def go(self) -> None:
        """Have no connection handed to this process any more."""
        fcntl.lockf(self._places.file, fcntl.LOCK_EX)  # nobody is in the middle of handing one on
        self._places.busy[self._process] = _AWAY
        fcntl.lockf(self._places.file, fcntl.LOCK_UN)

    def is_busy_with(self, connections: int) -> None:
        """Say how many connections this process has, counted at the door or not."""
        self._here = connections
        self._tell()

    def arrives(self, by: int) -> None:
        """Count a connection that this process has accepted, and that is not open yet."""
        self._arriving += by
        self._tell()

    def _tell(self) -> None:
        busy = self._places.busy
        if busy[self._process] != _AWAY:
            busy[self._process] = self._here + self._arriving

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


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return the end that a process reads, and the one that others write to."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)  # noqa: FBT003 - the standard library's
    return ends


def _close(file: int, ends: Sequence[socket.socket]) -> None:
    os.close(file)
    for end in ends:
        end.close()


def _key(client: str) -> int:
    """Return an address's hash, salted by the interpreter and the same in its forks; never 0."""
    return hash(client) or 1
