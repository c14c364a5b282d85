"""The parent of `serve`: services as children forked from one preloaded process.

Forked children share the modules' memory (eleven separate imports cost 329 MiB, forked 96). They
end with their parent. One that dies is started again, at once the first time, then ever later.

Owns: the children. Failure: `StartFailed` when a child ends before it is ready.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from appliance.runtime.process import die_with_parent

_READY_S = 30.0
_STOP_S = 10.0
_STEADY_S = 2.0  # a child that lived so long starts again at once
_MAX_PAUSE_S = 1.0  # of a child that did become ready: what it serves must go on
_MAX_BACKOFF_S = 30.0
_BACKOFF_AFTER = 5  # quick deaths in a row

Body = Callable[[Callable[[], None]], None]


class StartFailed(Exception):
    """A service did not become ready; the text names it."""


@dataclass(slots=True)
class _Child:
    name: str
    body: Body
    pid: int = 0
    ready: int = -1  # read end of the pipe
    is_ready: bool = False
    started_at: float = 0.0
    quick_deaths: int = 0
    restart_at: float = field(default=0.0)


class Supervisor:
    """Starts services, keeps them running, stops them."""

    def __init__(self, services: Sequence[tuple[str, Body]]) -> None:
        """Take the services' names and what each child runs (it calls `ready` when it serves)."""
        self._children = [_Child(name, body) for name, body in services]
        self._stopping = False

    def run(self, announce: Callable[[], None]) -> None:
        """Run until SIGINT or SIGTERM; `announce` is called when all services answer.

        Raises:
            StartFailed: a service ended, or was not ready in time; all have been stopped.
        """
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.collect()
        gc.freeze()
        try:
            for child in self._children:
                self._start(child)
            self._await_ready(wake_read)
            if not self._stopping:
                announce()
            while not self._stopping:
                self._reap()  # at first whoever ended while others were not ready yet
                select.select([wake_read], [], [], self._until_restart())
                _drain(wake_read)
        finally:
            self._end_all()
            signal.set_wakeup_fd(-1)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, child: _Child) -> None:
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        sys.stdout.flush()
        sys.stderr.flush()
        child.pid = os.fork()
        if child.pid == 0:
            os.close(ready_read)
            _become(child, ready_write)
        os.close(ready_write)
        if child.ready >= 0:
            os.close(child.ready)
        child.ready, child.is_ready = ready_read, False
        child.started_at = time.monotonic()
        child.restart_at = 0.0

    def _await_ready(self, wake: int) -> None:
        waiting = {child.ready: child for child in self._children}
        deadline = time.monotonic() + _READY_S
        while waiting and not self._stopping:
            left = deadline - time.monotonic()
            found, _, _ = select.select([*waiting, wake], [], [], max(0.0, left))
            if not found:
                names = ", ".join(child.name for child in waiting.values())
                raise StartFailed(f"not ready after {_READY_S:.0f} seconds: {names}")
            _drain(wake)
            for descriptor in found:
                child = waiting.pop(descriptor, None)
                if child is None:
                    continue
                if not os.read(descriptor, 1):
                    raise StartFailed(f"the service {child.name} ended at its start")
                child.is_ready = True

    def _reap(self) -> None:
        """Notice children that have died, and start again those whose time has come."""
        for child in self._children:
            if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                lived = time.monotonic() - child.started_at
                child.pid = 0
                child.quick_deaths = 0 if lived > _STEADY_S else child.quick_deaths + 1
                late = child.quick_deaths - _BACKOFF_AFTER
                longest = _MAX_PAUSE_S if _was_ready(child) else _MAX_BACKOFF_S
                wait = min(2.0**late / 4, longest) if late >= 0 else 0.0
                child.restart_at = time.monotonic() + wait
                print(
                    f"posthouse: the service {child.name} ended, it is started again",
                    file=sys.stderr,
                )
            if not child.pid and not self._stopping and time.monotonic() >= child.restart_at:
                self._start(child)

    def _until_restart(self) -> float | None:
        waiting = [child.restart_at for child in self._children if not child.pid]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _end_all(self) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for child in self._children:
            while child.pid and not os.waitpid(child.pid, os.WNOHANG)[0]:
                if time.monotonic() > deadline:
                    os.kill(child.pid, signal.SIGKILL)
                    os.waitpid(child.pid, 0)
                    break
                time.sleep(0.01)
            child.pid = 0


def _become(child: _Child, ready: int) -> None:
    """Be the child: run its body and end, without ever returning into the parent's code."""
    status = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        child.body(lambda: _tell(ready))
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - the process's boundary
        print(f"posthouse: the service {child.name} failed:", file=sys.stderr)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _was_ready(child: _Child) -> bool:
    """Tell whether a child that has ended ever served."""
    return child.is_ready or bool(os.read(child.ready, 1))


def _tell(ready: int) -> None:
    os.write(ready, b"1")


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass
