"""The adapter between aiosmtpd and our conversation: one connection's bytes, nothing of SMTP.

Everything the protocol means is in `protocol.smtp_server`, everything the server decides in
`conversation`. aiosmtpd makes the connection's session and carries out STARTTLS; octets go from the
transport to the conversation and back without a stream reader between, within one turn of the loop.

Owns: the socket's buffers. Never: looks into a command.
Failure: whatever a conversation raises ends the connection through its `Host`.
"""

from __future__ import annotations

import asyncio
import copy
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from aiosmtpd.smtp import SMTP

from appliance.net.accepting import TLS_BUFFER
from appliance.net.listeners import Listener

_LINES_A_TURN = 50  # answered before other connections have theirs
_MAX_RECEIVED = 64 << 10  # octets that wait while something is under way; then reading pauses


class Talk(Protocol):
    """What is said on a connection; the adapter calls it with what has come."""

    @property
    def line_limit(self) -> int:
        """Octets that a line may have, its CRLF counted."""

    @property
    def takes_content(self) -> bool:
        """Octets are wanted as they come, not lines."""

    def foresee(self, lines: Sequence[bytes]) -> None:
        """Hear of lines that follow at once; of none when they have been answered."""

    def receive_line(self, line: bytes | None) -> None:
        """Take a line without its CRLF; None for one longer than the limit."""

    def receive_content(self, octets: bytes) -> bytes:
        """Take octets; returns those that belong to the next line."""

    def gone(self, error: Exception | None) -> None:
        """Hear that the client is not there any more."""


class Host(Protocol):
    """Who begins and ends what is said on connections."""

    def enter(self, adapter: Adapter) -> Talk | None:
        """Begin with a new connection; None when it was turned away."""

    def leave(self, adapter: Adapter) -> None:
        """End with a connection that is closed."""

    def fail(self, adapter: Adapter, error: BaseException) -> None:
        """Hear of an error that nobody foresaw; hang up."""


class Adapter(SMTP):
    """One connection.

    Attributes:
        client: the client's IP address.
        listener: where the client came in.
        active_at: the loop's time when the client last sent something.
    """

    def __init__(self, host: Host, listener: Listener, *, tls: ssl.SSLContext | None) -> None:
        """Make the pattern of a listener's connections, see `connection`.

        Args:
            host: begins and ends what is said.
            listener: where clients come in.
            tls: context for STARTTLS, or None.
        """
        super().__init__(
            object(), hostname="unused", tls_context=tls, loop=asyncio.get_running_loop()
        )
        SSLProtocol.max_size = TLS_BUFFER  # for aiosmtpd's STARTTLS; by itself it is 256 KiB
        self._host = host
        self._talk: Talk | None = None
        self._received = b""
        self._at = 0  # how much of it has been taken
        self._is_skipping = False  # the rest of a line that is too long
        self._has_ended = False  # the client sends no more
        self._outgoing: list[bytes] = []
        self._is_paused = False  # the client does not read
        self._under_way: asyncio.Future[Any] | None = None
        self.client = ""
        self.listener = listener
        self.active_at = 0.0

    def connection(self, client: str) -> Adapter:
        """Return a client's new connection of this pattern.

        aiosmtpd's constructor looks for hooks and mechanisms by reflection, which takes longer than
        to receive a message.
        """
        made = copy.copy(self)
        made._outgoing = []  # noqa: SLF001 - a copy of this object
        made.client = client
        return made

    @property
    def cipher(self) -> str:
        """TLS version and cipher of the connection, or empty."""
        tls = self.transport.get_extra_info("ssl_object") if self.transport else None
        return f"{tls.version()} {tls.cipher()[0]}" if tls is not None else ""

    @property
    def is_busy(self) -> bool:
        """A command is being carried out, or content is coming."""
        return self._under_way is not None or (self._talk is not None and self._talk.takes_content)

    # what the conversation uses

    def send(self, octets: bytes) -> None:
        """Have octets sent, at the latest when all that has come is answered."""
        self._outgoing.append(octets)

    def flush(self) -> None:
        """Send what waits."""
        if self._outgoing:
            octets = self._outgoing[0] if len(self._outgoing) == 1 else b"".join(self._outgoing)
            self._outgoing.clear()
            if self.transport is not None and not self.transport.is_closing():
                self.transport.write(octets)  # type: ignore[attr-defined] # of a socket's transport

    def wait_for(self, what: Awaitable[Any], then: Callable[[asyncio.Future[Any]], None]) -> None:
        """Go on with the next line when something is done; `then` looks at it first."""

        def done(future: asyncio.Future[Any]) -> None:
            self._under_way = None
            try:
                then(future)
            except Exception as error:  # noqa: BLE001 - the session's boundary
                self._host.fail(self, error)
            else:
                self._work()

        self._under_way = asyncio.ensure_future(what)
        self._under_way.add_done_callback(done)

    async def start_tls(self) -> None:
        """Upgrade the connection; what was sent ahead of the handshake is thrown away.

        Raises:
            OSError: the handshake failed; the connection is closed.
        """
        self.flush()
        self._received, self._at = b"", 0  # RFC 3207 §6: commands injected before the handshake
        assert self.transport is not None
        self.transport.resume_reading()  # type: ignore[attr-defined] # of a socket's transport
        try:
            await self.smtp_STARTTLS("")
        except Exception as error:
            self.connection_lost(error)  # nobody else says so before a handshake is done
            raise ConnectionAbortedError(str(error.__cause__ or error)) from error

    def hang_up(self, farewell: bytes = b"") -> None:
        """Close the connection, with a last line."""
        # to close an SSL transport twice would break it
        if self.transport is not None and not self.transport.is_closing():
            if farewell:
                self.send(farewell)
            self.flush()
            self.transport.close()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or go on over the transport that encrypts.

        aiosmtpd would make a stream reader, a writer and a task for each connection.
        """
        self.transport = transport
        if self._original_transport is not None:
            return
        self.active_at = self.loop.time()
        try:
            self._talk = self._host.enter(self)
            self.flush()
        except Exception as error:  # noqa: BLE001 - the session's boundary
            self._host.fail(self, error)

    def data_received(self, data: bytes) -> None:
        """Take octets and answer what is complete."""
        self.active_at = self.loop.time()
        if self._at < len(self._received):
            data = self._received[self._at :] + data
        self._received, self._at = data, 0
        if self._talk is not None:
            self._work()
        if len(self._received) - self._at > _MAX_RECEIVED and self.transport is not None:
            self.transport.pause_reading()  # type: ignore[attr-defined] # of a socket's transport

    def eof_received(self) -> bool:
        """Keep answering a client that has sent all it wants to (a half-closed connection)."""
        self._has_ended = True
        self._work()
        # an SSL transport can't stay half open
        return not self.listener.tls and self._original_transport is None

    def pause_writing(self) -> None:
        """Stop answering: the client does not read."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on answering."""
        self._is_paused = False
        # not at once: the transport is in the middle of its own writing
        self.loop.call_soon(self._work)

    def connection_lost(self, error: Exception | None) -> None:
        """Let everything go."""
        if self._original_transport is not None:
            self._original_transport.close()
        self.transport = None
        talk, self._talk = self._talk, None  # a ring of references would wait for the collector
        if talk is not None:
            talk.gone(error)
        self._host.leave(self)

    def _work(self) -> None:
        """Answer what is at hand, as long as the client reads and nothing is under way."""
        try:
            talk, group = self._talk, self._group()
            if group and talk is not None:
                talk.foresee(group)
                is_done = self._answer()
                talk.foresee(())
            else:
                is_done = self._answer()
            self.flush()
        except Exception as error:  # noqa: BLE001 - the session's boundary
            self._host.fail(self, error)
            return
        if self.transport is None or self.transport.is_closing():
            return
        if self._under_way is not None or self._is_paused:
            return
        if not is_done:
            self.loop.call_soon(self._work)  # after others
        elif self._has_ended:
            self.hang_up()
        else:
            self.transport.resume_reading()  # type: ignore[attr-defined] # as above

    def _group(self) -> Sequence[bytes]:
        """Return lines that were sent without waiting for answers (RFC 2920); none where one is."""
        if self._talk is None or self._talk.takes_content:
            return ()
        if self._received.count(b"\r\n", self._at) < 2:
            return ()
        return self._received[self._at :].split(b"\r\n", _LINES_A_TURN)[:-1]

    def _answer(self) -> bool:
        """Hand over lines and content; returns False when others should have a turn first."""
        lines = 0
        while (
            (talk := self._talk) is not None
            and self._under_way is None
            and not self._is_paused
            and self.transport is not None
            and not self.transport.is_closing()
        ):
            if talk.takes_content:
                octets = self._received[self._at :] if self._at else self._received
                if not octets:
                    break
                self._received, self._at = b"", 0
                self._received = talk.receive_content(octets)
                continue
            end = self._received.find(b"\r\n", self._at)  # RFC 5321 §2.3.8: nothing else ends it
            if end < 0:
                self._skip(talk.line_limit)
                break
            if lines == _LINES_A_TURN:
                return False
            lines += 1
            size = end + 2 - self._at
            line = self._received[self._at : end]
            self._at = end + 2
            is_too_long = self._is_skipping or size > talk.line_limit
            self._is_skipping = False
            talk.receive_line(None if is_too_long else line)
            if len(self._outgoing) > _LINES_A_TURN:
                self.flush()
        return True

    def _skip(self, limit: int) -> None:
        """Let go of a line that is too long already, but for a CR that may be half of its end."""
        if len(self._received) - self._at > limit:
            self._is_skipping = True
            self._received, self._at = self._received[-1:], 0

    async def push(self, status: bytes | str) -> None:
        """Leave aiosmtpd's own answers out: the engine has answered already."""
