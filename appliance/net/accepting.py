"""Accepting connections at sockets that several processes of a service share.

Owns: the readers of the listening sockets, and connections until their protocol has been made.
Failure: none; without descriptors a listener rests for a second, and that is told.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from appliance.net.door import Door
from appliance.net.listeners import Listener, plain_address

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
    """Accepts the clients of a service in one of its processes."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        factory: Callable[[Listener, str], asyncio.BaseProtocol],
        *,
        context: ssl.SSLContext,
        door: Door,
        counter: Counter,
        complain: Callable[[str], None],
    ) -> None:
        """Begin; an event loop must be running.

        Args:
            listeners: where; the same in all processes.
            factory: makes the protocol of a client's connection; takes where it came in and its IP
                address, which the socket does not tell any more when the client has hung up.
            context: of TLS that begins with the first byte.
            door: the service's.
            counter: asked before a handshake, and who is not let in hears nothing; without TLS the
                connection asks itself, and says so.
            complain: takes a sentence when nobody can be accepted.
        """
        self._listeners = listeners
        self._factory = factory
        self._context = context
        self._door = door
        self._counter = counter
        self._complain = complain
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pauses: dict[int, asyncio.TimerHandle] = {}
        for number in range(len(listeners)):
            self._go_on(number)
        self._loop.add_reader(door.handed, self._take)
        door.come()

    def stop(self) -> None:
        """Accept nobody any more: who waits is the next process's."""
        self._door.go()
        for pause in self._pauses.values():
            pause.cancel()
        for listener in self._listeners:
            self._loop.remove_reader(listener.socket)
        self._loop.remove_reader(self._door.handed)
        self._take()

    def _go_on(self, number: int) -> None:
        self._loop.add_reader(self._listeners[number].socket, self._accept, number)

    def _accept(self, number: int) -> None:
        listener = self._listeners[number].socket
        try:
            connection, peer = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another process was quicker, or the client has gone
        except OSError as error:
            self._complain(f"no connection can be accepted: {error.strerror}")
            self._loop.remove_reader(listener)
            self._pauses[number] = self._loop.call_later(_REST_S, self._go_on, number)
            return
        client = plain_address(peer[0])
        if not self._door.hand_on(connection, f"{number} {client}".encode()):
            self._begin(number, client, connection)

    def _take(self) -> None:
        try:
            while (taken := self._door.take()) is not None:
                connection, about = taken
                number, client = about.decode().split()
                self._begin(int(number), client, connection)
        except OSError as error:
            self._complain(f"a connection could not be taken: {error.strerror}")

    def _begin(self, number: int, client: str, connection: socket.socket) -> None:
        task = self._loop.create_task(self._arrive(self._listeners[number], client, connection))
        self._arriving.add(task)
        task.add_done_callback(self._arrived)
        self._door.arrives(1)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        self._door.arrives(-1)

    async def _arrive(self, listener: Listener, client: str, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the standard library's
        protocol = entered = self._factory(listener, client)
        if listener.tls:
            if not self._counter.enter(entered):
                connection.close()
                return
            protocol = _Tls(entered, self._context, self._counter)
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection)
        except OSError:  # it has gone
            connection.close()
            if listener.tls:
                self._counter.leave(entered)
