"""The adapter between aiosmtpd and our conversation: one connection's bytes, nothing of SMTP.

Everything the protocol means is in `protocol.smtp_server`, everything the server decides in
`conversation`. What stays of aiosmtpd is the connection: streams, task, and STARTTLS under way.

Owns: the socket's buffers. Never: looks into a command. Failure: `ConnectionGone`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from aiosmtpd.smtp import SMTP

from appliance.net.listeners import plain_address

_BLOCK = 64 << 10
_LINES_A_TURN = 50  # answered before other connections have theirs


class ConnectionGone(Exception):
    """The client has hung up or was hung up on."""


class _NoTimer:
    """Stands where aiosmtpd keeps a timer per command; the service looks after silent clients."""

    def cancel(self) -> None:
        """Do nothing."""


class Adapter(SMTP):
    """One connection.

    Attributes:
        client: the client's IP address.
        port: the port the client came to.
        sent: octets sent so far.
        is_busy: a command is being carried out; False while the next one is waited for.
        active_at: the loop's time when the client last sent something.
    """

    def __init__(
        self, converse: Callable[[Adapter], Any], *, tls: ssl.SSLContext | None, port: int
    ) -> None:
        """Take what is to be said.

        Args:
            converse: makes the conversation of a new connection.
            tls: context for STARTTLS, or None.
            port: the port the client came to, for the log.
        """
        super().__init__(
            object(), hostname="unused", tls_context=tls, loop=asyncio.get_running_loop()
        )
        self._converse = converse
        self._received = bytearray()
        self._outgoing: list[bytes] = []
        self._lines = 0
        self.client = ""
        self.port = port
        self.sent = 0
        self.is_busy = False
        self.active_at = self.loop.time()

    @property
    def cipher(self) -> str:
        """TLS version and cipher of the connection, or empty."""
        tls = self.transport.get_extra_info("ssl_object") if self.transport else None
        return f"{tls.version()} {tls.cipher()[0]}" if tls is not None else ""

    async def line(self, limit: int) -> bytes | None:
        """Return the next line without its CRLF; None for one longer than the limit, skipped.

        What waits to be sent is sent first, when there is no further line at hand: answers to
        pipelined commands share a packet (RFC 2920 §3.2).

        Raises:
            ConnectionGone: there is none.
        """
        self._lines += 1
        if self._lines % _LINES_A_TURN == 0:
            await self.flush()
            await asyncio.sleep(0)
        too_long = False
        while (end := self._received.find(b"\r\n")) < 0:  # RFC 5321 §2.3.8: nothing else ends it
            if len(self._received) > limit:
                too_long = True
                del self._received[:-1]  # the last octet may be the CR of its end
            await self.flush()
            self.is_busy = False
            await self._fill()
        self.is_busy = True
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return None if too_long or end + 2 > limit else line

    async def block(self) -> bytes:
        """Return octets as they come, at least one.

        Raises:
            ConnectionGone: there are none.
        """
        if not self._received:
            await self.flush()
            await self._fill()
        block = bytes(self._received)
        self._received.clear()
        return block

    def unread(self, octets: bytes) -> None:
        """Put back what belongs to the next command."""
        self._received[:0] = octets

    def send(self, octets: bytes) -> None:
        """Have octets sent with the next flush."""
        self._outgoing.append(octets)

    async def flush(self) -> None:
        """Send what waits; slow readers are waited for."""
        if self._outgoing:
            octets = b"".join(self._outgoing)
            self._outgoing.clear()
            self.sent += len(octets)
            self._writer.write(octets)
            try:
                await self._writer.drain()
            except ConnectionError as error:
                raise ConnectionGone from error

    async def start_tls(self) -> None:
        """Upgrade the connection; what was sent ahead of the handshake is thrown away.

        Raises:
            ConnectionGone: the handshake failed.
        """
        await self.flush()
        self._received.clear()  # RFC 3207 §6: commands injected before the handshake
        try:
            await self.smtp_STARTTLS("")
        except Exception as error:
            raise ConnectionGone from error

    def hang_up(self, farewell: bytes = b"") -> None:
        """Close the connection, with a last line."""
        if self.transport is not None:
            if farewell:
                self._writer.write(farewell)
            self.transport.close()

    async def push(self, status: bytes | str) -> None:
        """Leave aiosmtpd's own answers out: the engine has answered already."""

    async def _fill(self) -> None:
        try:
            octets = await self._reader.read(_BLOCK)
        except ConnectionError as error:
            raise ConnectionGone from error
        if not octets:
            raise ConnectionGone
        self.active_at = self.loop.time()
        self._received += octets

    async def _handle_client(self) -> None:
        assert self.transport is not None
        self.client = plain_address(str(self.transport.get_extra_info("peername")[0]))
        try:
            await self._converse(self)
        finally:
            self.hang_up()

    def _reset_timeout(self, duration: float | None = None) -> None:  # noqa: ARG002 - aiosmtpd's
        self._timeout_handle = _NoTimer()  # type: ignore[assignment] # all it is asked is to cancel

    def eof_received(self) -> bool:
        """Keep answering a client that has sent all it wants to (a half-closed connection)."""
        self._reader.feed_eof()
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is None
