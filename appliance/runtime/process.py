"""Process life: what every daemon does at start and at the end, and the parent of `serve`.

Owns: signal handlers of a child. Failure: none; a child that dies is told.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
from collections.abc import Awaitable, Callable

from appliance.runtime import manager

_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # mallopt(3)
_ARENAS = 2
_LARGE = 256 << 10


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def bound_heap() -> None:
    """Have what was allocated and freed go back to the system.

    By default glibc keeps as much as the largest block that was ever freed, in each of eight
    arenas a core: a verified password costs 19 MiB for good.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE)


def run_until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run an event loop until SIGTERM; SIGINT is the parent's (Ctrl-C reaches both)."""

    async def body() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def end() -> None:
            manager.tell("STOPPING=1")
            stop.set()

        loop.add_signal_handler(signal.SIGTERM, end)
        loop.add_signal_handler(signal.SIGHUP, manager.told_of_reload)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        try:
            await main(stop)
        finally:  # uvloop would go on taking them, and do nothing
            for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.remove_signal_handler(each)

    import uvloop  # 1 MiB, which services without an event loop spare

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(body())
