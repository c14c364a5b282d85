"""Sessions that do nothing, and what each costs in memory of the server's processes.

The kernel's socket buffers are not in it, on either side.
"""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections.abc import Sequence

import tls
from clients import PATIENCE, Account, ClientError, Endpoint
from pop3_load import login_sessions
from rows import Row, Work
from server import Server

__all__ = ["hold"]

_FIRST = 20
"""Sessions that are open before the count begins: what the first of them load is nobody's share."""

_LOGINS = 4
"""How often each mailbox logs in before: one of several processes knows the password then."""

_AT_ONCE = 10
"""Sessions at a time then: fewer than are open when the count begins."""

_SETTLE = 1.0


def hold(server: Server, row: Row) -> dict[str, float]:
    """Opens the row's sessions, and returns what the server's memory grew by for each, in KiB."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if row.work is Work.IDLE_POP3:
        # A password's first check takes 19 MiB for a moment: that is no session's share.
        for first in range(0, len(server.accounts), _AT_ONCE):
            some = server.accounts[first : first + _AT_ONCE]
            login_sessions(server.pop3, some, _LOGINS * len(some))
    open_ones: list[socket.socket] = []
    try:
        _open(open_ones, server, row, 0, _FIRST)
        time.sleep(_SETTLE)
        before = server.memory_kib()
        start = time.perf_counter()
        _open(open_ones, server, row, _FIRST, row.count)
        seconds = time.perf_counter() - start
        time.sleep(_SETTLE)
        after = server.memory_kib()
    finally:
        for sock in open_ones:
            sock.close()
    return {
        "seconds": seconds,
        "session_kib": (after - before) / (row.count - _FIRST),
        "memory_before_kib": before,
        "memory_after_kib": after,
    }


def _open(into: list[socket.socket], server: Server, row: Row, first: int, last: int) -> None:
    """Opens sessions number `first` to `last`."""
    context = tls.trusting() if row.tls else None
    is_pop3 = row.work is Work.IDLE_POP3
    if is_pop3:
        endpoint = server.pop3s if row.tls else server.pop3
    else:
        endpoint = server.smtps if row.tls else server.smtp
    into.extend(
        _session(endpoint, context, server.accounts[number] if is_pop3 else None)
        for number in range(first, last)
    )


def _session(
    endpoint: Endpoint, context: ssl.SSLContext | None, account: Account | None
) -> socket.socket:
    """Opens a session: SMTP up to HELO, or POP3 up to the login."""
    sock = socket.create_connection(endpoint, timeout=PATIENCE)
    if context is not None:
        sock = context.wrap_socket(sock)
    words: Sequence[str] = ("HELO client.sender.test",)
    if account is not None:
        words = (f"USER {account.login}", f"PASS {account.password}")
    for word in ("", *words):
        if word:
            sock.sendall(f"{word}\r\n".encode())
        reply = sock.recv(4096)
        if reply[:3] not in {b"220", b"250", b"+OK"}:
            raise ClientError(f"{word.partition(' ')[0] or 'the greeting'} was answered {reply!r}")
    return sock
