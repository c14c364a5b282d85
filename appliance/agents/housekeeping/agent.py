"""The housekeeping agent: all chores, every ten minutes.

Owns: the timing. Failure: a chore that fails is logged, and tried again the next time.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from appliance.agents.housekeeping.chores import CHORES
from appliance.database.errors import DatabaseError
from appliance.operations.house import House
from appliance.runtime.logs import Logs

_EVERY_S = 600.0


def run(house: House, logs: Logs, ready: Callable[[], None]) -> None:
    """Do the chores until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    ready()
    while not stop.is_set():
        house.live.refresh()
        do_chores(house, logs)
        stop.wait(_EVERY_S)
    logs.close()


def do_chores(house: House, logs: Logs) -> None:
    """Do every chore once."""
    for chore in CHORES:
        try:
            done = chore(house)
        except (DatabaseError, OSError) as error:
            logs.note("error", f"housekeeping: {chore.__name__} failed: {error}")
        else:
            if done:
                logs.note("info", f"housekeeping: {done}")
