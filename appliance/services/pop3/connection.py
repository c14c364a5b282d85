"""One POP3 connection: bytes between the socket and the engine, messages from the store.

Answers to pipelined commands gather and leave in one write, and what a run of RETR asks for is read
from the store at once; a client that does not read stops being answered until it does. What takes a
disk's or a hash's time runs beside the event loop.

Standards: RFC 1939, RFC 2449 §6.6 (PIPELINING), RFC 2595.
Owns: the socket, the maildrop's lock. Never: deletes before QUIT.
Failure: a store that can't be read is -ERR [SYS/TEMP]; an unforeseen error too, and a log record.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import traceback
from collections.abc import Coroutine, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.journey.reason import Outcome
from appliance.net.listeners import Listener
from appliance.operations.login import LoginResult
from appliance.protocol.pop3 import Pop3Server, retr_header, top
from appliance.protocol.pop3_events import (
    Event,
    Listing,
    Login,
    Quit,
    Respond,
    Retr,
    TlsRequested,
    Top,
)
from appliance.protocol.smtp_data import stuff, stuffed
from appliance.runtime import steps
from appliance.runtime.logs import Exchange
from appliance.services.pop3.maildrop import InboxMaildrop
from appliance.settings import auth
from appliance.store.message import Copy

if TYPE_CHECKING:
    from appliance.services.pop3.service import Pop3Service

_MAX_BUFFER = 64 << 10
_MAX_OUTGOING = 256 << 10
_TOP_MAX = 1 << 20  # octets looked at for TOP
_EXPUNGED_AT_ONCE = 10_000
_MAX_ERRORS = 20
_TOLD_AT_ONCE = 256  # messages that were sent
_NEED_LISTING = (b"RETR", b"LIST", b"UIDL", b"DELE", b"TOP")
_END = b".\r\n"
_GONE = b"-ERR [SYS/PERM] the message has been deleted\r\n"


class Pop3Connection(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_buffer", "_engine", "_has_ended", "_is_paused", "_listener", "_maildrop", "_outgoing",
        "_sent", "_sent_ids", "_service", "_skipped", "_task", "_transport", "_waiting",
        "_writable", "active_at", "client", "login",
    )  # fmt: skip

    def __init__(self, service: Pop3Service, listener: Listener, client: str) -> None:
        """Belong to a service; the client's address is given."""
        self._service = service
        self._listener = listener
        self._engine: Pop3Server | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._skipped = 0  # octets of a line that is too long
        self._has_ended = False  # the client sends no more
        self._outgoing: list[bytes] = []
        self._waiting = 0  # octets of that
        self._task: asyncio.Task[None] | None = None
        self._is_paused = False
        self._writable: asyncio.Event | None = None
        self._maildrop: InboxMaildrop | None = None
        self._sent: list[tuple[int, int, int]] = []  # small messages that nobody was told of yet
        self._sent_ids: list[str] = []  # and their entries in the queue
        self.client = client
        self.login = ""
        self.active_at = service.front.now()

    # asyncio.Protocol

    def connection_made(  # type: ignore[override] # a socket's transport
        self, transport: asyncio.Transport
    ) -> None:
        """Greet, or turn away."""
        self._transport = transport
        if self._engine is not None:  # the same connection, now with TLS
            return
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
        """Take octets and answer what is complete."""
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
        try:
            self.tell()
        finally:
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
        engine, buffer, begin = self._engine, self._buffer, 0
        while end := buffer.find(b"\n", begin) + 1:
            if engine is None or not self._may_answer():
                break
            size, self._skipped = self._skipped + end - begin, 0
            line = buffer[begin : end - 1].removesuffix(b"\r")
            try:
                is_whole = size == end - begin
                if is_whole and self._has_to_load(line):
                    break
                number = engine.retrieval(line) if is_whole else 0
                if number and end < len(buffer):
                    begin = self._retrieve_run(engine, buffer, begin)
                elif number:
                    begin = end
                    self._retrieve(number, self._read(number), size)
                else:
                    begin = end
                    self._answer_line(engine, line, size)
            except DatabaseError as error:  # the line is known to be a command on the maildrop
                begin = end
                self._fail(line, str(error), size)
            except Exception:  # noqa: BLE001 - the session's boundary
                self._fail(b"?", f"a session failed: {traceback.format_exc()}", size)
                self._flush()
                self.hang_up()
                return
            if self._waiting > _MAX_OUTGOING:
                self._flush()
        self._flush()
        self._buffer = buffer[begin:]
        if engine is not None and len(self._buffer) > engine.line_limit and self._may_answer():
            self._skipped += len(self._buffer)
            self._buffer = b""
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

    def _has_to_load(self, line: bytes) -> bool:
        """Load a long listing beside the event loop, before a line that needs it is answered."""
        maildrop = self._maildrop
        if maildrop is None or not maildrop.takes_long():
            return False
        if not line.upper().startswith(_NEED_LISTING):
            return False
        self._start(self._load(maildrop, line))
        return True

    async def _load(self, maildrop: InboxMaildrop, line: bytes) -> None:
        started = time.perf_counter()
        try:
            maildrop.take(await asyncio.to_thread(maildrop.load))
        except DatabaseError as error:
            end = self._buffer.find(b"\n") + 1
            self._buffer = self._buffer[end:]
            self._fail(line, str(error), end)
        else:
            self._service.logs.detail(f"{self.login}: the listing is loaded", started=started)

    def _answer_line(self, engine: Pop3Server, line: bytes, size: int) -> None:
        is_too_long = size > engine.line_limit
        event = engine.line_too_long() if is_too_long else engine.receive_line(line)
        match event:
            case Respond():
                self._send(event, event.data, size)
                if event.close:
                    self._flush()
                    self.hang_up()
            case Retr():
                self._retrieve(event.number, self._read(event.number), size)
            case Listing():
                self._pour(event, event.pieces, size)
            case Top():
                copy = self._read(event.number)
                try:
                    octets = None if copy is None else self._content(copy).read(_TOP_MAX)
                except FileNotFoundError:  # deleted since it was read ahead
                    octets = None
                if copy is None or octets is None:
                    self._send(event, _GONE, size)
                else:
                    self._send(event, top(copy.prefix + octets, event.lines), size)
            case Login():
                self._log_in(engine, event, size)
            case TlsRequested():
                self._start(self._start_tls(engine, event, size))
            case Quit(deleted=deleted):
                if deleted and self._maildrop is not None:
                    self._start(self._delete(engine, event, self._maildrop, size))
                else:
                    self._quit(event, engine.quit_done(ok=True), size)

    def _retrieve_run(self, engine: Pop3Server, buffer: bytes, begin: int) -> int:
        """Answer lines that retrieve messages; returns where the first begins that does not."""
        maildrop = self._maildrop
        assert maildrop is not None
        numbers, octets = engine.retrievals(buffer, begin)
        del numbers[_at_once(numbers, maildrop.listing().sizes) :]
        try:
            copies = self._service.ahead.copies(maildrop, numbers)
        except DatabaseError as error:
            for size in octets[: len(numbers)]:
                self._fail(b"RETR", str(error), size)
                begin += size
            return begin
        sent, sent_ids = self._sent, self._sent_ids
        if not sent:
            self._service.have_told(self)
        for number, size, copy in zip(numbers, octets, copies, strict=False):
            begin += size
            if copy is not None and copy.body is not None:
                sent.append((number, self._put_small(copy, copy.body), size))
                sent_ids.append(copy.entry_id)
                continue
            self._retrieve(number, copy, size)
            if self._task is not None:  # a large message is on its way
                break
        if len(sent) >= _TOLD_AT_ONCE:
            self._flush()
            self.tell()
        return begin

    def tell(self) -> None:
        """Tell the logs and the journey of the small messages that were sent."""
        if self._sent:
            service = self._service
            service.logs.alike(self._exchange("RETR", "", "+OK", 0, 0), self._sent)
            service.downloads.add(self._sent_ids, login=self.login, client=self.client)
            self._sent.clear()
            self._sent_ids.clear()

    def _read(self, number: int) -> Copy | None:
        assert self._maildrop is not None
        return self._service.ahead.copy(self._maildrop, number)

    def _retrieve(self, number: int, copy: Copy | None, size: int) -> None:
        """Send a message: a small one at once, a large one as fast as the client reads it."""
        if copy is None:
            self._send(Retr(number, 0), _GONE, size)
            return
        if copy.body is None:
            chunks = self._content(copy).chunks()
            try:
                first = next(chunks, b"")
            except FileNotFoundError:  # deleted since it was read ahead
                self._send(Retr(number, 0), _GONE, size)
                return
            stuffed_chunks = stuff(chain((copy.prefix, first), chunks))
            pieces = chain((retr_header(copy.size),), stuffed_chunks)
            self._pour(Retr(number, copy.size), pieces, size)
            ids = (copy.entry_id,)
            self._service.downloads.add(ids, login=self.login, client=self.client)
            return
        if not self._sent:
            self._service.have_told(self)
        self._sent.append((number, self._put_small(copy, copy.body), size))
        self._sent_ids.append(copy.entry_id)
        if len(self._sent) >= _TOLD_AT_ONCE:
            self._flush()  # telling is done while the client reads
            self.tell()

    def _put_small(self, copy: Copy, body: bytes) -> int:
        """Answer with a message that is in memory; returns how many octets that are."""
        _, _, size, prefix, _, _, unchanged = copy
        header = retr_header(size)
        if unchanged:
            sent = len(header) + size + len(_END)
            self._outgoing += (header, prefix, body, _END)
        else:
            octets = stuffed(prefix + body)
            sent = len(header) + len(octets) + len(_END)
            self._outgoing += (header, octets, _END)
        self._waiting += sent
        return sent

    def _content(self, copy: Copy) -> Content:
        assert self._maildrop is not None
        return copy.content(self._service.house.store.folder(self._maildrop.postoffice_id))

    def _pour(self, event: Event, pieces: Iterator[bytes], size: int) -> None:
        """Send a long answer; its second piece and those behind it beside other sessions' work."""
        octets = 0
        first = ""
        for piece in pieces:
            first = first or _first_line(piece)
            octets += len(piece)
            self._put(piece)
            if self._waiting > _MAX_OUTGOING:
                self._flush()
                self._start(self._pour_on(event, pieces, first, octets, size))
                return
        self._log(event.verb, event.detail, first, octets, size)

    async def _pour_on(
        self, event: Event, pieces: Iterator[bytes], first: str, octets: int, size: int
    ) -> None:
        await self._drain()
        for piece in pieces:
            if self._transport is None:
                return
            octets += len(piece)
            self._put(piece)
            if self._waiting > _MAX_OUTGOING:
                self._flush()
                await self._drain()
        self._log(event.verb, event.detail, first, octets, size)

    async def _drain(self) -> None:
        """Let others have their turn, and wait until the client has read."""
        await asyncio.sleep(0)
        while self._is_paused and self._transport is not None:
            self._writable = asyncio.Event()
            await self._writable.wait()
            self._writable = None
        self.active_at = self._service.front.now()

    def _log_in(self, engine: Pop3Server, event: Login, size: int) -> None:
        """Answer at once where the password is known to be right, else when it has been checked."""
        try:
            result = self._service.logins.known(event.user, event.password, client=self.client)
        except DatabaseError as error:
            self._refuse_login(engine, event, error, size)
            return
        if result is None:
            self._start(self._check_login(engine, event, size))
        else:
            self._answer_login(engine, event, result, size)

    async def _check_login(self, engine: Pop3Server, event: Login, size: int) -> None:
        service = self._service
        started = time.perf_counter()
        try:
            result = await service.logins.check(event.user, event.password, client=self.client)
        except DatabaseError as error:
            self._refuse_login(engine, event, error, size)
            return
        service.logs.detail(f"the login of {self.client} was looked at", started=started)
        self._answer_login(engine, event, result, size)

    def _answer_login(
        self, engine: Pop3Server, event: Login, result: LoginResult, size: int
    ) -> None:
        service, mailbox, reason = self._service, result.mailbox, result.reason
        level = "info" if mailbox else "warning"
        text = f"login {result.login!r} from {self.client}: {reason.text}"
        service.logs.note(level, text, reason=reason.to_dict())
        if mailbox is None:
            code = "SYS/TEMP" if reason.outcome is Outcome.DEFER else "AUTH"
            answer = engine.login_failed(code, reason.text)  # type: ignore[arg-type] # both are codes
        elif not service.locks.acquire(mailbox.id):
            answer = engine.login_failed("IN-USE", "another session has this maildrop open")
        else:
            try:
                folder = service.house.store.inbox(mailbox.postoffice_id, mailbox.id)
            except DatabaseError as error:
                service.locks.release(mailbox.id)
                self._refuse_login(engine, event, error, size)
                return
            self.login = mailbox.login
            self._maildrop = InboxMaildrop(
                mailbox.postoffice_id, mailbox.id, folder, service.listings
            )
            answer = engine.login_ok(self._maildrop)
        self._send(event, answer, size)
        if engine.closed:
            self._flush()
            self.hang_up()

    def _refuse_login(
        self, engine: Pop3Server, event: Login, error: DatabaseError, size: int
    ) -> None:
        self._service.logs.note("error", f"a login could not be looked at: {error}")
        answer = engine.login_failed("SYS/TEMP", "the server can't look at logins at present")
        self._send(event, answer, size)

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
            self.connection_lost(error)  # nobody else says so before a handshake is done
            return
        if transport is None:
            self.connection_lost(None)
            return
        self._transport = transport
        if self._service.logs.is_verbose:
            text = f"TLS with {self.client}: {_secured(transport)}"
            self._service.logs.detail(text, started=started)
        engine.tls_started()

    async def _delete(
        self, engine: Pop3Server, event: Quit, maildrop: InboxMaildrop, size: int
    ) -> None:
        """Carry the deletions out, then say goodbye (RFC 1939 §6)."""
        count = left = len(event.deleted)
        ok, text = True, ""
        started = time.perf_counter()
        steps.reach("pop3.expunge.before")
        try:
            for begin in range(0, count, _EXPUNGED_AT_ONCE):
                some = event.deleted[begin : begin + _EXPUNGED_AT_ONCE]
                await self._expunge(maildrop, some)
                left -= len(some)
        except DatabaseError as error:
            ok = False
            if left == count:
                text = "the messages could not be deleted and are still there"
            self._service.logs.note("error", f"{self.login}: {error}; {left} messages are left")
        else:
            steps.reach("pop3.expunge.after")
            self._service.logs.detail(f"{self.login}: deleted messages: {count}", started=started)
        self._quit(event, engine.quit_done(ok=ok, text=text), size)

    def _quit(self, event: Quit, answer: bytes, size: int) -> None:
        self._release()
        self._send(event, answer, size)
        self._flush()
        self.hang_up()

    async def _expunge(self, maildrop: InboxMaildrop, numbers: Sequence[int]) -> None:
        """Delete some messages in one commit."""
        store, where = self._service.house.store, (maildrop.postoffice_id, maildrop.folder_id)
        removed = await asyncio.to_thread(store.expunge, *where, maildrop.uids(numbers))
        entry_ids = [entry_id for _, entry_id in removed]
        self._service.deletions.add(entry_ids, login=self.login, client=self.client)

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

    def _fail(self, line: bytes, why: str, size: int) -> None:
        self._service.logs.note("error", f"{self.login or self.client}: {why}")
        verb = line.partition(b" ")[0].upper().decode("ascii", "replace")
        answer = b"-ERR [SYS/TEMP] the maildrop can't be read at present\r\n"
        self._send(Respond(answer, verb), answer, size)

    def _release(self) -> None:
        if self._maildrop is not None:
            self._service.ahead.forget(self._maildrop)
            self._service.locks.release(self._maildrop.mailbox_id)
            self._maildrop = None

    def _put(self, octets: bytes) -> None:
        self._outgoing.append(octets)
        self._waiting += len(octets)

    def _flush(self) -> None:
        if self._outgoing:
            if self._transport is not None:
                self._transport.write(b"".join(self._outgoing))
            self._outgoing.clear()
            self._waiting = 0

    def _send(self, event: Event, octets: bytes, size: int) -> None:
        self._put(octets)
        self._log(event.verb, event.detail, _first_line(octets), len(octets), size)

    def _log(self, verb: str, detail: str, response: str, sent: int, received: int) -> None:
        self.tell()  # in the order in which it was done
        self._service.logs.exchange(self._exchange(verb, detail, response, sent, received))

    def _exchange(
        self, verb: str, detail: str, response: str, sent: int, received: int
    ) -> Exchange:
        at, port, login = self.client, self._listener.port, self.login
        return Exchange("POP3-IN", "", port, at, verb, detail, response, sent, received, login)


def _at_once(numbers: Sequence[int], sizes: Sequence[int]) -> int:
    """Count the messages that are answered at once, of those to be retrieved: at least one."""
    count = len(numbers)
    is_in_order = count > 1 and numbers == [*range(numbers[0], numbers[0] + count)]
    if is_in_order and sum(sizes[numbers[0] - 1 : numbers[-1]]) < _MAX_OUTGOING:
        return count  # as most of the time; in one step
    octets = 0
    for count, number in enumerate(numbers):
        if octets >= _MAX_OUTGOING:
            return count
        octets += sizes[number - 1]
    return len(numbers)


def _first_line(answer: bytes) -> str:
    return answer[: answer.find(b"\r\n")].decode("ascii", "replace")


def _secured(transport: asyncio.Transport) -> str:
    """Return TLS version and cipher of a connection, for people."""
    tls = transport.get_extra_info("ssl_object")
    return f"{tls.version()} {tls.cipher()[0]}" if tls is not None else "without TLS"
