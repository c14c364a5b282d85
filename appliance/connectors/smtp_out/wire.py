"""The socket of one outgoing connection: octets in, octets out, TLS when asked.

What has arrived is kept when the peer resets the connection: a server that refuses a content and
hangs up in the middle of it has often said why.

Owns: the transport. Never: knows SMTP.
Failure: OSError from connecting; afterwards an end of the octets, with `fault` saying why.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

_MOST_UNREAD = 256 << 10  # octets, then the peer has to wait
_CLOSE_S = 2.0  # for a TLS goodbye


class Wire(asyncio.Protocol):
    """One connection.

    Attributes:
        sent: octets written since `take_counts`.
        received: octets read since `take_counts`.
        fault: why the connection ended, or empty.
    """

    def __init__(self) -> None:
        """Wait for `connection_made`."""
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self._ended = False
        self.sent = 0
        self.received = 0
        self.fault = ""

    @classmethod
    async def connect(cls, address: str, port: int) -> Wire:
        """Connect to an IP address.

        Raises:
            OSError: it can't be reached.
        """
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(cls, address, port)
        return wire

    async def start_tls(self, context: ssl.SSLContext, name: str | None, timeout_s: float) -> str:
        """Shake hands as a TLS client; returns version and cipher.

        Args:
            context: what is acceptable.
            name: the host's name for SNI, or None.
            timeout_s: how long it may take.

        Raises:
            OSError: it failed (ssl.SSLError is one); the connection is over.
        """
        assert self._transport is not None
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                context,
                server_hostname=name,
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=_CLOSE_S,
            )
            if transport is None:  # closed meanwhile
                raise ConnectionResetError("the connection was lost")
        except BaseException:  # from now on nobody tells this protocol of the end
            self._transport.abort()
            self.connection_lost(None)
            raise
        self._transport = transport
        cipher, version, _ = transport.get_extra_info("cipher") or ("", "TLS", 0)
        return f"{version} {cipher}".strip()

    @property
    def has_unread(self) -> bool:
        """Whether something has arrived that was not read, the end included."""
        return bool(self._unread) or self._ended

    async def read(self) -> bytes:
        """Return what has arrived, after waiting for something; nothing means the end."""
        await self._arrived.wait()
        data = bytes(self._unread)
        self._unread.clear()
        if not self._ended:
            self._arrived.clear()
            if self._transport is not None:
                self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send octets, waiting while the peer is slow; what can't be sent shows in reading."""
        if data and self._transport is not None and not self._ended:
            self.sent += len(data)
            self._transport.write(data)
            await self._writable.wait()

    def take_counts(self) -> tuple[int, int]:
        """Return how many octets were sent and received since the last time."""
        counts = self.sent, self.received
        self.sent = self.received = 0
        return counts

    async def close(self) -> None:
        """Close the connection, with a TLS goodbye if the peer takes part in it."""
        if self._transport is None:
            return
        self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._gone.wait()
        self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what arrives."""
        self.received += len(data)
        self._unread += data
        self._arrived.set()
        if len(self._unread) > _MOST_UNREAD and self._transport is not None:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Note the peer's end; the transport closes then."""
        self._end("the peer closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and let go of whoever waits."""
        self._end(str(exc) if exc else "the connection was lost")
        self._gone.set()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._writable.set()

    def _end(self, fault: str) -> None:
        self.fault = self.fault or fault
        self._ended = True
        self._arrived.set()
        self._writable.set()
