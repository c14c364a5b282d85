"""One SMTP session with a remote host: the engine's shell.

Standards: RFC 5321 §4.5.3.2 (time-outs), RFC 3207 (STARTTLS), RFC 7435 (opportunistic TLS),
    RFC 8314 §3.3 (TLS from the first octet, at port 465).
Owns: a wire and an engine.
Never: chooses hosts, decides about results.
Failure: `Unreachable` until the session is ready; afterwards each recipient has its result.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from appliance.connectors.smtp_out.route import Host, Login
from appliance.connectors.smtp_out.wire import Wire
from appliance.database.content import Content
from appliance.mail.envelope import Envelope
from appliance.mail.reply import Reply
from appliance.protocol import LocalProtocolError, smtp_client
from appliance.protocol.smtp_client import RecipientResult, SmtpClient, TlsPolicy
from appliance.protocol.smtp_data import DataWriter
from appliance.runtime import steps
from appliance.runtime.logs import Exchange, Logs

_SUBMISSIONS = 465  # RFC 8314 §3.3
_PIECE = 32 << 10  # octets
_GOODBYE_S = 5.0  # for the answer to QUIT, which nothing depends on
_Wait: TypeAlias = Callable[[], Awaitable[None]]
_UNAGREED = ("EHLO", "HELO", "STARTTLS")


class Unreachable(Exception):
    """No session came about.

    Attributes:
        reply: the peer's, where it gave one.
        tls: the reason is TLS: not offered where it is required, or its handshake failed.
    """

    def __init__(self, text: str, *, reply: Reply | None = None, tls: bool = False) -> None:
        super().__init__(text)
        self.reply = reply
        self.tls = tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How sessions are held.

    Attributes:
        helo: this server's name.
        tls: never, opportunistic or required.
        login: name and password for AUTH, or None.
        timeout_s: for the connection and for each answer.
    """

    helo: str
    tls: TlsPolicy
    login: Login | None
    timeout_s: float

    @property
    def needs_tls(self) -> bool:
        """Whether nothing is sent in clear text: a password is not, unless TLS is never used."""
        return self.tls == "required" or (self.tls != "never" and self.login is not None)


class Session:
    """A session with one host.

    Attributes:
        host: whom it is with.
        tls: version and cipher in use, or empty.
        messages: how many it has carried.
        closed: it is over.
    """

    def __init__(self, host: Host, manner: Manner, wire: Wire, logs: Logs) -> None:
        """Take a wire that stands."""
        at_once = host.port == _SUBMISSIONS and manner.tls != "never"
        self.host = host
        self.tls = ""
        self.messages = 0
        self._manner = manner
        self._wire = wire
        self._logs = logs
        self._engine = SmtpClient(
            helo=manner.helo, tls="never" if at_once else manner.tls, login=manner.login
        )
        self._tls_at_once = at_once
        self._events: deque[smtp_client.Event] = deque()
        self._last: smtp_client.Exchange | None = None
        self._said: list[str] = []
        self._entry_id = ""
        self._busy = False

    @classmethod
    async def open(cls, host: Host, manner: Manner, logs: Logs, *, entry_id: str) -> Session:
        """Connect, and go as far as a message can be sent.

        Args:
            host: whom to call.
            manner: how.
            logs: where exchanges go.
            entry_id: the first message, for the log.

        Raises:
            Unreachable: there is no connection, or the host or we refused the session.
        """
        try:
            started = time.perf_counter()
            async with asyncio.timeout(manner.timeout_s):
                wire = await Wire.connect(host.address, host.port)
            logs.detail(f"connected to {host}", message_id=entry_id, started=started)
        except TimeoutError:
            raise Unreachable("no connection in time") from None
        except OSError as error:
            raise Unreachable(_why(error)) from error
        steps.reach("sender.connected")
        session = cls(host, manner, wire, logs)
        session._entry_id = entry_id
        try:
            await session._begin()
        except BaseException:
            await wire.close()
            raise
        return session

    @property
    def closed(self) -> bool:
        """Whether no further message can be sent."""
        return self._engine.closed

    @property
    def reports_delivery(self) -> bool:
        """Whether the host takes over the reports that a sender asked for (RFC 3461 §5.2.2)."""
        return "DSN" in self._engine.extensions

    def said(self, reply: Reply) -> bool:
        """Whether a result's reply is the host's own, not one that stands for its silence."""
        return reply.text in self._said

    async def send(
        self,
        entry_id: str,
        envelope: Envelope,
        content: Content,
        *,
        ends_after: _Wait | None = None,
    ) -> tuple[RecipientResult, ...]:
        """Send a message; returns one result for each of the envelope's recipients.

        Args:
            entry_id: for the log.
            envelope: with one recipient at least.
            content: the message.
            ends_after: waits for what has to be done before the host may take the message.
        """
        self._entry_id = entry_id
        self._said.clear()
        self._busy = True
        self._events += self._engine.send(envelope, content.size)
        while True:
            match await self._next():
                case smtp_client.ContentWanted():
                    await self._stream(content, ends_after)
                case smtp_client.Done(results):
                    self.messages += 1
                    self._busy = False
                    return results
                case other:
                    raise LocalProtocolError(f"{other} while sending")

    async def close(self) -> None:
        """Say goodbye where that is possible, and close the connection."""
        if not self._engine.closed and not self._busy:
            self._engine.quit()
            while not self._engine.closed:
                self._events += await self._exchange(_GOODBYE_S)
        for event in self._events:
            if isinstance(event, smtp_client.Exchange):
                self._log(event)
        await self._wire.close()

    async def _begin(self) -> None:
        if self._tls_at_once:
            await self._shake_hands()
        self._engine.start()
        while True:
            match await self._next():
                case smtp_client.Ready():
                    return
                case smtp_client.TlsWanted():
                    await self._shake_hands()
                    self._engine.tls_started()
                case smtp_client.Closed(reply, reason):
                    await self._write(self._engine.data_to_send())  # QUIT
                    text = f"{reason}: {reply}" if reply else reason
                    raise Unreachable(text, reply=reply, tls=self._is_about_tls())
                case other:
                    raise LocalProtocolError(f"{other} while opening")

    async def _shake_hands(self) -> None:
        name = self.host.name.rstrip(".") if self.host.has_name else None
        started = time.perf_counter()
        try:
            if self._wire.has_unread:  # RFC 3207 §5: clear text after the go-ahead may be anybody's
                raise ssl.SSLError("clear text came after STARTTLS was agreed to")
            self.tls = await self._wire.start_tls(_context(), name, self._manner.timeout_s)
        except OSError as error:
            text = f"the TLS handshake failed: {_why(error)}"
            raise Unreachable(text, tls=not self._tls_at_once) from error
        text = f"TLS with {self.host}: {self.tls}"
        self._logs.detail(text, message_id=self._entry_id, started=started)

    def _is_about_tls(self) -> bool:
        """Whether a session that needs TLS, perhaps for a password, ended on the way to it."""
        last = self._last
        if not self._manner.needs_tls or self.tls or last is None:
            return False
        return last.command in _UNAGREED and (last.command == "STARTTLS" or last.reply.is_positive)

    async def _stream(self, content: Content, ends_after: _Wait | None) -> None:
        """Send the content, listening all the while: the host may refuse it in the middle."""
        writer = DataWriter()
        octets = b""  # written with what follows: a short message with its end is one packet
        try:
            async with aclosing(_pieces(content)) as pieces:
                async for piece in pieces:
                    await self._write(octets)
                    octets = writer.write(piece)
                    if self._wire.has_unread:
                        self._events += await self._exchange(self._manner.timeout_s)
                    if self._engine.closed:
                        return
        except OSError as error:  # half a content is never ended as if it were whole
            self._events += self._engine.connection_lost(f"the content can't be read: {error}")
            return
        if ends_after is not None:
            await ends_after()
        if self._wire.has_unread:
            self._events += await self._exchange(self._manner.timeout_s)
        if not self._engine.closed:
            await self._write(octets + writer.end())
        self._events += self._engine.content_sent()

    async def _next(self) -> smtp_client.Event:
        """Return the next event, exchanging octets until there is one; logs what it meets."""
        while True:
            while self._events:
                event = self._events.popleft()
                if not isinstance(event, smtp_client.Exchange):
                    return event
                self._log(event)
            if self._engine.closed:
                raise LocalProtocolError("nothing comes from a session that is over")
            self._events += await self._exchange(self._manner.timeout_s)

    async def _exchange(self, timeout_s: float) -> Iterable[smtp_client.Event]:
        """Send what the engine has to say, and take what comes next."""
        await self._wire.write(self._engine.data_to_send(), timeout_s)
        data = await self._wire.read(timeout_s)
        return (
            self._engine.receive(data) if data else self._engine.connection_lost(self._wire.fault)
        )

    async def _write(self, data: bytes) -> None:
        await self._wire.write(data, self._manner.timeout_s)

    def _log(self, exchange: smtp_client.Exchange) -> None:
        self._last = exchange
        self._said.append(exchange.reply.text)
        sent, received = self._wire.take_counts()
        self._logs.exchange(
            Exchange(
                kind="SMTP-OU",
                message_id=self._entry_id,
                port=self.host.port,
                remote=self.host.address,
                command=exchange.command,
                details=exchange.detail,
                response=str(exchange.reply),
                sent=sent,
                received=received,
                login=self._manner.login[0] if self._manner.login else "",
            )
        )


async def _pieces(content: Content) -> AsyncGenerator[bytes, None]:
    """Yield a content's octets; a file is read on a thread, for a disk may keep one waiting.

    The pieces are small, so that a slow line moves one well within a time-out.
    """
    chunks = content.chunks()
    while True:
        chunk = (
            next(chunks, b"")
            if content.path is None
            else await asyncio.to_thread(next, chunks, b"")
        )
        if not chunk:
            return
        for start in range(0, len(chunk), _PIECE):
            yield chunk[start : start + _PIECE]


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 §3.1.1
    context.check_hostname = False  # RFC 7435 §3: better unchecked than in clear text
    context.verify_mode = ssl.CERT_NONE
    return context


def _why(error: OSError) -> str:
    """Say in a few words what went wrong with a connection."""
    if isinstance(error, ssl.SSLError):
        return str(error.reason or error)
    return os.strerror(error.errno).lower() if error.errno else str(error) or type(error).__name__
