"""The housekeeping agent: all chores, every ten minutes; numbers that move, every minute.

Owns: the timing. Failure: a chore or a sample that fails is logged, and tried again the next time.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from appliance.agents.housekeeping.chores import CHORES
from appliance.agents.housekeeping.sampler import Sampler
from appliance.database.errors import DatabaseError
from appliance.operations.house import House
from appliance.queue.samples import MINUTE_US
from appliance.runtime import manager
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.logs import Logs

_EVERY_S = 600.0
_LITTLE_S = 0.1


def run(house: House, logs: Logs, ready: Callable[[], None]) -> None:
    """Do the chores until SIGTERM."""
    stop = threading.Event()

    def end(*_: object) -> None:
        manager.tell("STOPPING=1")
        stop.set()

    signal.signal(signal.SIGTERM, end)
    manager.answer_reload()
    ready()
    sampler = Sampler(house)
    due_s = 0.0
    while not stop.is_set():
        manager.beat()
        house.live.refresh()
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + _EVERY_S
            do_chores(house, logs)
        stop.wait(_until_next_minute_s(house))
        if not stop.is_set():
            sample(sampler, logs)
    logs.close()


def sample(sampler: Sampler, logs: Logs) -> None:
    """Sample the minute that has ended; a problem costs that minute."""
    try:
        sampler.sample()
    except (DatabaseError, OSError) as error:
        logs.note("error", f"housekeeping: numbers were not sampled: {error}")


def _until_next_minute_s(house: House) -> float:
    """Return how long until the next minute has surely begun."""
    return (MINUTE_US - house.clock.now_us() % MINUTE_US) / MICROSECONDS + _LITTLE_S


def do_chores(house: House, logs: Logs) -> None:
    """Do every chore once."""
    for chore in CHORES:
        manager.beat()
        try:
            done = chore(house)
        except (DatabaseError, OSError) as error:
            logs.note("error", f"housekeeping: {chore.__name__} failed: {error}")
        else:
            if done:
                logs.note("info", f"housekeeping: {done}")
