"""What all clients share, and the one for plain load: `smtp-source` of Postfix.

`smtp_load` and `pop3_load` have those that look closer.

Failure: `ClientError` when a server answers something else than expected, or not within `PATIENCE`.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Sequence

__all__ = ["PATIENCE", "SENDER", "Account", "ClientError", "Endpoint", "send_mail"]

PATIENCE = 60.0
"""Seconds after which a silent server counts as broken."""

SENDER = "sender@sender.test"

Endpoint = tuple[str, int]


class ClientError(Exception):
    """The server did not do its part, so the run has no result."""


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """A mailbox that the server under test has."""

    login: str
    address: str
    password: str


def send_mail(
    server: Endpoint,
    accounts: Sequence[Account],
    *,
    count: int,
    size: int,
    connections: int,
    reuse: bool = True,
) -> None:
    """Sends `count` messages, spread over the accounts, and waits for the last 250.

    One `smtp-source` runs for each account; `-s` is its share of the connections, `-d` keeps them
    open for all of their messages, `-l` is the length of the body. It says HELO, MAIL, RCPT, DATA
    without pipelining.

    Args:
        server: where SMTP listens.
        accounts: the recipients.
        count: messages in all.
        size: bytes of each message's body (the header comes on top).
        connections: connections in all.
        reuse: whether a connection carries many messages, or one.
    """
    share, rest = divmod(count, len(accounts))
    clients = [
        subprocess.Popen(
            [
                "smtp-source",
                *(("-d",) if reuse else ()),
                *("-4", "-M", "client.sender.test", "-C", "10"),
                *("-f", SENDER, "-t", account.address),
                *("-l", str(size), "-m", str(share + (number < rest))),
                *("-s", str(max(connections // len(accounts), 1))),
                f"inet:{server[0]}:{server[1]}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for number, account in enumerate(accounts)
        if share + (number < rest)
    ]
    deadline = time.monotonic() + 2 * PATIENCE
    try:
        for client in clients:
            _, errors = client.communicate(timeout=max(deadline - time.monotonic(), 0.1))
            if client.returncode:
                raise ClientError(f"smtp-source: {errors.decode(errors='replace').strip()}")
    except subprocess.TimeoutExpired as error:
        raise ClientError(f"smtp-source had not finished after {2 * PATIENCE:.0f} s") from error
    finally:
        for client in clients:
            client.kill()
            client.wait()
