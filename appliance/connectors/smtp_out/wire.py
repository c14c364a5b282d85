"""The socket of one outgoing connection: octets in, octets out, TLS when asked.

What has arrived is kept when the peer resets the connection: a server that refuses a content and
hangs up in the middle of it has often said why.

Owns: the transport, one timer. Never: knows SMTP.
Failure: OSError from connecting; afterwards an end of the octets, with `fault` saying why.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

_MOST_UNREAD = 256 << 10  # octets, then the peer has to wait
_CLOSE_S = 2.0  # for a TLS goodbye


class Wire(asyncio.Protocol):
    """One connection, used by one task.

    Attributes:
        sent: octets written since `take_counts`.
        received: octets read since `take_counts`.
        fault: why the connection ended, or empty.
    """

    def __init__(self) -> None:
        """Wait for `connection_made`."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._is_held = False  # the peer has to wait
        self._is_full = False  # we have to wait
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0  # of the waiter
        self._timer: asyncio.TimerHandle | None = None
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
            transport = await self._loop.start_tls(
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

    async def read(self, timeout_s: float) -> bytes:
        """Return what has arrived, after waiting for something; nothing means the end.

        Args:
            timeout_s: how long may be waited; then the connection has ended.
        """
        if not self.has_unread:
            deadline = self._loop.time() + timeout_s
            while not self.has_unread:
                await self._wait(deadline)
        data, self._unread = self._unread, b""
        if self._is_held and self._transport is not None:
            self._is_held = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes, timeout_s: float) -> None:
        """Send octets, waiting while the peer is slow; what can't be sent shows in reading.

        Args:
            data: the octets.
            timeout_s: how long the peer may be slow; then the connection has ended.
        """
        if not data or self._transport is None or self._ended:
            return
        self.sent += len(data)
        self._transport.write(data)
        if self._is_full:
            deadline = self._loop.time() + timeout_s
            while self._is_full:
                await self._wait(deadline)

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
        self._disarm()

    # Waiting: one timer stays armed over many waits, for setting one each time costs more

    async def _wait(self, deadline: float) -> None:
        """Wait until something has changed, or the connection has ended by the deadline."""
        self._deadline = deadline
        if self._timer is None or self._timer.when() > deadline:
            self._disarm()
            self._timer = self._loop.call_at(deadline, self._look_at_clock)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._deadline:
            self._end("timed out")
        else:
            self._timer = self._loop.call_at(self._deadline, self._look_at_clock)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the event loop calls

    def connection_made(  # type: ignore[override] # a socket's transport
        self, transport: asyncio.Transport
    ) -> None:
        """Remember the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what arrives."""
        self.received += len(data)
        self._unread += data
        self._wake()
        if len(self._unread) > _MOST_UNREAD and self._transport is not None:
            self._is_held = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Note the peer's end; the transport closes then."""
        self._end("the peer closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and let go of whoever waits."""
        self._end(str(exc) if exc else "the connection was lost")
        self._disarm()
        self._gone.set()

    def pause_writing(self) -> None:
        """Let writers wait."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._is_full = False
        self._wake()

    def _end(self, fault: str) -> None:
        self.fault = self.fault or fault
        self._ended = True
        self._is_full = False
        self._wake()
