"""One SMTP conversation: the engine's questions answered by the rules, the content into the queue.

Standards: RFC 5321, RFC 4954, RFC 3207, RFC 6409.
Owns: the message that is being received. Never: answers 250 before `queue.submit` has returned.
Failure: a database that can't be reached is 451 4.3.0; an unforeseen error too, and a log record.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence

from appliance.connectors.smtp_in.adapter import Adapter
from appliance.database.content import ContentWriter
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.journey.event import Event as JourneyEvent
from appliance.journey.event import Kind, because
from appliance.journey.reason import Outcome, Reason
from appliance.mail.address import Address
from appliance.mail.headers import received
from appliance.mail.reply import Reply
from appliance.operations.house import House
from appliance.operations.login import LoginResult, Logins
from appliance.operations.reception import (
    accepted_because,
    judge_recipient,
    judge_room,
    judge_sender,
)
from appliance.protocol.smtp_data import DataReader, Fault
from appliance.protocol.smtp_server import SmtpServer, fault_reply
from appliance.protocol.smtp_server_events import (
    Credentials,
    DataRequested,
    Event,
    MailRequested,
    RcptRequested,
    Respond,
    TlsRequested,
)
from appliance.queue.entry import Origin
from appliance.runtime import metrics, steps
from appliance.runtime.clock import MICROSECONDS, to_datetime
from appliance.runtime.logs import Exchange, Logs
from appliance.settings import auth, relay, smtp

_PLAIN_RCPT = re.compile(rb"RCPT TO:<([!-9;-?A-~]+@[a-z0-9.-]+)>(?: [!-~ ]*)?", re.IGNORECASE)
_OK = "Requested mail action okay, completed"
_LATER = Reply(451, "4.3.0", "Local error in processing, please try again later")
_IDLING = Reply(421, "4.7.0", "Too many commands without a message")
_RECORDED_REFUSALS = 20  # of one connection; the log has them all


class Conversation:
    """One connection's conversation."""

    def __init__(self, adapter: Adapter, *, house: House, logs: Logs, logins: Logins) -> None:
        """Prepare the engine with the settings in force."""
        settings = house.settings
        self._adapter = adapter
        self._house = house
        self._logs = logs
        self._logins = logins
        self._client = adapter.client
        self._id = ""
        self._logged_in = ""
        self._refusals = 0
        self._idle_commands = 0
        self._granted: list[Reason] = []
        self._foreseen: dict[Address, Target] = {}
        self._max_size = settings[smtp.max_message_kb] * 1024
        self._content: ContentWriter | None = None  # while it comes in
        self._arrive: Callable[[], None] | None = None  # the queue expects a message
        self._reader = DataReader()
        is_mx = adapter.listener.name == "smtp"  # elsewhere clients submit, after a login
        local_domain = house.local_domain
        disabled: frozenset[str] = frozenset((*settings[smtp.disabled_commands],))
        self.engine = SmtpServer(
            hostname=local_domain,
            greeting=_banner(settings[smtp.banner], local_domain, house.clock.now_us()),
            client=self._client,
            role="mx" if is_mx else "submission",
            tls=not adapter.listener.tls,
            tls_active=adapter.listener.tls,
            auth=("PLAIN", "LOGIN") if not is_mx or settings[relay.authenticated] else (),
            auth_without_tls=settings[auth.without_tls],
            max_size=self._max_size,
            max_recipients=settings[smtp.max_recipients],
            max_errors=settings[smtp.max_errors],
            disabled=disabled,
            local_domain=local_domain,
        )
        self.line_limit = self.engine.line_limit

    def greet(self) -> None:
        """Say the first line."""
        adapter = self._adapter
        adapter.send(self.engine.greeting())
        if self._logs.is_verbose:
            secured = adapter.cipher or "without TLS"
            port = adapter.listener.port
            self._logs.detail(f"{self._client} has connected to port {port}, {secured}")

    def foresee(self, lines: Sequence[bytes]) -> None:
        """Look up whom a group of commands names: together a third of the time for each.

        Args:
            lines: what is answered next, nothing else coming between.
        """
        self._foreseen = {}
        paths = [found[1].decode() for line in lines if (found := _PLAIN_RCPT.fullmatch(line))]
        if len(paths) > 1:
            with contextlib.suppress(DatabaseError):  # then each RCPT says so
                self._foreseen = self._house.directory.targets(map(Address.restored, paths))

    @property
    def takes_content(self) -> bool:
        """Content comes in."""
        return self._content is not None

    def receive_line(self, line: bytes | None) -> None:
        """Answer a line; None is one that was too long."""
        engine = self.engine
        event = engine.line_too_long() if line is None else engine.receive_line(line)
        octets = 0 if line is None else len(line) + 2
        if isinstance(event, Respond):
            self._adapter.send(event.data)
            self._log(event.verb, event.detail, event.reply, octets)
            if event.close or self._is_idling(event):
                self._adapter.hang_up()
        else:
            self._answer(event, octets)
        if self._arrive is not None and engine.mail is None:
            self._be_expected(is_coming=False)

    def gone(self, error: Exception | None) -> None:
        """Let go of a content that has not come to its end."""
        if self._content is not None:
            self._content.abandon()
            self._content = None
        self._be_expected(is_coming=False)
        if not self.engine.is_closing:
            why = f": {error}" if error else ""
            self._logs.detail(f"{self._client} has gone{why}", message_id=self._id)

    def _answer(self, event: Event, octets: int) -> None:
        """Answer a question of the engine's."""
        try:
            match event:
                case MailRequested():
                    self._id = self._house.queue.new_id()
                    self._granted.clear()
                    reply = self._judge_sender(event)
                case RcptRequested():
                    reply = self._judge(event)
                case DataRequested():
                    self._begin_content(event)
                    return
                case TlsRequested():
                    self._start_tls(event)
                    return
                case Credentials():
                    self._login(event, octets)
                    return
                case _:
                    raise AssertionError(event)
        except DatabaseError as error:
            self._logs.note("error", f"the directory can't be read: {error}", message_id=self._id)
            reply = _LATER
        self._reply(event, reply, octets)

    def _reply(self, event: Event, reply: Reply, octets: int) -> None:
        """Give the engine's question its answer."""
        self._adapter.send(self.engine.answer(reply))
        self._log(event.verb, event.detail, self.engine.last_reply, octets)
        if self.engine.is_closing:
            self._adapter.hang_up()

    def _judge_sender(self, event: MailRequested) -> Reply:
        sender = event.command.reverse_path
        room = judge_room(self._house, size=event.command.size or 0)
        if not room.accepted:  # and nothing more is written than must be
            metrics.REFUSED.labels(room.rule).inc()
            self._logs.note("warning", room.text, message_id=self._id, reason=room.to_dict())
            assert room.reply is not None
            return room.reply
        reason = judge_sender(self._house, sender, login=self._logged_in)
        if reason.accepted:
            self._tell(reason)
            self._be_expected(is_coming=True)
            return Reply(250, "2.1.0", _OK)
        self._refuse(reason, "", sender)
        assert reason.reply is not None
        return reason.reply

    def _judge(self, event: RcptRequested) -> Reply:
        reason = judge_recipient(
            self._house,
            event.recipient.address,
            client=self._client,
            login=self._logged_in,
            reverse_path=self.engine.reverse_path,
            target=self._foreseen.get(event.recipient.address),
        )
        if reason.accepted:
            self._granted.append(reason)
            self._tell(reason)
        else:
            self._refuse(reason, str(event.recipient.address), self.engine.reverse_path)
        assert reason.reply is not None
        return reason.reply

    def _tell(self, reason: Reason) -> None:
        """Write down what was allowed, while somebody wants to know."""
        if self._logs.is_verbose:
            self._logs.detail(reason.text, message_id=self._id, reason=reason.to_dict())

    def _refuse(self, reason: Reason, recipient: str, sender: Address | None) -> None:
        """Write down a refusal: Debug log, metric, journey."""
        metrics.REFUSED.labels(reason.rule).inc()
        self._logs.note("info", reason.text, message_id=self._id, reason=reason.to_dict())
        self._refusals += 1
        if self._refusals <= _RECORDED_REFUSALS:
            self._house.journey.record(
                [
                    JourneyEvent(
                        at_us=self._house.clock.now_us(),
                        message_id=self._id,
                        kind=Kind.REFUSED,
                        reverse_path=str(sender or ""),
                        recipient=recipient,
                        connector="SMTP",
                        text=reason.text,
                        reason=because(reason),
                        detail={"client": self._client},
                    )
                ]
            )

    def _login(self, event: Credentials, octets: int) -> None:
        if event.authzid not in ("", event.authcid):
            refusal = Reply(535, "5.7.8", "Acting as somebody else is not possible here")
            self._reply(event, refusal, octets)
            return
        started = time.perf_counter()

        def looked_at(future: asyncio.Future[LoginResult]) -> None:
            try:
                result = future.result()
            except DatabaseError as error:
                self._logs.note("error", f"the directory can't be read: {error}")
                self._reply(event, _LATER, octets)
                return
            self._logs.detail(f"the login of {self._client} was looked at", started=started)
            level = "info" if result.mailbox else "warning"
            text = f"login {result.login!r} from {self._client}: {result.reason.text}"
            self._logs.note(level, text, reason=result.reason.to_dict())
            if result.mailbox is not None:
                self._logged_in = result.login
                reply = Reply(235, "2.7.0", f"Authentication successful, {result.login}")
            elif result.reason.outcome is Outcome.DEFER:
                reply = Reply(454, "4.7.0", result.reason.text)
            else:
                reply = Reply(535, "5.7.8", result.reason.text)
            self._reply(event, reply, octets)

        check = self._logins.check(event.authcid, event.password, client=self._client)
        self._adapter.wait_for(check, looked_at)

    def _start_tls(self, event: TlsRequested) -> None:
        self._reply(event, Reply(220, "2.0.0", "Ready to start TLS"), 10)
        started = time.perf_counter()

        def secured(future: asyncio.Future[None]) -> None:
            if future.cancelled() or (error := future.exception()) is not None:
                text = f"the TLS handshake of {self._client} failed"
                self._logs.detail(text if future.cancelled() else f"{text}: {error}")
                return
            cipher = self._adapter.cipher
            self._logs.detail(f"TLS with {self._client}: {cipher}", started=started)
            self.engine.tls_started(cipher)
            self._logged_in = ""  # RFC 3207 §4.2

        self._adapter.wait_for(self._adapter.start_tls(), secured)

    def _begin_content(self, event: DataRequested) -> None:
        start = Reply(354, "", "Start mail input; end with [CRLF].[CRLF]")
        self._adapter.send(self.engine.answer(start))
        self._log(event.verb, event.detail, start, 6)
        self._content = self._house.queue.content(self._id)
        self._content.write(self._trace_line())
        self._reader = DataReader(self._max_size or None)
        self._is_full = False

    def receive_content(self, octets: bytes) -> bytes:
        """Take content; at its end, hand the message to the queue."""
        content, reader = self._content, self._reader
        assert content is not None
        for chunk in reader.feed(octets):
            if not self._is_full:
                self._is_full = not self._keep(content, chunk)
        if not reader.finished:
            return b""
        self._content = None
        self._be_expected(is_coming=False)
        if self._is_full:
            text = "Insufficient system storage, please try again later"
            self._finish(Reply(452, "4.3.1", text))
        elif reader.fault is not None:
            content.abandon()
            self._finish(self._refuse_content(reader.fault))
        else:
            self._submit(content)
        return reader.rest

    def _be_expected(self, *, is_coming: bool) -> None:
        """Have the queue's next commit wait for this message, from MAIL to the content's end."""
        if self._arrive is not None:
            self._arrive()
        self._arrive = self._house.queue.expect() if is_coming else None

    def _refuse_content(self, fault: Fault) -> Reply:
        engine = self.engine
        reply = fault_reply(fault, max_size=self._max_size)
        reason = Reason(
            rule=f"content.{fault}",
            outcome=Outcome.REJECT,
            text=reply.text,
            setting=smtp.max_message_kb.name if reply.code == 552 else "",
        )
        some = " ".join(str(each.address) for each in engine.recipients[:20])
        self._refuse(reason, some, engine.reverse_path)
        return reply

    def _finish(self, reply: Reply) -> None:
        """Answer the content."""
        adapter, octets = self._adapter, self._reader.bytes_seen
        adapter.send(self.engine.data_finished(reply))
        adapter.flush()
        if reply.is_positive:
            steps.reach("smtp.answered")
        self._log("DATA", f"{octets} bytes", reply, octets)
        if self.engine.is_closing:
            adapter.hang_up()

    def _keep(self, content: ContentWriter, chunk: bytes) -> bool:
        """Write a piece of content; on a full disk let go of it all, and read on to its end."""
        try:
            content.write(chunk)
        except OSError as error:
            self._logs.note("error", f"the content can't be kept: {error}", message_id=self._id)
            content.abandon()
            return False
        return True

    def _is_idling(self, event: Respond) -> bool:
        """Count commands that lead to no message; too many end the connection."""
        self._idle_commands += 1
        most = self._house.settings[smtp.max_idle_commands]
        if not most or self._idle_commands <= most:
            return False
        self._adapter.send(_IDLING.encode())
        self._log(event.verb, event.detail, _IDLING, 0)
        return True

    def _submit(self, content: ContentWriter) -> None:
        started = time.perf_counter()
        origin = Origin(kind="SMTP", login=self._logged_in, client=self._client)

        def submitted(future: asyncio.Future[None]) -> None:
            try:
                future.result()
            except (DatabaseError, OSError) as error:
                text = f"the message was not accepted: {error}"
                self._logs.note("error", text, message_id=self._id)
                self._finish(_LATER)
                return
            metrics.ACCEPTED.inc()
            self._idle_commands = 0
            metrics.ACCEPT_SECONDS.observe(time.perf_counter() - started)
            self._logs.detail("the message is in the queue", message_id=self._id, started=started)
            self._finish(Reply(250, "2.0.0", f"{_OK} ({self._id})"))

        commit = self._house.queue.submit_async(
            self.engine.envelope(),
            content,
            origin,
            message_id=self._id,
            reason=accepted_because(self._granted).to_dict(),
        )
        self._adapter.wait_for(commit, submitted)

    def _trace_line(self) -> bytes:
        engine = self.engine
        recipients = engine.recipients
        return received(
            from_helo=engine.helo or "",
            client=self._client,
            client_name=None,
            by=self._house.local_domain,
            protocol=self._protocol(),
            id=self._id,
            for_=str(recipients[0].address) if len(recipients) == 1 else None,
            at=to_datetime(self._house.clock.now_us() // MICROSECONDS * MICROSECONDS),
            tls=self._adapter.cipher or None,
        )

    def _protocol(self) -> str:
        """Name the protocol as RFC 3848 and RFC 6531 §4.3 register it."""
        engine = self.engine
        if not engine.esmtp:
            return "SMTP"
        base = "UTF8SMTP" if engine.mail is not None and engine.mail.smtputf8 else "ESMTP"
        return base + ("S" if engine.tls_active else "") + ("A" if self._logged_in else "")

    def _log(self, verb: str, detail: str, reply: Reply, octets: int) -> None:
        adapter = self._adapter
        text = str(reply)
        self._logs.exchange(
            Exchange(
                kind="SMTP-IN",
                message_id=self._id,
                port=adapter.listener.port,
                remote=self._client,
                command=verb,
                details=detail,
                response=text,
                sent=len(text) + 2,
                received=octets,
                login=self._logged_in,
            )
        )


def _banner(template: str, local_domain: str, now_us: int) -> str:
    """Fill in the welcome message (manual §6.2)."""
    if "%TIME%" in template:
        template = template.replace("%TIME%", f"{to_datetime(now_us):%m/%d/%y %H:%M:%S}")
    return template.replace("%LOCALDOMAIN%", local_domain)
