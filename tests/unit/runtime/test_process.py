"""Process life: stopping, telling systemd, and one lock for one worker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from appliance.runtime.locks import ProcessLock
from appliance.runtime.process import notify, run_until_stopped


def test_it_runs_until_sigterm() -> None:
    seen: list[str] = []

    async def main(stop: asyncio.Event) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(20):
            await stop.wait()
        seen.append("stopped")

    before = signal.getsignal(signal.SIGTERM)
    run_until_stopped(main)
    assert seen == ["stopped"]
    assert signal.getsignal(signal.SIGTERM) in (before, signal.SIG_DFL)


def test_ctrl_c_is_the_parents() -> None:
    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
        assert not stop.is_set()

    run_until_stopped(main)


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_where_it_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    # the manual page of sd_notify, section 3
    name = f"@posthouse-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0") if abstract else name)
        systemd.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_nobody_listening_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")


def test_lock_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "run" / "mta.lock"
    one, other = ProcessLock(path), ProcessLock(path)
    assert one.try_acquire()
    assert not other.try_acquire()
    one.release()
    assert other.try_acquire()
    other.release()
