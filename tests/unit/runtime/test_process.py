"""Process life: stopping, and one lock for one worker."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from appliance.runtime.locks import ProcessLock
from appliance.runtime.process import run_until_stopped


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


def test_lock_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "run" / "mta.lock"
    one, other = ProcessLock(path), ProcessLock(path)
    assert one.try_acquire()
    assert not other.try_acquire()
    one.release()
    assert other.try_acquire()
    other.release()
