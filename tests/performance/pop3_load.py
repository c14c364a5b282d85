"""The POP3 client, the same for both sides: plain sockets and one epoll loop in one process.

It takes little of the two cores that it shares with the server.

Standards: RFC 1939 (POP3), RFC 2449 §6.8 (PIPELINING).
Failure: `ClientError` when a server answers something else than expected, or not within `PATIENCE`.
"""

from __future__ import annotations

import collections
import select
import socket
import time
from collections.abc import Sequence

from clients import PATIENCE, Account, ClientError, Endpoint

__all__ = ["Pop3", "fetch", "list_all", "login_sessions", "stat"]

_END = b"\r\n.\r\n"
_KEPT = len(_END) - 1
_CHUNK = 1 << 18
_received = bytearray(_KEPT + _CHUNK)
_view = memoryview(_received)[_KEPT:]
"""Where replies are read to, behind the end of what came before: to look at them needs no copy."""


class Pop3:
    """One POP3 connection; reads whole replies while blocking, or is driven by an epoll loop."""

    def __init__(self, server: Endpoint) -> None:
        self.sock = socket.create_connection(server, timeout=PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def line(self) -> bytes:
        """Waits for a one-line reply that says +OK."""
        reply = b""
        while not reply.endswith(b"\r\n"):
            chunk = self.sock.recv(4096)
            if not chunk:
                raise ClientError("the POP3 server closed the connection")
            reply += chunk
        return _positive(reply)

    def ask(self, command: bytes) -> bytes:
        self.sock.sendall(command)
        return self.line()

    def login(self, account: Account) -> None:
        self.line()
        self.ask(f"USER {account.login}\r\n".encode())
        self.ask(f"PASS {account.password}\r\n".encode())

    def quit(self) -> None:
        """Says QUIT, waits for its reply, and for the server to close."""
        self.ask(b"QUIT\r\n")
        self.sock.recv(1)
        self.sock.close()


def _positive(reply: bytes) -> bytes:
    if not reply.startswith(b"+OK"):
        raise ClientError(f"the POP3 server answered {reply[:200]!r}")
    return reply


def stat(server: Endpoint, account: Account) -> int:
    """Returns how many messages the account's mailbox shows, by a session of its own."""
    pop = Pop3(server)
    try:
        pop.login(account)
        count = int(pop.ask(b"STAT\r\n").split()[1])
        pop.quit()
    finally:
        pop.sock.close()
    return count


def _poll(epoll: select.epoll) -> list[tuple[int, int]]:
    events = epoll.poll(PATIENCE)
    if not events:
        raise ClientError(f"the POP3 server was silent for {PATIENCE:.0f} s")
    return events


def login_sessions(server: Endpoint, accounts: Sequence[Account], sessions: int) -> float:
    """Holds `sessions` sessions of login, STAT, QUIT; one at a time on each account.

    A session ends when the server has closed the connection: only then the maildrop is surely free.

    Returns:
        The seconds from the first connect to the end of the last session.
    """
    scripts = [
        (
            f"USER {account.login}\r\n".encode(),
            f"PASS {account.password}\r\n".encode(),
            b"STAT\r\n",
            b"QUIT\r\n",
        )
        for account in accounts
    ]
    talks: dict[int, tuple[socket.socket, int, collections.deque[bytes]]] = {}
    left = sessions

    def connect(number: int) -> None:
        nonlocal left
        left -= 1
        sock = socket.socket()  # create_connection looks the address up each time
        sock.connect(server)
        sock.setblocking(False)
        talks[sock.fileno()] = (sock, number, collections.deque(scripts[number]))
        epoll.register(sock, select.EPOLLIN)

    with select.epoll() as epoll:
        try:
            start = time.perf_counter()
            for number in range(min(len(accounts), sessions)):
                connect(number)
            while talks:
                for fileno, _ in _poll(epoll):
                    sock, number, script = talks[fileno]
                    reply = sock.recv(4096)
                    if reply:
                        _positive(reply)
                        if not reply.endswith(b"\r\n"):
                            raise ClientError(f"half a reply line: {reply!r}")
                        if script:
                            sock.send(script.popleft())
                        continue
                    if script:
                        raise ClientError("the POP3 server closed the connection in a session")
                    epoll.unregister(fileno)
                    del talks[fileno]
                    sock.close()
                    if left:
                        connect(number)
            return time.perf_counter() - start
        finally:
            for sock, _, _ in talks.values():
                sock.close()


def list_all(server: Endpoint, account: Account, messages: int) -> float:
    """Holds a session of login, STAT, LIST, UIDL, QUIT.

    Args:
        server: where POP3 listens.
        account: the mailbox.
        messages: how many lines LIST and UIDL must have.

    Returns:
        The seconds from the connect to the reply to QUIT.
    """
    start = time.perf_counter()
    pop = Pop3(server)
    try:
        pop.login(account)
        pop.ask(b"STAT\r\n")
        for command in (b"LIST\r\n", b"UIDL\r\n"):
            pop.sock.sendall(command)
            chunks = [_positive(pop.sock.recv(_CHUNK))]
            while not b"".join(chunks[-2:]).endswith(_END):
                if not (chunk := pop.sock.recv(_CHUNK)):
                    raise ClientError("the POP3 server closed the connection in a list")
                chunks.append(chunk)
            lines = sum(chunk.count(b"\n") for chunk in chunks) - 2
            if lines != messages:
                raise ClientError(f"{command!r} gave {lines} lines for {messages} messages")
        pop.ask(b"QUIT\r\n")
        return time.perf_counter() - start
    finally:
        pop.sock.close()


class _Fetch:
    """The work of one connection: RETR, with DELE or not, at most `window` in flight."""

    def __init__(
        self,
        server: Endpoint,
        account: Account,
        *,
        count: int,
        commands: Sequence[bytes],
        window: int,
        delete: bool,
    ) -> None:
        self.pop = Pop3(server)
        self.pop.login(account)
        self.octets = 0
        self.left = count
        self._count = count
        self._commands = commands
        self._window = window
        self._delete = delete
        self._asked = 0
        self._tail: bytes | bytearray = b""
        self._awaits_dele = False

    def ask(self) -> None:
        """Sends as many commands as the window has room for."""
        until = min(self._count, self._count - self.left + self._window)
        commands, held = self._commands, len(self._commands)
        self.pop.sock.sendall(b"".join([commands[n % held] for n in range(self._asked, until)]))
        self._asked = max(until, self._asked)

    def feed(self) -> bool:
        """Takes what has come in and asks for more; returns whether all is done."""
        octets = self.pop.sock.recv_into(_view)
        if not octets:
            raise ClientError("the POP3 server closed the connection while fetching")
        if self._window == 1:
            return self._feed_single(_view[:octets].tobytes())
        self.octets += octets
        begin, end = _KEPT - len(self._tail), _KEPT + octets
        _received[begin:_KEPT] = self._tail
        self._tail = _received[max(begin, end - _KEPT) : end]
        if ended := _received.count(_END, begin, end):
            self.left -= ended
            # Refill by halves, so that neither side works in single steps.
            if (
                self._asked < self._count
                and self._asked - (self._count - self.left) <= self._window // 2
            ):
                self.ask()
        # The replies to DELE are single lines: the last of them ends the stream.
        return not self.left and (
            not self._delete
            or (
                not _received.endswith(_END, begin, end) and _received.endswith(b"\r\n", begin, end)
            )
        )

    def _feed_single(self, chunk: bytes) -> bool:
        if not self._tail:
            _positive(chunk)
        self.octets += len(chunk)
        seen = self._tail + chunk if self._tail else chunk
        if not seen.endswith(b"\r\n" if self._awaits_dele else _END):
            self._tail = seen[-_KEPT:]
            return False
        self._tail = b""
        if self._delete and not self._awaits_dele:
            self._awaits_dele = True
            self.pop.sock.sendall(b"DELE %d\r\n" % self._asked)
            return False
        self._awaits_dele = False
        self.left -= 1
        if self.left:
            self.ask()
        return not self.left


def fetch(
    server: Endpoint,
    accounts: Sequence[Account],
    *,
    count: int,
    held: int,
    size: int,
    window: int,
    delete: bool,
) -> tuple[float, float]:
    """Fetches `count` messages, spread over one connection for each account.

    Args:
        server: where POP3 listens.
        accounts: the mailboxes.
        count: messages in all.
        held: messages that each mailbox holds: whoever is to fetch more begins again.
        size: bytes that each message has at least.
        window: messages asked for in advance; 1 means one by one.
        delete: whether each message is also deleted.

    Returns:
        The seconds from the first RETR to the last reply, and the seconds of the whole sessions,
        from the first connect to the last reply to QUIT.
    """
    share = count // len(accounts)
    both = delete and window > 1
    numbers = range(1, held + 1)
    commands = [b"RETR %d\r\n" % n + (b"DELE %d\r\n" % n if both else b"") for n in numbers]
    fetches: dict[int, _Fetch] = {}
    start = time.perf_counter()
    with select.epoll() as epoll:
        try:
            for account in accounts:
                one = _Fetch(
                    server, account, count=share, commands=commands, window=window, delete=delete
                )
                fetches[one.pop.sock.fileno()] = one
                epoll.register(one.pop.sock, select.EPOLLIN)
            for one in fetches.values():
                one.pop.sock.setblocking(False)
            begin = time.perf_counter()
            for one in fetches.values():
                one.ask()
            busy = len(fetches)
            while busy:
                for fileno, _ in _poll(epoll):
                    if fetches[fileno].feed():
                        epoll.unregister(fileno)
                        busy -= 1
            fetched = time.perf_counter() - begin
            for one in fetches.values():
                one.pop.sock.settimeout(PATIENCE)
                one.pop.ask(b"QUIT\r\n")
            whole = time.perf_counter() - start
            octets = sum(one.octets for one in fetches.values())
        finally:
            for one in fetches.values():
                one.pop.sock.close()
    if octets < count * size:
        raise ClientError(f"{octets} octets came for {count} messages of {size}")
    return fetched, whole
