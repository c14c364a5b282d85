"""One connection of a receiving SMTP server: command lines in, events and replies out.

Standards: RFC 5321 §3, §4.1, §4.3 (order, replies); RFC 1870 (SIZE); RFC 2034, 3463 (enhanced
    status codes); RFC 2920 (PIPELINING); RFC 3207 (STARTTLS); RFC 3461 (DSN); RFC 4954 (AUTH);
    RFC 6152 (8BITMIME); RFC 6409 §4.3 (submission); RFC 6531 (SMTPUTF8).
Owns: what the client has said so far: greeting, TLS, login, transaction, number of errors.
Never: sockets, cutting lines, reading content (`DataReader`), deciding who may send or receive.
Failure: a client's mistakes are answered and counted; `LocalProtocolError` when the caller is out
    of turn, which changes nothing.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, Literal, TypeAlias

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.protocol import LocalProtocolError
from appliance.protocol.sasl import SERVER_MECHANISMS, Challenge, SaslError, ServerMechanism
from appliance.protocol.smtp_command import (
    VERBS,
    Auth,
    Command,
    CommandError,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
    parse_arguments,
    split_command,
)
from appliance.protocol.smtp_data import Fault
from appliance.protocol.smtp_order import out_of_order
from appliance.protocol.smtp_server_events import (
    Credentials,
    DataRequested,
    Event,
    MailRequested,
    Question,
    RcptRequested,
    Respond,
    TlsRequested,
)

__all__ = [
    "Credentials",
    "DataRequested",
    "Event",
    "MailRequested",
    "RcptRequested",
    "Respond",
    "Role",
    "SmtpServer",
    "TlsRequested",
    "fault_reply",
]

Role: TypeAlias = Literal["mx", "submission"]

HIDDEN: Final = "(hidden)"

_DONE: Final = Reply(250, "2.0.0", "Requested mail action okay, completed")
_HTTP: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)
# What is a yes to each question; any other reply below 400 would leave the client with another idea
# of the session than ours.
_YES: Final[Mapping[type[Question], tuple[int, ...]]] = {
    MailRequested: (250,),
    RcptRequested: (250, 251),
    DataRequested: (354,),
    TlsRequested: (220,),
    Credentials: (235,),
}


class _State(Enum):
    LINE = auto()  # a command is next, or the response to a 334
    QUESTION = auto()  # the caller owes an answer
    CONTENT = auto()  # 354 was said; the caller reads content
    HANDSHAKE = auto()  # 220 was said to STARTTLS
    CLOSED = auto()  # the last reply was a goodbye


class SmtpServer:
    """The server's side of one SMTP connection.

    The caller cuts what it receives into lines at CRLF and nothing else (RFC 5321 §2.3.8), gives
    each to `receive_line`, and acts on the event it gets back.

    Attributes:
        helo: the name in HELO or EHLO; None before one.
        esmtp: it was an EHLO.
        tls_active: the connection is encrypted.
        cipher: what `tls_started` was told.
        login: the authcid whose password was accepted; None before.
        mail: the MAIL command of the open transaction; None outside one.
        recipients: those accepted in it.
        errors: commands that were answered with 5xx, over the whole connection.
        last_reply: the most recent reply, as sent.
    """

    def __init__(
        self,
        *,
        hostname: str,
        greeting: str,
        client: str,
        role: Role,
        tls: bool,
        tls_active: bool,
        auth: tuple[str, ...],
        auth_without_tls: bool,
        max_size: int,
        max_recipients: int,
        max_errors: int,
        disabled: frozenset[str],
        local_domain: str,
        utf8: bool = True,
        legacy_auth: bool = True,
        command_limit: int = 512,
        path_limit: int = 1012,
        auth_limit: int = 12288,
    ) -> None:
        """Start a connection.

        Args:
            hostname: how the server calls itself.
            greeting: the text after 220.
            client: the client's IP address, for the EHLO answer.
            role: a submission server wants a login before MAIL (RFC 6409 §4.3).
            tls: STARTTLS can be offered.
            tls_active: TLS began before the first line (RFC 8314 §3.3).
            auth: mechanisms, of those in `sasl.SERVER_MECHANISMS`.
            auth_without_tls: passwords are taken in clear as well.
            max_size: octets of one message; 0 for no limit.
            max_recipients: recipients of one message; 0 for no limit.
            max_errors: the error at which the connection is dropped; 0 for never.
            disabled: commands that the operator switched off, in upper case.
            local_domain: where the bare `<Postmaster>` lives.
            utf8: offer SMTPUTF8.
            legacy_auth: offer `AUTH=LOGIN` too, for clients older than RFC 2554.
            command_limit: octets of a command line with its CRLF (RFC 5321 §4.5.3.1.4).
            path_limit: the same for MAIL and RCPT with their parameters (RFC 3461 §4, RFC 4954 §3).
            auth_limit: the same for AUTH and its responses (RFC 4954 §4).
        """
        self._hostname = hostname
        self._greeting = greeting
        self._client = client
        self._role: Role = role
        self._auth = {name: SERVER_MECHANISMS[name] for name in auth if "AUTH" not in disabled}
        self._auth_without_tls = auth_without_tls
        self._tls = tls and "STARTTLS" not in disabled
        self._max_size = max_size
        self._max_recipients = max_recipients
        self._max_errors = max_errors
        self._disabled = disabled
        self._local_domain = local_domain
        self._utf8 = utf8
        self._legacy_auth = legacy_auth
        self._command_limit = command_limit
        self._limits = {"MAIL": path_limit, "RCPT": path_limit, "AUTH": auth_limit}

        self._state = _State.LINE
        self._question: Question | None = None
        self._mechanism = ""
        self._sasl: ServerMechanism | None = None
        self._verb = ""
        self._detail = ""
        self.helo: str | None = None
        self.esmtp = False
        self.tls_active = tls_active
        self.cipher: str | None = None
        self.login: str | None = None
        self.mail: Mail | None = None
        self.recipients: list[Recipient] = []
        self.errors = 0
        self.last_reply = Reply(220, "", greeting)

    # ── what the caller asks ─────────────────────────────────────────────────────────────────────

    @property
    def reverse_path(self) -> Address | None:
        """The open transaction's reverse-path; None for the null one and outside a transaction."""
        return self.mail.reverse_path if self.mail is not None else None

    @property
    def offers_tls(self) -> bool:
        """STARTTLS is possible on this port."""
        return self._tls

    @property
    def offers_auth(self) -> bool:
        """There are mechanisms, allowed right now or not."""
        return bool(self._auth)

    @property
    def takes_passwords(self) -> bool:
        """AUTH is allowed right now."""
        return bool(self._auth) and (self.tls_active or self._auth_without_tls)

    @property
    def needs_login(self) -> bool:
        """No MAIL before AUTH (RFC 6409 §4.3)."""
        return self._role == "submission" and self.login is None

    @property
    def is_closing(self) -> bool:
        """The last reply was a goodbye: hang up once it is sent."""
        return self._state is _State.CLOSED

    @property
    def line_limit(self) -> int:
        """How long a line may be that the caller still hands to `receive_line`, with its CRLF."""
        return max(self._limits.values())

    def envelope(self) -> Envelope:
        """The open transaction as a value.

        Raises:
            LocalProtocolError: there is none.
        """
        if self.mail is None:
            raise LocalProtocolError("there is no transaction")
        return Envelope(
            reverse_path=self.mail.reverse_path,
            recipients=tuple(self.recipients),
            body=self.mail.body,
            smtputf8=self.mail.smtputf8,
            ret=self.mail.ret,
            envid=self.mail.envid,
        )

    # ── what the caller hands in ─────────────────────────────────────────────────────────────────

    def greeting(self) -> bytes:
        """The first thing to send."""
        return Reply(220, "", self._greeting).encode()

    def receive_line(self, line: bytes) -> Event:
        """Take one line.

        Args:
            line: without its CRLF.

        Raises:
            LocalProtocolError: an answer is owed, content or a handshake is due, or it is over.
        """
        if self._state is not _State.LINE:
            self._expect(_State.LINE)
        try:
            if self._sasl is not None:
                return self._receive_response(self._sasl, line)
            return self._receive_command(line)
        except CommandError as error:
            return self._respond(error.reply)

    def line_too_long(self) -> Event:
        """Take the news that a line was longer than `line_limit`; the caller has skipped it.

        Raises:
            LocalProtocolError: as for `receive_line`.
        """
        self._expect(_State.LINE)
        if self._sasl is not None:
            self._end_exchange()
            return self._respond(_too_long("AUTH", self._limits["AUTH"]))
        self._verb, self._detail = "?", "(too long)"
        return self._respond(_too_long("?", self.line_limit))

    def answer(self, reply: Reply) -> bytes:
        """Answer the question that the last event asked.

        Args:
            reply: 250 to MAIL, 250 or 251 to RCPT, 354 to DATA, 220 to STARTTLS, 235 to
                credentials, or any 4xx or 5xx. With 421, or when this error is one too many, the
                connection ends: see `is_closing`.

        Returns:
            What to send.

        Raises:
            LocalProtocolError: nothing was asked, or the reply is no answer to it.
        """
        question = self._question
        if question is None:
            raise LocalProtocolError(f"nobody asked for {reply}")
        self._question = None
        self._state = _State.LINE
        if reply.code < 400:
            if reply.code not in _YES[type(question)]:
                self._question, self._state = question, _State.QUESTION
                raise LocalProtocolError(f"{reply} is no answer to {question.verb}")
            self._grant(question)
        return self._settle(reply)

    def data_finished(self, reply: Reply) -> bytes:
        """Answer the content, which ends the transaction whatever the answer is.

        Args:
            reply: 250 once the message is durable, or a 4xx or 5xx.

        Returns:
            What to send.

        Raises:
            LocalProtocolError: no content was due, or the reply is no answer to it.
        """
        self._expect(_State.CONTENT)
        if reply.is_positive and reply.code != 250:
            raise LocalProtocolError(f"{reply} is no answer to content")
        self._state = _State.LINE
        data = self._settle(reply)
        self._reset()
        return data

    def tls_started(self, cipher: str) -> None:
        """Take the news that the handshake succeeded: all that was learnt before is forgotten.

        Args:
            cipher: what was negotiated, for trace lines.

        Raises:
            LocalProtocolError: no handshake was due.
        """
        self._expect(_State.HANDSHAKE)
        self._state = _State.LINE
        self.tls_active = True
        self.cipher = cipher
        self.helo = None  # RFC 3207 §4.2
        self.esmtp = False
        self.login = None
        self._reset()

    # ── commands ─────────────────────────────────────────────────────────────────────────────────

    def _receive_command(self, line: bytes) -> Event:
        # A line that is no command isn't logged: it may be a password sent out of step.
        self._verb, self._detail = "?", f"({len(line)} octets)"
        verb, argument = split_command(line)
        if verb in VERBS:
            self._verb, self._detail = verb, HIDDEN if verb == "AUTH" else argument
        elif verb in _HTTP:
            # A browser or proxy was made to talk to us: what follows is not for our ears.
            self._verb, self._detail = verb, argument
            return self._respond(Reply(421, "4.7.0", "This is a mail server; closing connection"))
        limit = self._limits.get(verb, self._command_limit)
        if len(line) + 2 > limit:
            return self._respond(_too_long(self._verb, limit))
        if verb in self._disabled:
            raise CommandError(Reply(502, "5.5.1", f"Command {verb} is switched off here"))
        if refusal := out_of_order(verb, self):  # before the arguments are looked at
            raise CommandError(refusal)
        command = parse_arguments(verb, argument, local_domain=self._local_domain)
        match command:
            case Mail():
                return self._mail(command, is_ascii=argument.isascii())
            case Rcpt():
                return self._rcpt(command, is_ascii=argument.isascii())
            case Data():
                return self._ask(DataRequested(verb=verb, detail=argument))
            case Auth():
                return self._begin_exchange(command)
            case StartTls():
                return self._ask(TlsRequested(verb=verb, detail=argument))
        return self._respond(self._perform(command))

    def _mail(self, command: Mail, *, is_ascii: bool) -> Event:
        if command.smtputf8 and not self._utf8:
            raise CommandError(Reply(555, "5.5.4", "MAIL parameter SMTPUTF8 is not known"))
        self._check_ascii(is_ascii=is_ascii or command.smtputf8)
        if self._max_size and command.size is not None and command.size > self._max_size:
            raise CommandError(_too_big(self._max_size))  # RFC 1870 §6.1
        return self._ask(MailRequested(command, verb="MAIL", detail=self._detail))

    def _rcpt(self, command: Rcpt, *, is_ascii: bool) -> Event:
        self._check_ascii(is_ascii=is_ascii or (self.mail is not None and self.mail.smtputf8))
        if self._max_recipients and len(self.recipients) >= self._max_recipients:
            # RFC 5321 §4.5.3.1.10: the client sends the others in a transaction of their own
            text = f"Too many recipients; one message may have {self._max_recipients}"
            raise CommandError(Reply(452, "4.5.3", text))
        return self._ask(RcptRequested(command.recipient, verb="RCPT", detail=self._detail))

    def _check_ascii(self, *, is_ascii: bool) -> None:
        if is_ascii:
            return
        if self._utf8:  # RFC 6531 §3.4
            text = "The address is not ASCII; that needs SMTPUTF8 in the MAIL command"
        else:
            text = "The address is not ASCII, which this server does not take"
        raise CommandError(Reply(553, "5.6.7", text))

    def _perform(self, command: Command) -> Reply:
        """Do what needs nobody's consent."""
        match command:
            case Ehlo(name) | Helo(name):
                self._reset()  # RFC 5321 §4.1.4
                self.helo = name
                self.esmtp = isinstance(command, Ehlo)
                return self._welcome() if self.esmtp else Reply(250, "", self._hostname)
            case Rset():
                self._reset()
                return _DONE
            case Quit():
                return Reply(221, "2.0.0", "Service closing transmission channel")
            case Help():
                names = sorted(VERBS - self._disabled)
                return Reply(214, "2.0.0", f"Commands: {' '.join(names)}")
            case Vrfy() | Expn():  # RFC 5321 §3.5.3
                text = "Not verified here; a message to it will be delivered or returned"
                return Reply(252, "2.0.0", text)
            case _:
                return Reply(250, "2.0.0", "OK")

    def _welcome(self) -> Reply:
        keywords = [
            f"SIZE {self._max_size}",  # RFC 1870 §4: 0 is "no limit"
            "8BITMIME",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
        ]
        if self._utf8:
            keywords.append("SMTPUTF8")
        keywords.append("DSN")
        if self._tls and not self.tls_active:  # RFC 3207 §4.2
            keywords.append("STARTTLS")
        if self.takes_passwords:
            keywords.append(f"AUTH {' '.join(self._auth)}")
            if self._legacy_auth and "LOGIN" in self._auth:
                keywords.append("AUTH=LOGIN")
        if "HELP" not in self._disabled:
            keywords.append("HELP")
        first = f"{self._hostname} [{self._client}], this server offers {len(keywords)} extensions"
        return Reply(250, "", "\n".join([first, *keywords]))  # RFC 2034 §3: no status in EHLO

    # ── the AUTH exchange ────────────────────────────────────────────────────────────────────────

    def _begin_exchange(self, command: Auth) -> Event:
        if command.mechanism not in self._auth:
            text = f"Mechanism not offered; use one of {' '.join(self._auth)}"
            raise CommandError(Reply(504, "5.5.4", text))
        sasl = self._auth[command.mechanism]()
        self._mechanism = command.mechanism
        return self._continue_exchange(sasl, command.initial)

    def _receive_response(self, sasl: ServerMechanism, line: bytes) -> Event:
        self._end_exchange()
        limit = self._limits["AUTH"]
        if len(line) + 2 > limit:
            return self._respond(_too_long("AUTH", limit))
        if line == b"*":  # RFC 4954 §4
            raise CommandError(Reply(501, "5.7.0", "Authentication cancelled"))
        try:
            response = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            raise CommandError(Reply(501, "5.5.2", "The response is not base64")) from None
        return self._continue_exchange(sasl, response)

    def _continue_exchange(self, sasl: ServerMechanism, response: bytes | None) -> Event:
        try:
            step = sasl.step(response)
        except SaslError as error:
            raise CommandError(Reply(501, "5.5.2", f"Authentication failed: {error}")) from None
        if isinstance(step, Challenge):
            self._sasl = sasl
            text = binascii.b2a_base64(step.data, newline=False).decode()
            return self._respond(Reply(334, "", text))
        return self._ask(
            Credentials(
                mechanism=self._mechanism,
                authcid=step.authcid,
                authzid=step.authzid,
                password=step.password,
                verb="AUTH",
                detail=HIDDEN,
            )
        )

    def _end_exchange(self) -> None:
        self._verb, self._detail = "AUTH", HIDDEN
        self._sasl = None

    # ── replies and state ────────────────────────────────────────────────────────────────────────

    def _ask(self, question: Question) -> Event:
        self._state = _State.QUESTION
        self._question = question
        return question

    def _grant(self, question: Question) -> None:
        match question:
            case MailRequested(command=command):
                self.mail = command
            case RcptRequested(recipient=recipient):
                self.recipients.append(recipient)
            case DataRequested():
                self._state = _State.CONTENT
            case TlsRequested():
                self._state = _State.HANDSHAKE
            case Credentials(authcid=authcid):
                self.login = authcid

    def _respond(self, reply: Reply) -> Event:
        data = self._settle(reply)
        return Respond(
            data=data,
            close=self.is_closing,
            reply=self.last_reply,
            verb=self._verb,
            detail=self._detail,
        )

    def _settle(self, reply: Reply) -> bytes:
        """Count an error, and close when it is one too many or the reply is a goodbye."""
        code = reply.code
        if code >= 500:
            self.errors += 1
            if self._max_errors and self.errors >= self._max_errors:
                text = f"Too many errors, closing connection; the last one was: {reply}"
                reply = Reply(421, "4.7.0", text)
                code = 421
        if code in {221, 421}:  # RFC 5321 §3.8
            self._state = _State.CLOSED
        self.last_reply = reply
        return reply.encode(utf8=self.mail is not None and self.mail.smtputf8)

    def _reset(self) -> None:
        self.mail = None
        self.recipients = []

    def _expect(self, state: _State) -> None:
        if self._state is not state:
            raise LocalProtocolError(f"out of turn: the connection is at {self._state.name}")


def fault_reply(fault: Fault, *, max_size: int) -> Reply:
    """What to answer to content with a fault.

    Args:
        fault: as the `DataReader` found it.
        max_size: the limit in octets, for the text.
    """
    match fault:
        case Fault.TOO_BIG:
            return _too_big(max_size)
        case Fault.NUL:
            return Reply(550, "5.5.2", "The message has a NUL in it, which no message may have")
        case Fault.BARE_CR:
            wrong = "a CR without its LF"
        case Fault.BARE_LF:
            wrong = "an LF without its CR"
    text = f"The message has {wrong} in it; lines end with CRLF (RFC 5321 section 2.3.8)"
    return Reply(550, "5.5.2", text)


def _too_big(max_size: int) -> Reply:
    return Reply(552, "5.3.4", f"Message too big; this server takes {max_size} octets")


def _too_long(verb: str, limit: int) -> Reply:
    status = "5.5.6" if verb == "AUTH" else "5.5.2"  # RFC 4954 §4
    return Reply(500, status, f"Line too long; {limit} octets is the limit")
