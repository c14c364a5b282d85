"""What a daemon and systemd tell each other: sd_notify(3), sd_listen_fds(3)."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.runtime import manager

_HANDED = """
import os, socket
os.environ["LISTEN_PID"] = str(os.getpid())
from appliance.runtime import manager
for name, handed in manager.adopt():
    print(name, handed.getsockname()[1], handed.getblocking(), os.get_inheritable(handed.fileno()))
print(sorted(name for name in os.environ if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))))
"""


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens at NOTIFY_SOCKET; afterwards this process has no manager any more."""
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield listening
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    manager.adopt()


def heard(systemd: socket.socket) -> list[str]:
    found = []
    try:
        while True:
            found.append(systemd.recv(1000).decode())
    except BlockingIOError:
        return found


def test_the_manager_is_told_where_it_listens(systemd: socket.socket) -> None:
    manager.adopt()
    manager.tell("READY=1", "STATUS=here")
    assert heard(systemd) == ["READY=1\nSTATUS=here"]


def test_an_abstract_address_begins_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"posthouse-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{name}")
        listening.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        manager.adopt()
        manager.tell("READY=1")
        assert heard(listening) == ["READY=1"]
    manager.adopt()


def test_a_child_and_a_library_find_nothing_of_it(systemd: socket.socket) -> None:
    manager.adopt()
    assert "NOTIFY_SOCKET" not in os.environ
    assert heard(systemd) == []


def test_nobody_listening_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.adopt()
    manager.tell("READY=1")
    manager.beat("idle")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    manager.adopt()
    manager.tell("READY=1")
    manager.adopt()


def test_the_watchdog_is_fed_only_as_often_as_it_needs(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "90000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    manager.adopt()
    now = [100.0]
    monkeypatch.setattr("appliance.runtime.manager.time.monotonic", lambda: now[0])
    for now[0] in (100.0, 101.0, 129.9, 130.0, 131.0):
        manager.beat()
    assert heard(systemd) == ["WATCHDOG=1"] * 2


def test_another_processs_watchdog_is_not_fed(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    manager.adopt()
    manager.beat()
    assert heard(systemd) == []


def test_the_status_is_told_when_it_changes(systemd: socket.socket) -> None:
    manager.adopt()
    for status in ("1 connection", "1 connection", "", "2 connections"):
        manager.beat(status)
    assert heard(systemd) == ["STATUS=1 connection", "STATUS=2 connections"]


def test_a_reload_is_answered(systemd: socket.socket) -> None:
    manager.adopt()
    before = signal.getsignal(signal.SIGHUP)
    try:
        manager.answer_reload()
        os.kill(os.getpid(), signal.SIGHUP)
        reloading, ready = heard(systemd)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert reloading.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert ready == "READY=1"


def test_sockets_come_by_number_and_name() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as two,
    ):
        ports = [each.getsockname()[1] for each in (one, two)]

        def hand() -> None:
            first = fcntl.fcntl(one, fcntl.F_DUPFD, 60)  # out of the way of 3 and 4
            second = fcntl.fcntl(two, fcntl.F_DUPFD, 60)
            os.dup2(first, 3)
            os.dup2(second, 4)

        done = subprocess.run(
            [sys.executable, "-c", _HANDED],
            env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "smtp:submission"},
            preexec_fn=hand,
            pass_fds=(3, 4),
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines() == [
        f"smtp {ports[0]} False False",
        f"submission {ports[1]} False False",
        "[]",
    ]
