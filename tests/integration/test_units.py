"""Services as units: sockets, readiness, watchdog and reload as systemd hands and hears them."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.runtime import metrics
from appliance.upkeep import units
from tests.support.serving import POSTHOUSE, Server
from tests.support.waiting import until

_LAUNCH = """
import os, sys
for number, each in enumerate(sys.argv[1].split()):
    os.dup2(int(each), 3 + number)  # SD_LISTEN_FDS_START
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Unit:
    """A service that runs as its unit would have it run, and what it tells the manager."""

    def __init__(self, process: subprocess.Popen[str], notified: socket.socket) -> None:
        self.process = process
        self._notified = notified

    def hear(self, wanted: str) -> str:
        """Wait for a datagram that begins with a text."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            heard = self._notified.recv(4096).decode()
            if heard.startswith(wanted):
                return heard
        raise TimeoutError(f"{wanted} was not told")

    def hear_all(self, *wanted: str) -> None:
        """Wait for datagrams that begin with texts, in any order."""
        missing = list(wanted)
        deadline = time.monotonic() + 60
        while missing:
            assert time.monotonic() < deadline, missing
            heard = self._notified.recv(4096).decode()
            for text in missing:
                if heard.startswith(text):
                    missing.remove(text)
                    break

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A furnished home that nothing serves."""
    server = Server(tmp_path / "home", settings={})
    server.house.queue, server.house.journey, server.house.throttle  # noqa: B018 - made
    server.stop()
    return server.home


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


@contextmanager
def started(
    home: Path, service: str, notified: socket.socket, **handed: socket.socket
) -> Iterator[Unit]:
    """Start a service as systemd does, with sockets by name."""
    sockets = [each.fileno() for each in handed.values()]
    launch = [sys.executable, "-c", _LAUNCH, " ".join(map(str, sockets))]
    process = subprocess.Popen(
        [*launch, str(POSTHOUSE), "--home", str(home), "service", "run", service],
        env={
            **os.environ,
            "NOTIFY_SOCKET": notified.getsockname(),
            "WATCHDOG_USEC": "3000000",
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": ":".join(handed),
        },
        pass_fds=sockets,
        text=True,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    unit = Unit(process, notified)
    try:
        unit.hear("READY=1")
        yield unit
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that is there longer than the services that answer at it."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as held:
        yield held


def _banner(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        return client.makefile("rb").readline()


def test_a_service_answers_at_the_sockets_it_is_handed(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    with started(home, "smtp", notified, submission=listening) as unit:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.ehlo()
            code, _ = client.mail("a@b.example")
        assert code == 530, "at a socket named submission nobody sends without a login"
        unit.hear("WATCHDOG=1")
        assert unit.stop() == 0
        unit.hear("STOPPING=1")


def test_a_restart_refuses_nobody(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    with started(home, "pop3", notified, pop3=listening) as unit:
        assert _banner(port).startswith(b"+OK")
        unit.stop()
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as client,  # it waits
            started(home, "pop3", notified, pop3=listening),
        ):
            assert client.makefile("rb").readline().startswith(b"+OK")


def test_whoever_was_accepted_is_greeted_before_the_end(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]
    with started(home, "pop3", notified, pop3=listening) as unit:
        _banner(port)
        unit.process.send_signal(signal.SIGSTOP)
        clients = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(8)]
        unit.process.send_signal(signal.SIGTERM)  # it sees both at the same moment
        unit.process.send_signal(signal.SIGCONT)
        assert unit.process.wait(timeout=20) == 0
        with started(home, "pop3", notified, pop3=listening):
            assert [each.makefile("rb").readline()[:3] for each in clients] == [b"+OK"] * 8
        for each in clients:
            each.close()


@pytest.mark.parametrize("service", ["mta", "sender", "housekeeping"])
def test_a_reload_is_answered_and_ends_nothing(
    home: Path, notified: socket.socket, service: str
) -> None:
    with started(home, service, notified) as unit:
        unit.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in unit.hear("RELOADING=1")
        unit.hear("READY=1")
        unit.hear("WATCHDOG=1")
        assert unit.stop() == 0


@pytest.mark.parametrize("service", ["httpmail", "web"])
def test_a_service_of_the_web_is_one_process_for_its_manager(
    home: Path, notified: socket.socket, listening: socket.socket, service: str
) -> None:
    with started(home, service, notified, **{service: listening}) as unit:
        unit.hear("WATCHDOG=1")
        [page] = (home / "run" / "metrics").glob(f"{service}.*")
        assert int(page.suffix[1:]) == unit.process.pid
        unit.process.send_signal(signal.SIGHUP)
        unit.hear("RELOADING=1")
        unit.hear("READY=1")
        assert metrics.read(page)
        assert unit.stop() == 0
        unit.hear("STOPPING=1")


def test_a_reload_exchanges_the_webs_workers(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    port = listening.getsockname()[1]

    def worker() -> set[str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/webmail/login", timeout=20) as page:
            assert page.status == 200
        return {path.suffix for path in (home / "run" / "metrics").glob("web.*")}

    Server(home).set(web__workers="2")
    with started(home, "web", notified, web=listening) as unit:
        before = worker()
        unit.process.send_signal(signal.SIGHUP)
        unit.hear_all("RELOADING=1", "READY=1", "READY=1")  # the arbiter's and the new worker's
        assert worker() - before


def _processes(home: Path) -> set[int]:
    """Return the processes of SMTP that answer."""
    pages = (home / "run" / "metrics").glob("smtp.*")
    return {int(page.suffix[1:]) for page in pages if metrics.read(page)}


def test_a_service_of_several_processes_is_one_for_its_manager(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    Server(home).set(smtp__processes="3")
    with started(home, "smtp", notified, smtp=listening) as unit:
        before = _processes(home)
        assert len(before) == 3, "it is ready when all its processes are"
        assert unit.process.pid not in before
        unit.hear("WATCHDOG=1")
        assert {_parent(pid) for pid in before} == {unit.process.pid}
        unit.process.send_signal(signal.SIGHUP)
        unit.hear("RELOADING=1")
        unit.hear("READY=1")
        assert _processes(home) == before
        assert unit.stop() == 0
        unit.hear("STOPPING=1")
        assert not _processes(home)


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("PPid:")[2].split()[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_hangs_is_started_again_and_the_others_go_on(
    home: Path, notified: socket.socket, listening: socket.socket, number: int
) -> None:
    Server(home).set(smtp__processes="2")
    with started(home, "smtp", notified, smtp=listening) as unit:
        before = _processes(home)
        chosen = min(before)
        os.kill(chosen, number)
        until(lambda: not _runs(chosen), "it is gone", within_s=20)
        until(lambda: len(_processes(home)) == 2, "it is started again")
        assert _processes(home) > before - {chosen}
        assert _banner(listening.getsockname()[1]).startswith(b"220")
        unit.hear("WATCHDOG=1")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_serve_and_units_do_not_share_a_home(
    home: Path, notified: socket.socket, listening: socket.socket
) -> None:
    with started(home, "smtp", notified, smtp=listening):
        done = subprocess.run(
            [str(POSTHOUSE), "--home", str(home), "serve", "--port-base", "47000"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "serves this home already" in done.stderr


def test_an_unknown_service_is_refused_with_the_names_there_are(home: Path) -> None:
    done = subprocess.run(
        [str(POSTHOUSE), "--home", str(home), "service", "run", "imap"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "smtp, mta, sender, pop3, housekeeping, httpmail, web" in done.stderr


def test_the_sockets_follow_the_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Server(home).set(smtp__listen="192.0.2.25 2001:db8::25", web__port="8001")
    done = subprocess.run(
        [str(POSTHOUSE), "--home", str(home), "service", "sockets", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["smtp"] == ["192.0.2.25:25", "[2001:db8::25]:25"]
    assert found["submissions"] == ["192.0.2.25:465", "[2001:db8::25]:465"]
    assert found["web"] == ["127.0.0.1:8001"]
    monkeypatch.setattr(units, "UNITS", home / "units")
    assert set(units.apply(found, dry_run=True)) == {f"posthouse-{each}.socket" for each in found}
    assert not (home / "units").exists()


@pytest.mark.parametrize(
    "told",
    [
        {"smtp": ["0.0.0.0:25\nExecStartPre=/bin/true"]},
        {"smtp": ["mail.example.com:25"]},
        {"smtp": ["0.0.0.0:025"]},
        {"../../smtp": ["0.0.0.0:25"]},
    ],
)
def test_root_writes_addresses_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, list[str]]
) -> None:
    monkeypatch.setattr(units, "UNITS", tmp_path)
    with pytest.raises(units.UnitError, match=r"can.t listen at|no listener"):
        units.apply(told)
    assert list(tmp_path.iterdir()) == []
