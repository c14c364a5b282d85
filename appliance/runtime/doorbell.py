"""Wake-ups between processes of one server: one byte to each worker of a service.

A ring is a hint and may be lost: whoever wakes looks at the table, and polls each second besides.

Owns: `run/doorbell/SERVICE.PID` of this process. Never: carries data.
Failure: ringing never fails; sockets nobody listens on are unlinked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from pathlib import Path

from appliance.runtime.sockets import socket_address

_RESCAN_S = 1.0


class Doorbell:
    """The socket on which one worker of a service is woken."""

    def __init__(self, directory: Path, service: str) -> None:
        """Bind `directory/SERVICE.PID`, replacing what an earlier process left."""
        self.path = directory / f"{service}.{os.getpid()}"
        directory.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with socket_address(self.path) as address:
            self._socket.bind(address)

    def fileno(self) -> int:
        """Descriptor for a selector or an event loop's `add_reader`."""
        return self._socket.fileno()

    def drain(self) -> None:
        """Forget the rings that have gathered."""
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                pass

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most so many seconds; returns whether it rang."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        rang = bool(poll.poll(max(0, int(timeout_s * 1000))))
        if rang:
            self.drain()
        return rang

    def wake(self) -> None:
        """Ring oneself, from a signal handler."""
        with contextlib.suppress(OSError), socket_address(self.path) as address:
            self._socket.sendto(b"!", address)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


class Ringer:
    """Rings the doorbells of a server's services."""

    def __init__(self, directory: Path) -> None:
        """Ring the sockets found in a directory."""
        self._directory = directory
        self._socket: socket.socket | None = None
        self._pid = 0
        self._known: list[str] = []
        self._scanned_at = float("-inf")

    def ring(self, service: str) -> None:
        """Wake every worker of a service that listens at the moment."""
        if self._pid != os.getpid():  # a forked child has a socket of its own
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._pid = os.getpid()
        now = time.monotonic()
        if now - self._scanned_at > _RESCAN_S:
            with contextlib.suppress(FileNotFoundError):
                self._known = [path.name for path in self._directory.iterdir()]
            self._scanned_at = now
        assert self._socket is not None
        for name in self._known:
            if name.partition(".")[0] == service:
                path = self._directory / name
                try:
                    with socket_address(path) as address:
                        self._socket.sendto(b"!", address)
                except OSError as error:
                    if error.errno == errno.ECONNREFUSED:
                        path.unlink(missing_ok=True)
                    if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                        self._scanned_at = float("-inf")

    def close(self) -> None:
        """Close the socket that rings; the next ring opens another."""
        if self._socket is not None and self._pid == os.getpid():
            self._socket.close()
        self._socket, self._pid = None, 0
