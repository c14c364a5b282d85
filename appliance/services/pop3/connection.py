"""One POP3 connection: bytes between the socket and the engine, messages from the store.

Answers to pipelined commands gather and leave in one write; a client that does not read stops being
answered until it does. What takes a disk's or a hash's time runs beside the event loop.

Standards: RFC 1939, RFC 2449 §6.6 (PIPELINING), RFC 2595.
Owns: the socket, the maildrop's lock. Never: deletes before QUIT.
Failure: a store that can't be read is -ERR [SYS/TEMP]; an unforeseen error too, and a log record.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import traceback
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from appliance.database.errors import DatabaseError
from appliance.journey.event import Event as JourneyEvent
from appliance.journey.event import Kind
from appliance.journey.reason import Outcome
from appliance.net.listeners import Listener, plain_address
from appliance.protocol.pop3 import Pop3Server, retr_header, top
from appliance.protocol.pop3_events import Event, Login, Quit, Respond, Retr, TlsRequested, Top
from appliance.protocol.smtp_data import DataWriter, stuff
from appliance.runtime import steps
from appliance.runtime.logs import Exchange
from appliance.services.pop3.maildrop import InboxMaildrop
from appliance.settings import auth
from appliance.store.message import Message

if TYPE_CHECKING:
    from appliance.services.pop3.service import Pop3Service

_MAX_BUFFER = 64 << 10
_MAX_OUTGOING = 256 << 10
_TOP_MAX = 1 << 20  # octets looked at for TOP
_EVENTS_A_BATCH = 100
_MAX_ERRORS = 20


class Pop3Connection(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_buffer", "_engine", "_happened", "_has_ended", "_is_paused", "_listener", "_maildrop",
        "_outgoing", "_service", "_skipped", "_task", "_transport", "_writable", "active_at",
        "client", "login",
    )  # fmt: skip

    def __init__(self, service: Pop3Service, listener: Listener) -> None:
        """Belong to a service."""
        self._service = service
        self._listener = listener
        self._engine: Pop3Server | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._skipped = 0  # octets of a line that is too long
        self._has_ended = False  # the client sends no more
        self._outgoing: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._is_paused = False
        self._writable: asyncio.Event | None = None
        self._maildrop: InboxMaildrop | None = None
        self._happened: list[tuple[Kind, str]] = []
        self.client = ""
        self.login = ""
        self.active_at = service.front.now()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or turn away."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._engine is not None:  # the same connection, now with TLS
            return
        self.client = plain_address(str(transport.get_extra_info("peername")[0]))
        if not self._service.front.enter(self):
            transport.write(b"-ERR [SYS/TEMP] too many connections, please try again later\r\n")
            transport.close()
            return
        settings = self._service.house.settings
        self._engine = Pop3Server(
            hostname=self._service.house.local_domain,
            tls=not self._listener.tls,
            tls_active=transport.get_extra_info("ssl_object") is not None,
            password_without_tls=settings[auth.without_tls],
            max_errors=_MAX_ERRORS,
            implementation="Posthouse",
        )
        transport.write(self._engine.greeting())
        if self._service.logs.is_verbose:
            port = self._listener.port
            text = f"{self.client} has connected to port {port}, {_secured(transport)}"
            self._service.logs.detail(text)

    def data_received(self, data: bytes) -> None:
        """Take bytes and answer what is complete."""
        self.active_at = self._service.front.now()
        self._buffer += data
        if len(self._buffer) > _MAX_BUFFER and self._transport is not None:
            self._transport.pause_reading()
        self._work()

    def pause_writing(self) -> None:
        """Stop answering: the client does not read."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on answering."""
        self._is_paused = False
        if self._writable is not None:
            self._writable.set()
        # not at once: the transport is in the middle of its own writing
        asyncio.get_running_loop().call_soon(self._work)

    def eof_received(self) -> bool:
        """Answer what has been sent, then close (RFC 1939 §3: without QUIT nothing is deleted)."""
        self._has_ended = True
        is_tls = self._engine is not None and self._engine.tls_active
        return (self._task is not None or self._is_paused) and not is_tls

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Let the maildrop go."""
        self._transport = None
        if self._writable is not None:
            self._writable.set()
        if self._task is None:
            self._release()
        self._service.front.leave(self)

    # commands

    def hang_up(self, farewell: bytes = b"") -> None:
        """Close the connection, with a last line."""
        if self._transport is not None:
            if farewell:
                self._transport.write(farewell)
            self._transport.close()

    def _work(self) -> None:
        """Answer the complete lines at hand, as long as the client reads."""
        engine = self._engine
        while engine is not None and self._may_answer() and (found := self._line(engine)):
            line, size = found
            try:
                event = engine.line_too_long() if line is None else engine.receive_line(line)
                self._answer(engine, event, size)
            except DatabaseError as error:  # the line is known to be a command on the maildrop
                verb = (line or b"").partition(b" ")[0].decode("ascii", "replace")
                self._fail(verb.upper(), str(error), size)
            except Exception:  # noqa: BLE001 - the session's boundary
                self._fail("?", f"a session failed: {traceback.format_exc()}", size)
                self._flush()
                self.hang_up()
                return
            if self._octets_waiting() > _MAX_OUTGOING:
                self._flush()
        self._flush()
        if self._transport is None:
            return
        if self._has_ended and self._may_answer():
            self.hang_up()
        elif len(self._buffer) <= _MAX_BUFFER:
            self._transport.resume_reading()

    def _may_answer(self) -> bool:
        """Whether the client is there and reads, and nothing is under way."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._task is None and not self._is_paused

    def _line(self, engine: Pop3Server) -> tuple[bytes | None, int] | None:
        """Take the next line, None when it is too long, and its size; None when there is none."""
        end = self._buffer.find(b"\n")
        if end < 0:
            if len(self._buffer) > engine.line_limit:
                self._skipped += len(self._buffer)
                self._buffer = b""
            return None
        line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
        size, self._skipped = self._skipped + end + 1, 0
        return (None if size > engine.line_limit else line.removesuffix(b"\r")), size

    def _answer(self, engine: Pop3Server, event: Event, size: int) -> None:
        match event:
            case Respond():
                self._send(event, event.data, size)
                if event.close:
                    self._flush()
                    self.hang_up()
            case Retr():
                self._retrieve(event, size)
            case Top():
                message = self._read(event.number)
                if message is None:
                    self._send(event, b"-ERR [SYS/PERM] the message has been deleted\r\n", size)
                else:
                    octets = message.prefix + message.content.read(_TOP_MAX)
                    self._send(event, top(octets, event.lines), size)
            case Login():
                self._start(self._log_in(engine, event, size))
            case TlsRequested():
                self._start(self._start_tls(engine, event, size))
            case Quit():
                self._start(self._quit(engine, event, size))

    def _retrieve(self, event: Retr, size: int) -> None:
        message = self._read(event.number)
        if message is None:
            self._send(event, b"-ERR [SYS/PERM] the message has been deleted\r\n", size)
            return
        self._record(Kind.DOWNLOADED, message.entry_id)
        if message.content.body is None:
            self._start(self._stream(event, message.chunks(), message.size, size))
            return
        octets = b"".join(
            (retr_header(message.size), *stuff([message.prefix + message.content.body]))
        )
        self._send(event, octets, size, response="+OK")

    def _read(self, number: int) -> Message | None:
        assert self._maildrop is not None
        return self._maildrop.message(number, self._service.house.store)

    async def _stream(self, event: Event, chunks: Iterator[bytes], octets: int, size: int) -> None:
        """Send a large message as fast as the client reads it."""
        writer = DataWriter()
        self._send(event, retr_header(octets), size)
        for chunk in chunks:
            if self._transport is None:
                return
            await self._write(writer.write(chunk))
        await self._write(writer.end())

    async def _write(self, octets: bytes) -> None:
        self._outgoing.append(octets)
        self._flush()
        while self._is_paused and self._transport is not None:
            self._writable = asyncio.Event()
            await self._writable.wait()
            self._writable = None
        self.active_at = self._service.front.now()

    async def _log_in(self, engine: Pop3Server, event: Login, size: int) -> None:
        service = self._service
        started = time.perf_counter()
        try:
            result = await service.logins.check(event.user, event.password, client=self.client)
            service.logs.detail(f"the login of {self.client} was looked at", started=started)
            level = "info" if result.mailbox else "warning"
            text = f"login {result.login!r} from {self.client}: {result.reason.text}"
            service.logs.note(level, text, reason=result.reason.to_dict())
            if result.mailbox is None:
                code = "SYS/TEMP" if result.reason.outcome is Outcome.DEFER else "AUTH"
                answer = engine.login_failed(code, result.reason.text)  # type: ignore[arg-type] # both are codes
            elif not service.locks.acquire(result.mailbox.id):
                answer = engine.login_failed("IN-USE", "another session has this maildrop open")
            else:
                mailbox = result.mailbox
                folder = None
                try:
                    folder = service.house.store.inbox(mailbox.postoffice_id, mailbox.id)
                except DatabaseError:
                    service.locks.release(mailbox.id)
                    raise
                self.login = mailbox.login
                self._maildrop = InboxMaildrop(
                    mailbox.postoffice_id, mailbox.id, folder, service.listings
                )
                answer = engine.login_ok(self._maildrop)
                service.logs.detail(f"{self.login}: the maildrop is open", started=started)
        except DatabaseError as error:
            service.logs.note("error", f"a login could not be looked at: {error}")
            answer = engine.login_failed("SYS/TEMP", "the server can't look at logins at present")
        self._send(event, answer, size)
        if engine.closed:
            self._flush()
            self.hang_up()

    async def _start_tls(self, engine: Pop3Server, event: TlsRequested, size: int) -> None:
        context = self._service.front.context
        assert self._transport is not None
        self._buffer = b""
        self._send(event, event.data, size)
        self._flush()
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        try:
            transport = await loop.start_tls(self._transport, self, context, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self._service.logs.note("info", f"the TLS handshake of {self.client} failed: {error}")
            self.hang_up()
            return
        self._transport = transport
        if self._service.logs.is_verbose and transport is not None:
            text = f"TLS with {self.client}: {_secured(transport)}"
            self._service.logs.detail(text, started=started)
        engine.tls_started()

    async def _quit(self, engine: Pop3Server, event: Quit, size: int) -> None:
        """Carry the deletions out, then say goodbye (RFC 1939 §6)."""
        maildrop = self._maildrop
        ok, text = True, ""
        if event.deleted and maildrop is not None:
            store = self._service.house.store
            started = time.perf_counter()
            steps.reach("pop3.expunge.before")
            try:
                removed = await asyncio.to_thread(
                    store.expunge,
                    maildrop.postoffice_id,
                    maildrop.folder_id,
                    maildrop.uids(event.deleted),
                )
            except DatabaseError as error:
                ok, text = False, "the messages could not be deleted and are still there"
                self._service.logs.note("error", f"{self.login}: {error}")
            else:
                steps.reach("pop3.expunge.after")
                self._service.logs.detail(
                    f"{self.login}: deleted messages: {len(event.deleted)}", started=started
                )
                for _, entry_id in removed:
                    self._record(Kind.DELETED, entry_id)
        self._release()
        self._send(event, engine.quit_done(ok=ok, text=text), size)
        self._flush()
        self.hang_up()

    # helpers

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the event loop's turn; commands wait until it is done."""
        self._task = asyncio.get_running_loop().create_task(self._supervise(work))

    async def _supervise(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - the session's boundary
            self._service.logs.note("error", f"a session failed: {traceback.format_exc()}")
            self.hang_up(b"-ERR [SYS/TEMP] internal error\r\n")
        finally:
            self._task = None
            if self._transport is None:
                self._release()
        self._work()

    def _fail(self, verb: str, why: str, size: int) -> None:
        self._service.logs.note("error", f"{self.login or self.client}: {why}")
        answer = b"-ERR [SYS/TEMP] the maildrop can't be read at present\r\n"
        self._send(Respond(answer, verb), answer, size)

    def _record(self, kind: Kind, entry_id: str) -> None:
        """Note what its reader did with a message, for the journey."""
        if entry_id:
            self._happened.append((kind, entry_id))
            if len(self._happened) >= _EVENTS_A_BATCH:
                self._write_events()

    def _write_events(self) -> None:
        happened, self._happened = self._happened, []
        house = self._service.house
        for kind in dict.fromkeys(kind for kind, _ in happened):
            event = JourneyEvent(
                at_us=house.clock.now_us(),
                message_id="",
                kind=kind,
                recipient=self.login,
                connector="SF",
                text=f"{kind} by {self.login} over POP3 from {self.client}",
            )
            house.journey.record_alike(event, [each for what, each in happened if what is kind])

    def _release(self) -> None:
        if self._maildrop is not None:
            self._service.locks.release(self._maildrop.mailbox_id)
            self._maildrop = None
        self._write_events()

    def _octets_waiting(self) -> int:
        return sum(map(len, self._outgoing))

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def _send(self, event: Event, octets: bytes, size: int, *, response: str = "") -> None:
        self._outgoing.append(octets)
        first = response or octets[: octets.find(b"\r\n")].decode("ascii", "replace")
        self._service.logs.exchange(
            Exchange(
                kind="POP3-IN",
                port=self._listener.port,
                remote=self.client,
                command=event.verb,
                details=event.detail,
                response=first,
                sent=len(octets),
                received=size,
                login=self.login,
            )
        )


def _secured(transport: asyncio.Transport) -> str:
    """Return TLS version and cipher of a connection, for people."""
    tls = transport.get_extra_info("ssl_object")
    return f"{tls.version()} {tls.cipher()[0]}" if tls is not None else "without TLS"
