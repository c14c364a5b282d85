"""More clients and mail than the server takes at a time (RFC 5321 §4.2.5, §4.5.4.1; PERFORMANCE).

It takes what its limits allow, tells the others to come again, answers its operator meanwhile, and
needs nobody's help afterwards. What was acknowledged is there once.
"""

from __future__ import annotations

import http.client
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import NOWHERE
from tests.support.memory import Peak
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Wire

_SENDERS, _READERS = 80, 40
_CONNECTIONS, _SESSIONS = 20, 10  # that the server takes
_SIZES = (500, 500, 4000, 4000, 30_000, 200_000)
_GROWTH_KIB = 48 << 10
_PATIENCE_S = 60
_LIMITS = {
    **NOWHERE,
    "smtp__max_connections": str(_CONNECTIONS),
    "pop__max_connections": str(_SESSIONS),
    "limits__exempt_ranges": "",
    "smtp__max_connections_per_client": "1000",
    "pop__max_connections_per_client": "1000",
}


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Server]:
    """A server that takes few clients."""
    server = Server(tmp_path / "home", settings=_LIMITS)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    server.check_traces()


class Crowd:
    """Clients that come again and again, and what they were told."""

    def __init__(self, server: Server, boxes: list[Box]) -> None:
        self._ports = server.ports
        self._boxes = boxes
        self._ended = threading.Event()
        self._guard = threading.Lock()
        self.told: Counter[str] = Counter()
        self.acknowledged: list[str] = []

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have all of them at work."""
        threads = [
            threading.Thread(target=self._until_ended, args=(self._send, number))
            for number in range(_SENDERS)
        ] + [
            threading.Thread(target=self._until_ended, args=(self._read, number))
            for number in range(_READERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join(_PATIENCE_S)
        assert not any(thread.is_alive() for thread in threads), "somebody got no answer"

    def _until_ended(self, work: Callable[[int, int], None], number: int) -> None:
        turn = 0
        while not self._ended.is_set():
            turn += 1
            work(number, turn)

    def _note(self, *told: str) -> None:
        with self._guard:
            self.told.update(told)

    def _send(self, number: int, turn: int) -> None:
        """Send three messages, or hear why not."""
        try:
            with smtplib.SMTP("127.0.0.1", self._ports["smtp"], timeout=_PATIENCE_S) as client:
                for each in range(3):
                    name = f"{number}.{turn}.{each}"
                    size = _SIZES[(number + turn + each) % len(_SIZES)]
                    line = b"x" * 70 + b"\r\n"
                    octets = f"Subject: {name}\r\n\r\n".encode() + line * (size // 72 + 1)
                    box = self._boxes[(number + turn) % len(self._boxes)]
                    client.sendmail("carol@example.org", [box.address], octets)
                    with self._guard:
                        self.acknowledged.append(name)
                    self._note("SMTP 250")
        except smtplib.SMTPResponseException as error:
            self._note(f"SMTP {error.smtp_code}")
        except (OSError, smtplib.SMTPException) as error:
            self._note(f"SMTP {type(error).__name__}")

    def _read(self, number: int, _turn: int) -> None:
        """Look into a mailbox, or hear why not."""
        box = self._boxes[number % len(self._boxes)]
        try:
            with Wire(self._ports["pop3"]) as client:
                answer = client.line()
                for command in (f"USER {box.login}", f"PASS {box.password}", "STAT", "QUIT"):
                    if answer.startswith(b"+OK"):
                        client.send(command.encode() + b"\r\n")
                        answer = client.line()
            self._note(f"POP3 {answer.split()[0 if answer.startswith(b'+OK') else 1].decode()}")
        except (OSError, EOFError) as error:
            self._note(f"POP3 {type(error).__name__}")


def _ask_console(server: Server) -> int:
    client = http.client.HTTPConnection("127.0.0.1", server.ports["web"], timeout=_PATIENCE_S)
    with closing(client):
        client.request("GET", "/console/login")
        return client.getresponse().status


def test_a_crowd_is_served_in_turn_the_operator_is_answered_and_all_is_well_afterwards(
    limited: Server,
) -> None:
    boxes = [limited.mailbox() for _ in range(4)]
    _log_in_once(limited, boxes)
    before, peak = limited.processes(), Peak(limited, "smtp", "mta", "pop3")
    crowd = Crowd(limited, boxes)
    with crowd.at_work():
        until(
            lambda: {"SMTP 250", "SMTP 421", "POP3 +OK"} <= set(crowd.told),
            "some are served, others are not",
            within_s=_PATIENCE_S,
        )
        for _ in range(3):  # whatever the crowd does, these are answered
            findings = limited.json("diagnose")["findings"]
            assert not [each for each in findings if each["cause"].startswith("service")]
            assert limited.json("queue", "count") is not None
            assert _ask_console(limited) == 200
        limited.command("settings", "set", "smtp.max_connections", str(2 * _CONNECTIONS))
    served = {"SMTP 250", "SMTP 421", "SMTP 451", "POP3 +OK", "POP3 [IN-USE]", "POP3 [SYS/TEMP]"}
    assert set(crowd.told) <= served, crowd.told
    assert limited.processes() == before, "nobody has died of it"
    for service, growth in peak.growth_kib().items():
        assert growth < _GROWTH_KIB, service
    _check_mail(limited, boxes, crowd.acknowledged)


def _log_in_once(server: Server, boxes: list[Box]) -> None:
    """Have the passwords known: to verify one takes 19 MiB for a moment."""
    for box in boxes:
        with Pop3(server.ports["pop3"]) as client:
            client.login(box.login, box.password)


def _check_mail(server: Server, boxes: list[Box], acknowledged: list[str]) -> None:
    """Wait until the queue is empty by itself; then everything is there once."""
    until(lambda: server.json("queue", "count") == [], "all is delivered", within_s=_PATIENCE_S)
    found: Counter[str] = Counter()
    for box in boxes:
        with Pop3(server.ports["pop3"]) as client:
            assert client.login(box.login, box.password).startswith("+OK")
            count = int(client.do("STAT").split()[1])
            for number in range(1, count + 1):
                head = client.ask(f"TOP {number} 0").partition(b"Subject: ")[2]
                found[head.split(b"\r\n")[0].decode()] += 1
    assert found == Counter(acknowledged)
