"""Accepting connections."""

from __future__ import annotations

import asyncio
import socket
import ssl

import uvloop

from appliance.net.accepting import Acceptor
from appliance.net.door import Door
from appliance.net.listeners import Listener


class Everybody:
    """Lets everybody in."""

    def enter(self, visitor: object) -> bool:
        return True

    def leave(self, visitor: object) -> None:
        """Nobody counts."""


def test_an_answer_is_sent_at_once() -> None:
    """Two small writes, as a TLS session's tickets and a greeting, wait 40 ms by RFC 896."""

    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            bound.setblocking(False)
            made: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

            class Caller(asyncio.Protocol):
                def __init__(self, came_in: Listener, client: str) -> None:
                    assert (came_in, client) == (listener, "127.0.0.1")

                def connection_made(self, transport: asyncio.BaseTransport) -> None:
                    made.set_result(transport)

            listener = Listener("smtp", bound, bound.getsockname()[1], tls=False)
            acceptor = Acceptor(
                [listener],
                Caller,
                context=ssl.create_default_context(),
                door=Door(),
                counter=Everybody(),
                complain=print,
            )
            _, writer = await asyncio.open_connection(*bound.getsockname())
            transport = await asyncio.wait_for(made, 10)
            found = transport.get_extra_info("socket")
            assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            acceptor.stop()
            transport.close()
            writer.close()

    uvloop.run(scene())
