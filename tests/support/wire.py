"""A client that says exactly what a test wants said: octets out, lines in."""

from __future__ import annotations

import base64
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_TIMEOUT_S = 20.0
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply of an SMTP server, of one line or several."""

    code: int
    lines: tuple[str, ...]

    @property
    def status(self) -> str:
        """The enhanced status code; empty without one."""
        first = self.lines[0].partition(" ")[0]
        return first if first.count(".") == 2 and first.replace(".", "").isdigit() else ""

    @property
    def text(self) -> str:
        """The last line without its enhanced status code."""
        return self.lines[-1].removeprefix(self.status).strip()

    @property
    def id(self) -> str:
        """The message's id, as the answer to its content gives it in brackets."""
        assert self.code == 250, self
        return self.text.rpartition("(")[2].rstrip(")")

    def __str__(self) -> str:
        return f"{self.code} {self.lines[-1]}"


class Wire:
    """A connection of a client."""

    def __init__(
        self, port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect.

        Args:
            port: on 127.0.0.1.
            source: the client's own address; all of 127.0.0.0/8 are this machine.
            tls: begin TLS with the first byte.
        """
        self.socket: socket.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=_TIMEOUT_S, source_address=(source, 0)
        )
        self._received = bytearray()
        self.secret = tls is not None
        if tls is not None:
            self.start_tls(tls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def reset(self) -> None:
        """Hang up as a client does whose machine is switched off: without goodbye."""
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def finish(self) -> None:
        """Send no more, and go on listening."""
        self.socket.shutdown(socket.SHUT_WR)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Begin TLS, and look at the certificate."""
        self._received.clear()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.secret = True

    def send(self, octets: bytes) -> None:
        """Send octets."""
        self.socket.sendall(octets)

    def line(self) -> bytes:
        """Return the next line without its CRLF.

        Raises:
            EOFError: the server has hung up.
        """
        while (end := self._received.find(b"\r\n")) < 0:
            self._fill()
        line = bytes(self._received[:end])
        del self._received[: end + 2]
        return line

    def until_dot(self) -> bytes:
        """Return the lines up to a single dot, un-stuffed, each with its CRLF (RFC 1939 §3)."""
        at = 0
        while not self._received.startswith(b".\r\n"):
            at = max(0, at - 4)
            if (end := self._received.find(b"\r\n.\r\n", at)) >= 0:
                break
            at = len(self._received)
            self._fill()
        else:
            end = -2
        octets = bytes(self._received[: end + 2])
        del self._received[: end + 5]
        return octets[1 if octets.startswith(b".") else 0 :].replace(b"\r\n.", b"\r\n")

    def rest(self) -> bytes:
        """Return everything until the server hangs up."""
        try:
            while True:
                self._fill()
        except EOFError:
            octets = bytes(self._received)
            self._received.clear()
            return octets

    @property
    def has_ended(self) -> bool:
        """Whether the server has hung up, and said nothing before that was not read."""
        return self.rest() == b""

    def _fill(self) -> None:
        try:
            octets = self.socket.recv(_BLOCK)
        except ConnectionError as error:
            raise EOFError from error
        if not octets:
            raise EOFError
        self._received += octets


class Smtp(Wire):
    """A client of SMTP, past the greeting."""

    def __init__(
        self, port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect and take the greeting."""
        super().__init__(port, source=source, tls=tls)
        self.greeting = self.answer()

    def answer(self) -> Answer:
        """Return the next reply."""
        lines = [self.line().decode("utf-8")]
        while lines[-1][3:4] == "-":
            lines.append(self.line().decode("utf-8"))
        return Answer(int(lines[0][:3]), tuple(line[4:] for line in lines))

    def do(self, command: str | bytes) -> Answer:
        """Send a command line and return the reply."""
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return self.answer()

    def ehlo(self) -> tuple[str, ...]:
        """Say EHLO; returns the keywords."""
        answer = self.do("EHLO client.example")
        assert answer.code == 250, answer
        return answer.lines[1:]

    def begin_tls(self, context: ssl.SSLContext) -> None:
        """Say EHLO and STARTTLS, and begin."""
        self.ehlo()
        answer = self.do("STARTTLS")
        assert answer.code == 220, answer
        self.start_tls(context)

    def auth(self, login: str, password: str) -> Answer:
        """Log in by PLAIN."""
        return self.do(f"AUTH PLAIN {plain(login, password)}")

    def message(
        self, content: bytes, *recipients: str, sender: str = "carol@example.org"
    ) -> Answer:
        """Send a message, a step at a time; returns the answer to its content."""
        for command in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{each}>" for each in recipients)):
            answer = self.do(command)
            assert answer.code == 250, (command, answer)
        answer = self.do("DATA")
        assert answer.code == 354, answer
        stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:]
        self.send(stuffed + b".\r\n")
        return self.answer()


class Pop3(Wire):
    """A client of POP3, past the greeting."""

    def __init__(
        self, port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect and take the greeting."""
        super().__init__(port, source=source, tls=tls)
        self.greeting = self.line().decode()

    def do(self, command: str | bytes) -> str:
        """Send a command line and return the first line of the answer."""
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return self.line().decode()

    def ask(self, command: str) -> bytes:
        """Send a command whose answer has several lines, and return them."""
        first = self.do(command)
        assert first.startswith("+OK"), (command, first)
        return self.until_dot()

    def login(self, login: str, password: str) -> str:
        """Log in by USER and PASS; returns the last answer."""
        self.do(f"USER {login}")
        return self.do(f"PASS {password}")

    def messages(self) -> list[bytes]:
        """Return all messages."""
        count = int(self.do("STAT").split()[1])
        return [self.ask(f"RETR {number}") for number in range(1, count + 1)]


def plain(login: str, password: str) -> str:
    """Return the response of PLAIN (RFC 4616)."""
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()
