"""The SMTP client that looks closer than smtp-source: any recipients, and the time of each 250.

One process with plain sockets and one epoll loop. Without pipelining it says what smtp-source says
(HELO, MAIL, RCPT, DATA); a message to many recipients pipelines its envelope, as mail servers do.

Standards: RFC 5321, RFC 2920 (pipelining).
Failure: `ClientError` when a server answers something else than expected, or not within `PATIENCE`.
"""

from __future__ import annotations

import collections
import dataclasses
import select
import socket
import time
from collections.abc import Iterable, Sequence

from clients import PATIENCE, SENDER, ClientError, Endpoint

__all__ = ["Sent", "send"]

_WINDOW = 50
"""Commands of an envelope that are sent at once, when it is pipelined.

With many more in one segment, either server's replies wait 40 ms for the client's delayed ACK."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """When it happened, by `time.perf_counter`.

    Attributes:
        began: before the first connect.
        data_sent: when the last message's final dot had been handed to the kernel.
        ended: at the last 250.
        waits: seconds from each message's final dot to its 250.
    """

    began: float
    data_sent: float
    ended: float
    waits: Sequence[float]


def message(address: str, number: int, size: int) -> bytes:
    """Returns a message with `size` octets of body, dot-stuffed and ended."""
    header = (
        f"From: <{SENDER}>\r\nTo: <{address}>\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
        f"Message-Id: <{number:08x}.bench@sender.test>\r\nSubject: message {number}\r\n\r\n"
    )
    lines = (b"X" * 78 + b"\r\n") * (size // 80)
    return header.encode() + lines + b"X" * (size % 80) + b"\r\n.\r\n"


class _Session:
    """One connection with the messages that it carries, one after the other.

    Each step is what to send and the code that each of its replies must have.
    """

    def __init__(
        self, server: Endpoint, recipients: Iterable[Sequence[str]], size: int, *, pipelined: bool
    ) -> None:
        self.sock = socket.create_connection(server, timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.waits: list[float] = []
        self.data_sent = 0.0
        self._left = collections.deque(recipients)
        self._size = size
        self._pipelined = pipelined
        self._steps: collections.deque[tuple[bytes, bytes, int]] = collections.deque()
        hello = b"EHLO" if pipelined else b"HELO"
        self._steps.append((hello + b" client.sender.test\r\n", b"250", 1))
        self._awaited = (b"220", 1)
        self._in = b""
        self._out = b""
        self._serial = 0

    @property
    def has_to_write(self) -> bool:
        """Whether the kernel did not take all of it yet."""
        return bool(self._out)

    def feed(self) -> bool:
        """Takes replies and goes on; returns whether all messages have had their 250."""
        chunk = self.sock.recv(65536)
        if not chunk:
            raise ClientError("the SMTP server closed the connection")
        self._in += chunk
        if not self._in.endswith(b"\n"):
            return False
        code, count = self._awaited
        lines = self._in.splitlines()
        self._in = b""
        for line in lines:
            if line[:3] != code:
                raise ClientError(f"the SMTP server answered {line[:200]!r}, not {code.decode()}")
            count -= line[3:4] != b"-"
        self._awaited = (code, count)
        return not count and self._next()

    def write(self) -> None:
        """Sends what is left of this step."""
        now = time.perf_counter()
        self._out = self._out[self.sock.send(self._out) :]
        if not self._out:
            self.data_sent = now

    def _next(self) -> bool:
        if not self._steps:
            if self._awaited[0] == b"250" and self._serial:
                self.waits.append(time.perf_counter() - self.data_sent)
            if not self._left:
                return True
            self._prepare(self._left.popleft())
        self._out, code, count = self._steps.popleft()
        self._awaited = (code, count)
        self.write()
        return False

    def _prepare(self, recipients: Sequence[str]) -> None:
        """Puts the steps of one message in line."""
        commands = [f"MAIL FROM:<{SENDER}>\r\n".encode()]
        commands += [f"RCPT TO:<{each}>\r\n".encode() for each in recipients]
        step = _WINDOW if self._pipelined else 1
        for start in range(0, len(commands), step):
            some = commands[start : start + step]
            self._steps.append((b"".join(some), b"250", len(some)))
        self._steps.append((b"DATA\r\n", b"354", 1))
        self._steps.append((message(recipients[0], self._serial, self._size), b"250", 1))
        self._serial += 1


def send(
    server: Endpoint,
    recipients: Sequence[Sequence[str]],
    *,
    size: int,
    connections: int,
    pipelined: bool = False,
) -> Sent:
    """Sends a message to each group of recipients, spread over connections that stay open.

    Args:
        server: where SMTP listens.
        recipients: each message's.
        size: octets of each message's body.
        connections: how many; all are opened at the start.
        pipelined: whether an envelope is sent without waiting for each reply.
    """
    sessions: dict[int, _Session] = {}
    began = time.perf_counter()
    with select.epoll() as epoll:
        try:
            for number in range(connections):
                one = _Session(server, recipients[number::connections], size, pipelined=pipelined)
                sessions[one.sock.fileno()] = one
                epoll.register(one.sock, select.EPOLLIN)
            busy = len(sessions)
            while busy:
                events = epoll.poll(PATIENCE)
                if not events:
                    raise ClientError(f"the SMTP server was silent for {PATIENCE:.0f} s")
                for fileno, event in events:
                    one = sessions[fileno]
                    if event & select.EPOLLOUT:
                        one.write()
                    if event & ~select.EPOLLOUT and one.feed():
                        epoll.unregister(fileno)
                        busy -= 1
                        continue
                    wanted = select.EPOLLIN | (select.EPOLLOUT if one.has_to_write else 0)
                    if wanted != select.EPOLLIN or event & select.EPOLLOUT:
                        epoll.modify(fileno, wanted)
            ended = time.perf_counter()
            for one in sessions.values():
                one.sock.setblocking(True)
                one.sock.settimeout(PATIENCE)
                one.sock.sendall(b"QUIT\r\n")
                one.sock.recv(512)
        finally:
            for one in sessions.values():
                one.sock.close()
    waits = [wait for one in sessions.values() for wait in one.waits]
    if len(waits) != len(recipients):
        raise ClientError(f"{len(waits)} messages of {len(recipients)} were taken")
    return Sent(began, max(one.data_sent for one in sessions.values()), ended, waits)
