"""The sending SMTP server's engine: one connection's state, from greeting to QUIT.

Standards: RFC 5321 §3, §4 (sessions, replies); RFC 1870 (SIZE), RFC 2920 (PIPELINING), RFC 3207
    (STARTTLS), RFC 3461 §5.2 (DSN), RFC 4954 (AUTH), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).
Owns: what has been asked and not answered, the peer's extensions, the results of a transaction.
Never: sockets, TLS handshakes, content, choosing hosts, deciding what to do about a failure.
Failure: whatever the peer does or fails to do becomes exactly one result for each recipient and a
    Closed event; LocalProtocolError when the caller is out of turn.
"""

from __future__ import annotations

import binascii
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from appliance.mail.envelope import Envelope
from appliance.mail.reply import Reply, ReplyError, parse_reply
from appliance.protocol import LocalProtocolError
from appliance.protocol.sasl import CLIENT_MECHANISMS, ClientMechanism, SaslError
from appliance.protocol.smtp_client_events import (
    Closed,
    ContentWanted,
    Done,
    Event,
    Exchange,
    Ready,
    RecipientResult,
    Stage,
    TlsWanted,
)
from appliance.protocol.smtp_client_transaction import (
    Transaction,
    mail_argument,
    rcpt_argument,
    refusal,
)

__all__ = [
    "Closed",
    "ContentWanted",
    "Done",
    "Event",
    "Exchange",
    "Ready",
    "RecipientResult",
    "SmtpClient",
    "Stage",
    "TlsPolicy",
    "TlsWanted",
]

TlsPolicy: TypeAlias = Literal["never", "opportunistic", "required"]
_State: TypeAlias = Literal["new", "opening", "handshake", "ready", "sending", "quit"]

MAX_REPLY_LINE = 4096  # octets; RFC 5321 §4.5.3.1.5 says 512, and not everybody keeps to it
MAX_REPLY = 65536  # octets of all the lines of one reply
MAX_CHALLENGES = 3  # LOGIN asks twice
MAX_EARLY_REPLIES = 2  # to the content, and a 421 after it
_SHORT = 40  # octets of a line that is likely to come again
MAX_COMMAND_LINE = 512  # octets, RFC 5321 §4.5.3.1.4


class _Sent(NamedTuple):
    """A command, and who takes its reply."""

    verb: str
    detail: str
    take: Callable[[Reply], None]


class SmtpClient:
    """One connection to a receiving server, without its socket.

    Call start(), give what arrives to receive() and send what data_to_send() has, both at the same
    time: a pipelined envelope may be answered before all of it is sent. After Ready call send() or
    quit(); after Done again. Events come in order and a peer may close at any time: after Closed,
    send() gives Done at once and the other calls do nothing.

    Attributes:
        extensions: What the peer offers, by its last EHLO: keyword in upper case, parameters.
        tls_active: Whether tls_started() was called.
    """

    __slots__ = (
        "_buffer",
        "_challenges",
        "_closed",
        "_early",
        "_events",
        "_expected",
        "_helo",
        "_lines",
        "_login",
        "_mechanism",
        "_must_reset",
        "_octets",
        "_output",
        "_plan",
        "_state",
        "_tls",
        "_transaction",
        "extensions",
        "tls_active",
    )

    def __init__(self, *, helo: str, tls: TlsPolicy, login: tuple[str, str] | None) -> None:
        """Prepare a session.

        Args:
            helo: This server's name, or an address literal (RFC 5321 §4.1.4).
            tls: Whether to use STARTTLS. `opportunistic` goes on in clear text where the peer
                doesn't offer it or refuses, unless a login is set: a password goes in clear text
                under `never` only. A connection that is TLS from its beginning takes `never`.
            login: Name and password for AUTH; None to go without.
        """
        self._helo = helo
        self._tls = tls
        self._login = login
        self.extensions: dict[str, str] = {}
        self.tls_active = False
        self._state: _State = "new"
        self._closed: Closed | None = None
        self._plan: deque[_Sent] = deque()  # commands to send
        self._expected: deque[_Sent] = deque()  # commands that were sent
        self._output: list[bytes] = []
        self._events: list[Event] = []
        self._buffer = b""
        self._lines: list[bytes] = []  # of the reply that is being read
        self._octets = 0
        self._mechanism: ClientMechanism | None = None
        self._challenges = 0
        self._transaction: Transaction | None = None
        self._early: list[Reply] = []  # to the content, before all of it was sent
        self._must_reset = False  # the peer may still hold a transaction of ours

    # What the caller does

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._closed is not None

    @property
    def waiting_for(self) -> str:
        """The verb whose reply is due, for time-outs (RFC 5321 §4.5.3.2); empty if none is."""
        return self._expected[0].verb if self._expected else ""

    def start(self) -> None:
        """Begin, now that the connection stands; the peer speaks first."""
        self._move("new", "opening")
        self._expected.append(_Sent("CONNECT", "", self._take_greeting))

    def receive(self, data: bytes) -> list[Event]:
        """Take octets from the peer, cut anywhere; what comes after Closed is ignored."""
        if self.closed:
            return []
        if self._state == "new":
            raise LocalProtocolError("start() comes first")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if self.closed:
                break
            if self._state == "handshake":
                # RFC 3207 §5: clear text after the go-ahead may be anybody's
                self._break_off("the peer sent clear text after agreeing to STARTTLS")
            else:
                self._take_line(line)
        if self._buffer and not self.closed:
            if self._state == "handshake":
                self._break_off("the peer sent clear text after agreeing to STARTTLS")
            elif len(self._buffer) > MAX_REPLY_LINE:
                self._break_off("the peer sent a line without end")
        return self._drain()

    def data_to_send(self) -> bytes:
        """What is to be sent now; each octet is given once."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def tls_started(self) -> None:
        """The handshake that TlsWanted asked for is done; the session begins anew."""
        if self.closed:
            return
        self._move("handshake", "opening")
        self.tls_active = True
        self._say_ehlo()  # RFC 3207 §4.2: what was said before no longer counts

    def send(self, envelope: Envelope, size: int) -> list[Event]:
        """Send a message; Done comes at the end, and at once if the peer cannot take it.

        Args:
            envelope: With one recipient at least.
            size: Octets of the content without dot-stuffing.

        Raises:
            LocalProtocolError: Not Ready, no recipients, or a line end inside a parameter.
        """
        if not envelope.recipients:
            raise LocalProtocolError("an envelope without recipients")
        plan = self._plan_of(envelope, size)
        if self._closed is None:
            self._move("ready", "sending")
            refused = refusal(envelope, size=size, extensions=self.extensions)
        else:  # perhaps by a reply that came along with Ready
            refused = _result_of(self._closed)
        self._transaction = Transaction(len(envelope.recipients))
        if refused is None:
            self._plan.extend(plan)
            self._must_reset = False
            self._advance()
        else:
            self._finish(refused, "mail")
        return self._drain()

    def content_sent(self) -> list[Event]:
        """The content that ContentWanted asked for is sent, with its end marker."""
        if self.closed:
            return []
        transaction = self._transaction
        if transaction is None or not transaction.is_content_due:
            raise LocalProtocolError("no content is due")
        transaction.is_content_due = False
        self._expected.append(_Sent(".", "", self._take_final))
        early, self._early = self._early, []
        for reply in early:
            if not self.closed:
                self._take_reply(reply)
        return self._drain()

    def quit(self) -> None:
        """Say goodbye; Closed comes with the reply."""
        if self.closed:
            return
        self._move("ready", "quit")
        self._say("QUIT", "", self._take_quit)

    def connection_lost(self, reason: str = "the connection was lost") -> list[Event]:
        """The connection is gone, or the caller gives it up.

        Args:
            reason: Why, for people and for the results of what is outstanding: `timed out`.

        Returns:
            Done if a message was under way, and Closed; nothing once it is closed.
        """
        if self.closed:
            return []
        due = self._transaction is not None and self._transaction.is_content_due
        waiting = "while sending the content" if due else self._waiting
        self._close(None, "" if self._state == "quit" else f"{reason} {waiting}".rstrip())
        return self._drain()

    # Replies

    def _take_line(self, line: bytes) -> None:
        self._lines.append(line)
        self._octets += len(line)
        if self._octets > MAX_REPLY:
            self._break_off("the peer sent a reply without end")
        elif line[3:4] != b"-" or not line[:3].isdigit():
            try:
                short = len(self._lines) == 1 and len(line) <= _SHORT
                reply = _short_reply(line) if short else parse_reply(self._lines)
            except ReplyError as error:
                self._break_off(f"the peer does not speak SMTP: {error}")
                return
            self._lines.clear()
            self._octets = 0
            self._take_reply(reply)

    def _take_reply(self, reply: Reply) -> None:
        transaction = self._transaction
        if transaction is not None and transaction.is_content_due:
            if not self._early and not reply.is_positive:
                self._events.append(Exchange(".", "", reply))
                self._close(reply, "the peer refused the content before its end")
            elif len(self._early) < MAX_EARLY_REPLIES:
                self._early.append(reply)  # counts when all is sent
            else:
                self._break_off("the peer keeps answering content that isn't sent yet")
            return
        if not self._expected:
            if reply.code == 421:  # RFC 5321 §3.8
                self._close(reply, "the peer closes the connection")
            else:
                self._break_off(f"the peer sent a reply that nobody asked for: {reply}")
            return
        sent = self._expected.popleft()
        self._events.append(Exchange(sent.verb, sent.detail, reply))
        if reply.code == 421:
            self._close(reply, "the peer closes the connection")
        elif 300 <= reply.code < 400 and sent.verb not in ("DATA", "AUTH"):
            self._break_off(f"the peer answered {sent.verb} out of step: {reply}")
        else:
            sent.take(reply)

    # Opening

    def _take_greeting(self, reply: Reply) -> None:
        if reply.is_positive:
            self._say_ehlo()
        else:
            self._hang_up(reply, "the peer refuses the connection")

    def _say_ehlo(self) -> None:
        self.extensions = {}
        self._say("EHLO", self._helo, self._take_ehlo)

    def _take_ehlo(self, reply: Reply) -> None:
        if reply.is_permanent:  # RFC 5321 §3.2
            self._say("HELO", self._helo, self._take_helo)
            return
        for line in reply.text.split("\n")[1:] if reply.is_positive else ():
            keyword, _, parameters = line.strip().partition(" ")
            keyword, legacy, mechanism = keyword.upper().partition("=")
            if legacy:  # AUTH=LOGIN, what servers said before RFC 2554
                parameters = f"{mechanism} {parameters}"
            known = f"{self.extensions.get('AUTH', '')} " if keyword == "AUTH" else ""
            self.extensions[keyword] = (known + parameters).strip()
        self._take_helo(reply)

    def _take_helo(self, reply: Reply) -> None:
        if not reply.is_positive:
            self._hang_up(reply, "the peer refuses the session")
        elif self.tls_active or self._tls == "never":
            self._authenticate()
        elif "STARTTLS" in self.extensions:
            self._say("STARTTLS", "", self._take_starttls)
        elif self._tls_needed_for:
            self._hang_up(None, f"{self._tls_needed_for} and the peer does not offer STARTTLS")
        else:
            self._authenticate()

    def _take_starttls(self, reply: Reply) -> None:
        if reply.is_positive:
            self._move("opening", "handshake")
            self._events.append(TlsWanted())
        elif self._tls_needed_for:
            self._hang_up(reply, f"{self._tls_needed_for} and the peer refuses STARTTLS")
        else:
            self._authenticate()

    @property
    def _tls_needed_for(self) -> str:
        """Why the session does not go on in clear text; empty where it does."""
        if self._tls == "required":
            return "TLS is required"
        if self._tls == "opportunistic" and self._login is not None:  # RFC 4954 §9
            return "the password is not sent in clear text"
        return ""

    def _authenticate(self) -> None:
        if self._login is None:
            self._become_ready()
            return
        offered = self.extensions.get("AUTH", "").upper().split()
        name = next((name for name in CLIENT_MECHANISMS if name in offered), None)
        if name is None:
            mechanisms = " or ".join(CLIENT_MECHANISMS)
            self._hang_up(None, f"a login is set and the peer does not offer AUTH {mechanisms}")
            return
        try:
            self._mechanism = CLIENT_MECHANISMS[name](*self._login)
        except SaslError as error:
            self._hang_up(None, f"the login that is set cannot be used: {error}")
            return
        initial = self._mechanism.initial_response()
        line = f"AUTH {name}".encode()
        if initial is not None:
            with_initial = b"%b %b" % (line, binascii.b2a_base64(initial, newline=False))
            if len(with_initial) + 2 <= MAX_COMMAND_LINE:  # RFC 4954 §4
                line = with_initial
        self._say_hidden(line)

    def _take_auth(self, reply: Reply) -> None:
        mechanism = self._mechanism
        if 200 <= reply.code < 300:
            self._become_ready()
        elif reply.code != 334 or mechanism is None:
            self._hang_up(reply, "the peer refuses the login")
        else:
            self._challenges += 1
            try:
                answer = mechanism.step(binascii.a2b_base64(reply.text.encode(), strict_mode=True))
            except (binascii.Error, SaslError):
                answer = None
            if answer is None or self._challenges > MAX_CHALLENGES:
                self._mechanism = None
                self._say_hidden(b"*")  # RFC 4954 §4: cancelled
            else:
                self._say_hidden(binascii.b2a_base64(answer, newline=False))

    def _become_ready(self) -> None:
        self._move("opening", "ready")
        self._mechanism = None
        self._events.append(Ready(dict(self.extensions)))

    # A transaction

    def _plan_of(self, envelope: Envelope, size: int) -> list[_Sent]:
        mail = mail_argument(envelope, size=size, extensions=self.extensions)
        rcpts = [rcpt_argument(to, extensions=self.extensions) for to in envelope.recipients]
        if any("\r" in words or "\n" in words or "\0" in words for words in (mail, *rcpts)):
            raise LocalProtocolError("a line end inside an envelope")
        return [
            *([_Sent("RSET", "", self._take_rset)] if self._must_reset else ()),
            _Sent("MAIL", mail, self._take_mail),
            *(_Sent("RCPT", rcpt, self._take_rcpt) for rcpt in rcpts),
            _Sent("DATA", "", self._take_data),
        ]

    def _advance(self) -> None:
        """Send what is planned: all of it where the peer allows it, else the next command."""
        is_pipelining = "PIPELINING" in self.extensions
        while self._plan and (is_pipelining or not self._expected):
            self._say(*self._plan.popleft())

    def _take_rset(self, reply: Reply) -> None:
        if reply.is_positive:
            self._advance()
        else:
            self._break_off(f"the peer refuses RSET: {reply}")

    def _take_mail(self, reply: Reply) -> None:
        transaction = self._open_transaction
        transaction.mail = reply
        if reply.is_positive:
            self._advance()
        elif self._plan:
            self._finish(reply, "mail")
        else:  # what was pipelined will be answered too
            transaction.decide(reply, "mail")

    def _take_rcpt(self, reply: Reply) -> None:
        transaction = self._open_transaction
        transaction.take_rcpt(reply)
        if len(self._plan) == 1 and not transaction.accepted:  # DATA is left, for nobody
            self._finish(reply, "rcpt")
        else:
            self._advance()

    def _take_data(self, reply: Reply) -> None:
        transaction = self._open_transaction
        if not reply.is_positive:
            self._finish(reply, "data")
        elif reply.code < 300:
            self._break_off(f"the peer answered DATA out of step: {reply}")
        elif transaction.accepted:
            transaction.is_content_due = True
            self._events.append(ContentWanted())
        else:  # RFC 2920 §3.1: nobody is to get it, so nothing is sent
            self._output.append(b".\r\n")
            self._expected.append(_Sent(".", "", self._take_final))

    def _take_final(self, reply: Reply) -> None:
        transaction = self._open_transaction
        transaction.mail = None  # RFC 5321 §4.1.1.4: whatever the reply, it is over
        self._finish(reply, "data")

    def _finish(self, reply: Reply, stage: Stage) -> None:
        """Give this result to whoever has none, and end the transaction."""
        transaction, self._transaction = self._open_transaction, None
        self._plan.clear()
        self._must_reset = self._must_reset or transaction.is_open
        transaction.decide(reply, stage)
        results = sorted(transaction.results.items())
        self._events.append(Done(tuple(result for _, result in results)))
        self._state = "ready"

    # The end

    def _take_quit(self, reply: Reply) -> None:
        self._close(reply, "")

    def _hang_up(self, reply: Reply | None, reason: str) -> None:
        self._output.append(b"QUIT\r\n")
        self._close(reply, reason)

    def _break_off(self, reason: str) -> None:
        self._close(None, reason, status="4.5.0")

    def _close(self, reply: Reply | None, reason: str, *, status: str = "4.4.2") -> None:
        self._closed = Closed(reply, reason)
        if self._transaction is not None:
            own = Reply(451, status, reason)
            self._finish(own if reply is None else reply, self._transaction.stage)
        self._plan.clear()
        self._expected.clear()
        self._lines.clear()
        self._buffer = b""
        self._events.append(self._closed)

    # Common parts

    @property
    def _waiting(self) -> str:
        verb = self.waiting_for
        what = {"": "", "CONNECT": "the greeting", ".": "the reply to the content"}
        return verb and f"while waiting for {what.get(verb, f'the reply to {verb}')}"

    @property
    def _open_transaction(self) -> Transaction:
        if self._transaction is None:
            raise LocalProtocolError("no transaction is open")
        return self._transaction

    def _move(self, before: _State, after: _State) -> None:
        if self._state != before:
            raise LocalProtocolError(f"the session is {self._state}, not {before}")
        self._state = after

    def _say(self, verb: str, detail: str, take: Callable[[Reply], None]) -> None:
        self._output.append(f"{verb} {detail}".rstrip().encode() + b"\r\n")
        self._expected.append(_Sent(verb, detail, take))

    def _say_hidden(self, line: bytes) -> None:
        self._output.append(line + b"\r\n")
        self._expected.append(_Sent("AUTH", "(hidden)", self._take_auth))

    def _drain(self) -> list[Event]:
        events, self._events = self._events, []
        return events


@lru_cache(256)
def _short_reply(line: bytes) -> Reply:
    """Read a reply of one line; most of a session's are alike."""
    return parse_reply([line])


def _result_of(closed: Closed) -> Reply:
    """What it means to a message that the session was closed before."""
    if closed.reply is not None and closed.reply.is_transient:
        return closed.reply
    return Reply(451, "4.4.2", closed.reason or "the connection is closed")
