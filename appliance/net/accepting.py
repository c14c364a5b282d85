"""Accepting connections at a socket that several processes of a service share.

The kernel wakes all of them, and whoever runs first could take a whole burst before another gets a
core. So each accepts one at a time, and one that has more clients than another lets others run
for a moment. (Not by a timer: those of the event loop count whole milliseconds.)

Owns: the reader of a listening socket, and connections until their protocol has been made.
Failure: none; without descriptors the listener rests for a second, and that is told.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from appliance.net.door import Door
from appliance.net.listeners import Listener, plain_address

_STAND_BACK_S = 0.0002
_REST_S = 1.0
_HANDSHAKE_S = 10  # no longer than `smtp.idle_timeout` and `pop.idle_timeout` may be
TLS_BUFFER = 16 << 10  # octets that a connection is read into and keeps: a record of TLS


class Counter(Protocol):
    """Whoever counts clients, those too that have not shaken hands yet."""

    def enter(self, visitor: Any) -> bool:  # noqa: ANN401 - a connection of the service
        """Let a connection in; False when there are too many. Twice is once."""

    def leave(self, visitor: Any) -> None:  # noqa: ANN401 - the same
        """Count a connection out, if it was let in."""


class _Tls(SSLProtocol):
    """TLS from the first octet.

    uvloop's own would read into 256 KiB, and keep them as long as the connection.
    """

    max_size = TLS_BUFFER

    def __init__(
        self, protocol: asyncio.BaseProtocol, context: ssl.SSLContext, counter: Counter
    ) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            protocol,
            context,
            None,  # type: ignore[arg-type] # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=_HANDSHAKE_S,
        )
        self._count_out = partial(counter.leave, protocol)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._count_out()  # nobody else does before the handshake is done


class Acceptor:
    """Accepts the clients of one listener."""

    def __init__(
        self,
        listener: Listener,
        factory: Callable[[str], asyncio.BaseProtocol],
        *,
        context: ssl.SSLContext | None,
        door: Door,
        counter: Counter,
        complain: Callable[[str], None],
    ) -> None:
        """Begin; an event loop must be running.

        Args:
            listener: where.
            factory: makes the protocol of a client's connection; takes its IP address, which the
                socket does not tell any more when the client has hung up already.
            context: of TLS that begins with the first byte.
            door: the service's.
            counter: asked before a handshake, and who is not let in hears nothing; without TLS the
                connection asks itself, and says so.
            complain: takes a sentence when nobody can be accepted.
        """
        self._socket = listener.socket
        self._factory = factory
        self._context = context
        self._door = door
        self._counter = counter
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._ahead_since = 0.0
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
        if self._door.is_ahead and self._stands_back():
            return  # to be called again at once, while somebody waits
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

    def _stands_back(self) -> bool:
        """Let another process run, for a moment."""
        now = time.perf_counter()
        if now - self._ahead_since > 2 * _STAND_BACK_S:  # it was another client
            self._ahead_since = now
        os.sched_yield()
        return now - self._ahead_since < _STAND_BACK_S

    async def _arrive(self, connection: socket.socket, client: str) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        protocol: asyncio.BaseProtocol = self._factory(client)
        if self._context is not None:
            if not self._counter.enter(protocol):
                connection.close()
                return
            protocol = _Tls(protocol, self._context, self._counter)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:
            connection.close()  # it has gone
