"""Listening sockets: opened before the services start, handed to them afterwards.

Owns: nothing; returns sockets. Failure: `ListenError` names the address, the port and who has it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

BACKLOG = 1024  # of connections that nobody has accepted yet


class ListenError(Exception):
    """An address can't be listened on; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket with what it is for.

    Attributes:
        name: smtp, submission, submissions, pop3, pop3s.
        socket: bound and listening.
        port: its port.
        tls: TLS begins with the first byte.
    """

    name: str
    socket: socket.socket
    port: int
    tls: bool


def listen(name: str, addresses: Sequence[str], port: int, *, tls: bool) -> list[Listener]:
    """Listen on a port of some addresses.

    Raises:
        ListenError: an address is not this machine's, or the port is taken or needs privileges.
    """
    return [Listener(name, _bind(address, port), port, tls) for address in addresses]


def has_ipv6() -> bool:
    """Tell whether this machine's kernel knows IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def _bind(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen(BACKLOG)
    except OSError as error:
        raise ListenError(
            f"can't listen on {address} port {port}: {error.strerror}; see `ss -ltnp` for who does"
        ) from error
    bound.setblocking(False)  # noqa: FBT003 - the standard library's
    return bound


def plain_address(peer: str) -> str:
    """Return a peer's IP address without a zone; an IPv4 address mapped into IPv6 as IPv4."""
    return peer.partition("%")[0].removeprefix("::ffff:") if "." in peer else peer.partition("%")[0]
