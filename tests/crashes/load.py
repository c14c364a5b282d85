"""Load for the kill test: senders, readers and a sink, all of which survive the server's deaths.

Every message has an id of its own and is tried once, so whatever is found twice was doubled by the
server. Ids: `ID` in the header `X-Kill-Id`.
"""

from __future__ import annotations

import poplib
import random
import re
import smtplib
import socket
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller

_ID = re.compile(rb"X-Kill-Id: (\S+)")
_TIMEOUT_S = 15.0
_PAUSE_S = 0.005  # between messages: the load, not the backlog, is wanted
_BACKLOG = 3000
_LARGE = 200 << 10
_READ_AT_ONCE = 100
REMOTE = "sink.example"


@dataclass
class Ledger:
    """What was acknowledged, and what was found."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    acknowledged: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # (id, recipient) -> round
    found: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    sunk: Counter[str] = field(default_factory=Counter)
    round: int = 0

    def acknowledge(self, message_id: str, recipients: list[str]) -> None:
        with self.guard:
            for recipient in recipients:
                self.acknowledged[message_id, recipient] = self.round

    def is_far_behind(self) -> bool:
        """Whether much more was acknowledged than has been read: the load waits then."""
        return len(self.acknowledged) - len(self.found) - len(self.sunk) > _BACKLOG

    def forget(self) -> None:
        """Begin anew, with what is found from now on."""
        with self.guard:
            self.acknowledged.clear()
            self.found.clear()
            self.sunk.clear()

    def find(self, message_id: str, recipient: str, place: str) -> None:
        with self.guard:
            self.found[message_id, recipient].add(place)


class Sink(threading.Thread):
    """A remote host that takes everything."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(daemon=True)
        self._ledger = ledger
        self._controller = Controller(self, hostname="127.0.0.1", port=_free_port())

    @property
    def port(self) -> int:
        return int(self._controller.port)

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802 - aiosmtpd's name
        found = _ID.search(envelope.content)  # type: ignore[attr-defined]
        if found:
            with self._ledger.guard:
                self._ledger.sunk[found[1].decode()] += 1
        return "250 2.0.0 taken"

    def open(self) -> None:
        self._controller.start()

    def close(self) -> None:
        self._controller.stop()


class Sender(threading.Thread):
    """Sends one message after another, to one or several mailboxes, sometimes to the sink."""

    def __init__(
        self,
        ledger: Ledger,
        stop: threading.Event,
        *,
        seed: int,
        port: int,
        login: tuple[str, str],
        mailboxes: list[str],
    ) -> None:
        super().__init__(daemon=True)
        self._ledger = ledger
        self._ended = stop
        self._random = random.Random(seed)
        self._port = port
        self._login = login
        self._mailboxes = mailboxes
        self._name = f"s{seed}"

    def run(self) -> None:
        number = 0
        client: smtplib.SMTP | None = None
        while not self._ended.is_set():
            number += 1
            message_id = f"{self._name}-{number}"
            recipients = self._random.sample(self._mailboxes, self._random.choice((1, 1, 1, 2, 3)))
            if self._random.random() < 0.1:
                recipients.append(f"x@{REMOTE}")
            try:
                if client is None:
                    client = smtplib.SMTP("127.0.0.1", self._port, timeout=_TIMEOUT_S)
                    client.ehlo()
                    client.login(*self._login)
                refused = client.sendmail("load@kill.test", recipients, self._message(message_id))
            except (OSError, smtplib.SMTPException):
                if client is not None:
                    client.close()
                client = None
                self._ended.wait(0.02)  # the service is starting again
            else:
                taken = [each for each in recipients if each not in refused]
                self._ledger.acknowledge(message_id, taken)
            while self._ended.wait(_PAUSE_S) is False and self._ledger.is_far_behind():
                pass
        if client is not None:
            client.close()

    def _message(self, message_id: str) -> bytes:
        size = _LARGE if self._random.random() < 0.05 else self._random.choice((200, 2000, 8000))
        line = b"x" * 70 + b"\r\n"
        head = f"From: load@kill.test\r\nSubject: {message_id}\r\nX-Kill-Id: {message_id}\r\n\r\n"
        return head.encode() + line * (size // 72 + 1)


class Reader(threading.Thread):
    """Reads and deletes a mailbox again and again."""

    def __init__(
        self,
        ledger: Ledger,
        stop: threading.Event,
        *,
        port: int,
        login: str,
        password: str,
        address: str,
        every_s: float,
    ) -> None:
        super().__init__(daemon=True)
        self._ledger = ledger
        self._ended = stop
        self._account = (port, login, password, address)
        self._every_s = every_s

    def run(self) -> None:
        while not self._ended.wait(self._every_s):
            try:
                read_all(self._ledger, *self._account, most=_READ_AT_ONCE)
            except (OSError, poplib.error_proto, EOFError):
                continue


def read_all(
    ledger: Ledger, port: int, login: str, password: str, address: str, *, most: int
) -> int:
    """Read and delete messages of a mailbox; returns how many were there."""
    client = poplib.POP3("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        client.user(login)
        client.pass_(password)
        uids = dict(line.decode().split() for line in client.uidl()[1])
        numbers = list(uids)[:most]
        for number in numbers:
            octets = b"\n".join(client.retr(int(number))[1])
            found = _ID.search(octets)
            if found:
                ledger.find(found[1].decode(), address, uids[number])
            client.dele(int(number))
        client.quit()
    finally:
        client.close()
    return len(numbers)


def drain(
    ledger: Ledger, port: int, accounts: list[tuple[str, str, str]], *, within_s: float
) -> None:
    """Read every mailbox until all are empty."""
    deadline = time.monotonic() + within_s
    for login, password, address in accounts:
        while time.monotonic() < deadline:
            try:
                if read_all(ledger, port, login, password, address, most=500) == 0:
                    break
            except (OSError, poplib.error_proto, EOFError):
                continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
