"""Backups of a running server under load, restored on other machines and counted from outside.

Each message has a number. What was answered with 250 before a backup began has to lie in the
restored mailbox exactly once, whether it was delivered or in the queue; what came later at most
once.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from appliance.queue.desk import Desk
from tests.integration.conftest import NOWHERE
from tests.support.postgresql import share
from tests.support.serving import POSTHOUSE, Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

_BACKUPS = {"sqlite": 2, "postgresql": 1}
_SENDERS = 2
_BETWEEN = 40  # messages acknowledged before each backup
_LARGE = b"x" * 78 + b"\r\n"
_NUMBER = re.compile(rb"Subject: number (\d+)\r\n")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """Make a database for each home; the URL is empty for SQLite."""
    if request.param == "sqlite":
        yield lambda: ""
        return
    made: list[str] = []
    with share(tmp_path_factory.getbasetemp()) as cluster:

        def make() -> str:
            made.append(f"backup_{len(made)}")
            with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {made[-1]}")
            return cluster.url(made[-1])

        yield make
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            for name in made:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Load:
    """Clients that send without pause, and what they were answered."""

    server: Server
    boxes: list[Box]
    acknowledged: dict[int, tuple[str, ...]] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(_SENDERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(20)
        assert self.errors == []

    def until_more(self, count: int, *, within_s: float = 30) -> None:
        enough = len(self.acknowledged) + count
        until(
            lambda: len(self.acknowledged) >= enough or self.errors,
            f"{count} further messages are taken",
            within_s=within_s,
        )

    @contextmanager
    def behind(self) -> Iterator[None]:
        """Stop the MTA agent for a time, and let mail gather."""
        pid = self.server.service("mta")
        while True:
            os.kill(pid, signal.SIGSTOP)
            try:
                self.until_more(_BETWEEN, within_s=5)
                break
            except AssertionError:  # it was stopped in the middle of a commit
                os.kill(pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _send(self, number: int) -> None:
        try:
            with Smtp(self.server.ports["smtp"]) as client:
                client.ehlo()
                while not self._stop.is_set():
                    to = [
                        self.boxes[(number // _SENDERS + step) % len(self.boxes)] for step in (0, 1)
                    ]
                    octets = b"Subject: number %d\r\n\r\n" % number
                    if number % 20 < _SENDERS:
                        octets += _LARGE * 2000  # a content of its own file
                    answer = client.message(octets, *(box.address for box in to))
                    assert answer.code == 250, answer
                    self.acknowledged[number] = tuple(box.login for box in to)
                    number += _SENDERS
        except BaseException as error:  # noqa: BLE001 - told by the test
            self.errors.append(error)


def read(server: Server, box: Box) -> tuple[Counter[int], dict[str, int]]:
    """Return how often each number lies in a mailbox, and the number of each UIDL."""
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(box.login, box.password).startswith("+OK")
        octets = client.messages()
        uidls = [line.split()[1].decode() for line in client.ask("UIDL").splitlines()]
        client.do("QUIT")
    numbers = [_NUMBER.search(each) for each in octets]
    found = [int(each[1]) if each else -1 for each in numbers]
    return Counter(found), dict(zip(uidls, found, strict=True))


def _has_begun(server: Server, earlier: int) -> bool:
    """Tell whether a database lies in a backup beyond the earlier ones."""
    folders = sorted((server.home / "backups").glob("2*"))[earlier:]
    return any(list(each.rglob("*.db")) + list(each.rglob("content")) for each in folders)


def until_delivered(server: Server) -> None:
    until(lambda: not Desk(server.house.queue).counts(), "all is delivered", within_s=30)


def test_backups_under_load_hold_every_acknowledged_message_once(
    tmp_path: Path, new_url: Callable[[], str]
) -> None:
    url = new_url()
    backups = _BACKUPS["postgresql" if url else "sqlite"]
    server = Server(tmp_path / "first", settings=NOWHERE, database_url=url)
    server.start()
    made: list[tuple[dict[str, Any], dict[int, tuple[str, ...]]]] = []
    try:
        load = Load(server, [server.mailbox() for _ in range(4)])
        with load.running():
            for _ in range(backups):
                load.until_more(_BETWEEN)
                with load.behind():  # some is delivered and some waits when the backup begins
                    before = dict(load.acknowledged)
                    command = subprocess.Popen(
                        [str(POSTHOUSE), "--home", str(server.home), "backup", "create", "--json"],
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                    until(partial(_has_begun, server, len(made)), "the backup has begun")
                told, _ = command.communicate(timeout=60)
                assert command.returncode == 0
                backup = json.loads(told)
                assert backup["problems"] == []
                made.append((backup, before))
                load.until_more(1)  # mail flows on
        refused = server.command("backup", "restore", made[0][0]["name"], "--yes", check=False)
        assert refused.returncode == 1
        assert "stop the services first: " in refused.stderr
        until_delivered(server)
        uidls = {box.login: read(server, box)[1] for box in load.boxes}
        listed = server.json("backup", "list")
        assert [each["name"] for each in listed] == [backup["name"] for backup, _ in made]
    finally:
        server.stop()
    server.check_traces()
    for number, (backup, before) in enumerate(made):
        assert min(backup["counts"]["messages"], backup["counts"]["queued"]) > 0
        other = Server(tmp_path / f"other{number}", database_url=new_url())
        told = other.command("backup", "restore", backup["folder"], "--yes").stdout
        assert "The services can be started." in told
        other.start()
        try:
            until_delivered(other)
            for box in load.boxes:
                counts, found = read(other, box)
                expected = {each for each, to in before.items() if box.login in to}
                assert {each for each in expected if counts[each] != 1} == set()
                assert {each for each, count in counts.items() if count > 1} == set()
                # what has a UIDL of the first server is the same message
                known = uidls[box.login]
                same = found.keys() & known.keys()
                assert same
                assert all(found[each] == known[each] for each in same)
        finally:
            other.stop()


@pytest.fixture
def quiet(tmp_path: Path) -> Server:
    """A furnished home that nobody serves."""
    server = Server(tmp_path / "home", settings=NOWHERE)
    server.house.close()
    return server


def test_a_full_disk_is_one_line_and_leaves_nothing(quiet: Server) -> None:
    """A limit on the size of files stands for the disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = subprocess.run(
        [str(POSTHOUSE), "--home", str(quiet.home), "backup", "create"],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert list((quiet.home / "backups").iterdir()) == []
