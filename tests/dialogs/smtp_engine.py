"""The SMTP engine as a `Transport`: a shell without a socket, and the policy that scripts assume.

Header names: port (smtp or submission), tls (no, offered or active), passwords (tls or clear),
password, max-size, max-recipients, max-errors, disabled.
"""

from __future__ import annotations

from collections.abc import Mapping

from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.reply import Reply
from appliance.protocol.smtp_data import DataReader
from appliance.protocol.smtp_server import (
    Credentials,
    DataRequested,
    Event,
    MailRequested,
    RcptRequested,
    Respond,
    SmtpServer,
    TlsRequested,
    fault_reply,
)

MAILBOXES = frozenset({"alice@demo.test", "bob@demo.test"})
LOGIN = "alice@demo"

_OK = "Requested mail action okay, completed"


class EngineTransport:
    """A client's connection to an engine in the same process."""

    def __init__(self, header: Mapping[str, str]) -> None:
        self._password = header.get("password", "")
        self._max_size = int(header.get("max-size", "0"))
        self.engine = SmtpServer(
            hostname="mail.demo.test",
            greeting="mail.demo.test ESMTP Posthouse ready",
            client="192.0.2.7",
            role="submission" if header.get("port") == "submission" else "mx",
            tls=header.get("tls") == "offered",
            tls_active=header.get("tls") == "active",
            auth=("PLAIN", "LOGIN"),
            auth_without_tls=header.get("passwords", "clear") == "clear",
            max_size=self._max_size,
            max_recipients=int(header.get("max-recipients", "300")),
            max_errors=int(header.get("max-errors", "0")),
            disabled=frozenset(header.get("disabled", "").split()),
            local_domain="demo.test",
        )
        self.accepted: list[tuple[Envelope, bytes]] = []
        self._received = bytearray()
        self._said = bytearray(self.engine.greeting())
        self._reader: DataReader | None = None
        self._content: list[bytes] = []
        self._is_handshake_due = False

    def send(self, data: bytes) -> None:
        self._received += data
        while self._received and not self.engine.is_closing and not self._is_handshake_due:
            if self._reader is not None:
                self._read_content(self._reader)
                continue
            line, crlf, rest = self._received.partition(b"\r\n")
            if not crlf:
                return
            self._received = rest
            if len(line) + 2 > self.engine.line_limit:
                event = self.engine.line_too_long()
            else:
                event = self.engine.receive_line(bytes(line))
            self._said += self._act(event)

    def receive_line(self) -> bytes:
        line, crlf, rest = self._said.partition(b"\r\n")
        if crlf:
            self._said = rest
            return bytes(line)
        if self.engine.is_closing:
            raise EOFError
        raise TimeoutError("the server says nothing more")

    def start_tls(self) -> None:
        if not self._is_handshake_due:
            raise ConnectionError("the server does not begin TLS")
        self._is_handshake_due = False
        self._received.clear()
        self.engine.tls_started("TLS_AES_256_GCM_SHA384")

    def _act(self, event: Event) -> bytes:
        match event:
            case Respond(data=data):
                return data
            case MailRequested():
                return self.engine.answer(Reply(250, "2.1.0", _OK))
            case RcptRequested(recipient=recipient):
                return self.engine.answer(self._judge(recipient))
            case DataRequested():
                data = self.engine.answer(
                    Reply(354, "", "Start mail input; end with [CRLF].[CRLF]")
                )
                self._reader = DataReader(self._max_size or None)
                self._content = []
                return data
            case TlsRequested():
                self._is_handshake_due = True
                return self.engine.answer(Reply(220, "2.0.0", "Ready to start TLS"))
            case Credentials(authcid=authcid, password=password):
                if (authcid, password) == (LOGIN, self._password):
                    return self.engine.answer(Reply(235, "2.7.0", "Authentication successful"))
                return self.engine.answer(Reply(535, "5.7.8", "Wrong login or password"))

    def _judge(self, recipient: Recipient) -> Reply:
        address = recipient.address
        if address.key in MAILBOXES:
            return Reply(250, "2.1.5", _OK)
        if address.domain == "demo.test":
            return Reply(550, "5.1.1", f"There is no address <{address}> here")
        if self.engine.login:
            return Reply(250, "2.1.5", _OK)
        return Reply(550, "5.7.1", f"Relaying to {address.domain} denied")

    def _read_content(self, reader: DataReader) -> None:
        self._content += reader.feed(bytes(self._received))
        self._received.clear()
        if not reader.finished:
            return
        self._received += reader.rest
        self._reader = None
        if reader.fault is not None:
            reply = fault_reply(reader.fault, max_size=self._max_size)
        else:
            self.accepted.append((self.engine.envelope(), b"".join(self._content)))
            reply = Reply(250, "2.0.0", _OK)
        self._said += self.engine.data_finished(reply)
