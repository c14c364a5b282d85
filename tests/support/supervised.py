"""A supervisor to test: supervised.py MODE. Each service says its name and process id on a line."""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from appliance.runtime import supervisor
from appliance.runtime.supervisor import StartFailed, Supervisor

_STARTS = mmap.mmap(-1, 1)  # shared with the children

Ready = Callable[[], None]


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def steady(ready: Ready) -> None:
    say(f"steady {os.getpid()}")
    ready()
    signal.pause()


def other(ready: Ready) -> None:
    say(f"other {os.getpid()}")
    ready()
    signal.pause()


def broken(ready: Ready) -> None:
    raise OSError("the port is taken")


def silent(ready: Ready) -> None:
    say(f"silent {os.getpid()}")
    signal.pause()


def stubborn(ready: Ready) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(f"stubborn {os.getpid()}")
    ready()
    while True:
        signal.pause()


def frail(ready: Ready) -> None:
    say(f"frail {time.monotonic()}")
    ready()


def early(ready: Ready) -> None:
    """End after the first time it was ready."""
    say(f"early {os.getpid()}")
    _STARTS[0] += 1
    ready()
    if _STARTS[0] > 1:
        signal.pause()


def late(ready: Ready) -> None:
    """Be ready only when the first `early` has ended, and has not been taken notice of."""
    parent = os.getppid()
    family = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8").split()
    (sibling,) = (pid for pid in family if int(pid) != os.getpid())
    pause, deadline = threading.Event(), time.monotonic() + 20
    while Path(f"/proc/{sibling}/stat").read_text(encoding="utf-8").split()[2] != "Z":
        assert time.monotonic() < deadline
        pause.wait(0.01)
    say(f"late {os.getpid()}")
    ready()
    signal.pause()


def tidy(ready: Ready) -> None:
    def stop(*_: object) -> None:
        say("tidied up")
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    say(f"tidy {os.getpid()}")
    ready()
    signal.pause()


MODES = {
    "two": (steady, other),
    "broken": (steady, broken),
    "silent": (steady, silent),
    "stubborn": (stubborn, tidy),
    "frail": (steady, frail),
    "early": (early, late),
}


def main(mode: str) -> None:
    if mode == "silent":
        supervisor._READY_S = 0.3  # noqa: SLF001 - half a minute is too long for a test
    supervisor._STOP_S = 0.5  # noqa: SLF001 - the same
    supervisor._BACKOFF_AFTER = 2  # noqa: SLF001 - the same
    try:
        Supervisor([(body.__name__, body) for body in MODES[mode]]).run(lambda: say("announced"))
    except StartFailed as failed:
        sys.exit(str(failed))
    say("ended")


if __name__ == "__main__":
    main(sys.argv[1])
