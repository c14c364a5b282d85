"""Accepting connections at a socket that several processes of a service share.

The kernel wakes all of them, and whoever runs first could take a whole burst before another gets a
core. So each accepts one at a time, and one that has more clients than another stands back for a
moment.

Owns: the reader of a listening socket, and connections until their protocol has been made.
Failure: none; without descriptors the listener rests for a second, and that is told.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial

from appliance.net.door import Door
from appliance.net.listeners import Listener, plain_address

_STAND_BACK_S = 0.0002
_REST_S = 1.0


class Acceptor:
    """Accepts the clients of one listener."""

    def __init__(
        self,
        listener: Listener,
        factory: Callable[[str], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
        door: Door,
        complain: Callable[[str], None],
    ) -> None:
        """Begin; an event loop must be running.

        Args:
            listener: where.
            factory: makes the protocol of a client's connection; takes its IP address, which the
                socket does not tell any more when the client has hung up already.
            context: of TLS that begins with the first byte.
            door: the service's.
            complain: takes a sentence when nobody can be accepted.
        """
        self._socket = listener.socket
        self._factory = factory
        self._context = context
        self._door = door
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._go_on()

    def stop(self) -> None:
        """Accept nobody any more: who waits is the next process's."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)

    def _go_on(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _accept(self) -> None:
        if self._door.is_ahead and self._pause is None:
            self._rest(_STAND_BACK_S)
            return
        self._pause = None
        try:
            connection, peer = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the client has gone
        except OSError as error:
            self._complain(f"no connection can be accepted: {error.strerror}")
            self._rest(_REST_S)
            return
        task = self._loop.create_task(self._arrive(connection, plain_address(peer[0])))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _arrive(self, connection: socket.socket, client: str) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        factory = partial(self._factory, client)
        try:
            await self._loop.connect_accepted_socket(factory, connection, ssl=self._context)
        except (OSError, TimeoutError):
            connection.close()  # it has gone, or speaks no TLS
