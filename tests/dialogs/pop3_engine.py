"""The POP3 engine as a `Transport`: a shell without a socket, and the maildrop that scripts assume.

Header names: tls (no, offered or active), passwords (tls or clear), password, max-errors, maildrop
(empty, full, locked, or stuck, where deleting fails).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from appliance.protocol.pop3 import (
    Event,
    Listing,
    Login,
    Pop3Server,
    Quit,
    Respond,
    Retr,
    TlsRequested,
    retr_header,
    top,
)
from appliance.protocol.smtp_data import stuff

LOGIN = "alice@demo"
MESSAGES = (
    b"Subject: first\r\nTo: alice@demo.test\r\n\r\nHello\r\n.\r\n..two dots\r\nBye\r\n",
    b"Subject: second\r\n\r\n",
    b"\r\nno header\r\n",
)


class Messages:
    """A maildrop in memory."""

    def __init__(self, contents: tuple[bytes, ...]) -> None:
        self.contents = contents

    @property
    def count(self) -> int:
        return len(self.contents)

    @property
    def octets(self) -> int:
        return sum(map(len, self.contents))

    def size(self, number: int) -> int | None:
        return len(self.contents[number - 1]) if 1 <= number <= self.count else None

    def uid(self, number: int) -> str | None:
        return f"uid-{number}" if 1 <= number <= self.count else None

    def list_pieces(self) -> Iterator[bytes]:
        return iter(
            (b"".join(b"%d %d\r\n" % (n, len(text)) for n, text in enumerate(self.contents, 1)),)
        )

    def uidl_pieces(self) -> Iterator[bytes]:
        return iter((b"".join(b"%d uid-%d\r\n" % (n, n) for n in range(1, self.count + 1)),))


class EngineTransport:
    """A client's connection to an engine in the same process."""

    def __init__(self, header: Mapping[str, str]) -> None:
        self._password = header.get("password", "")
        self._maildrop = header.get("maildrop", "full")
        self._contents = () if self._maildrop == "empty" else MESSAGES
        self.deleted: tuple[int, ...] = ()
        self.engine = Pop3Server(
            hostname="mail.demo.test",
            tls=header.get("tls") == "offered",
            tls_active=header.get("tls") == "active",
            password_without_tls=header.get("passwords", "clear") == "clear",
            max_errors=int(header.get("max-errors", "0")),
            implementation="Posthouse",
        )
        self._received = bytearray()
        self._said = bytearray(self.engine.greeting())
        self._is_handshake_due = False

    def send(self, data: bytes) -> None:
        self._received += data
        while not self.engine.closed and not self._is_handshake_due:
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
        if self.engine.closed:
            raise EOFError
        raise TimeoutError("the server says nothing more")

    def start_tls(self) -> None:
        if not self._is_handshake_due:
            raise ConnectionError("the server does not begin TLS")
        self._is_handshake_due = False
        self._received.clear()
        self.engine.tls_started()

    def _act(self, event: Event) -> bytes:
        match event:
            case Respond(data=data):
                return data
            case Listing(pieces=pieces):
                return b"".join(pieces)
            case Login(user=user, password=password):
                if (user, password) != (LOGIN, self._password):
                    return self.engine.login_failed("AUTH", "The login or the password is wrong.")
                if self._maildrop == "locked":
                    return self.engine.login_failed(
                        "IN-USE", "another session has this maildrop open"
                    )
                return self.engine.login_ok(Messages(self._contents))
            case TlsRequested(data=data):
                self._is_handshake_due = True
                return data
            case Retr(number=number, size=size):
                return b"".join((retr_header(size), *stuff([self._contents[number - 1]])))
            case Quit(deleted=deleted):
                self.deleted = tuple(deleted)
                return self.engine.quit_done(ok=self._maildrop != "stuck")
            case _:
                return top(self._contents[event.number - 1], event.lines)
