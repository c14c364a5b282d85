"""The parent of `serve`, and of a service that is several processes: children of one preloaded one.

Forked children share the modules' memory (eleven separate imports cost 329 MiB, forked 96). They
end with their parent. One that dies is started again, at once the first time, then ever later.
Where a service manager watches, children tell their parent that they go round, as it tells the
manager: one that is silent for too long is killed, and so started again.

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

from appliance.runtime import manager
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
    pipe: int = -1  # what it tells: lines as the service manager takes them
    is_ready: bool = False
    status: str = ""
    started_at: float = 0.0
    heard_at: float = 0.0
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
                self._beat()
                self._listen(wake_read, self._patience_s())
        finally:
            self._end_all()
            signal.set_wakeup_fd(-1)

    def pass_on(self, number: int, *_: object) -> None:
        """Give a signal to all children, as the handler of one."""
        for child in self._children:
            if child.pid:
                os.kill(child.pid, number)
        if number == signal.SIGHUP:
            manager.told_of_reload()

    def _stop(self, *_: object) -> None:
        self._stopping = True
        manager.tell("STOPPING=1")

    def _start(self, child: _Child) -> None:
        told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        sys.stdout.flush()
        sys.stderr.flush()
        child.pid = os.fork()
        if child.pid == 0:
            os.close(told)
            _become(child, tell)
        os.close(tell)
        _hang_up(child)
        child.pipe, child.is_ready = told, False
        child.started_at = child.heard_at = time.monotonic()
        child.restart_at = 0.0

    def _await_ready(self, wake: int) -> None:
        deadline = time.monotonic() + _READY_S
        while not self._stopping:
            waiting = [child for child in self._children if not child.is_ready]
            if not waiting:
                return
            for child in waiting:
                if child.pipe < 0:
                    raise StartFailed(f"the service {child.name} ended at its start")
            left = deadline - time.monotonic()
            if left <= 0:
                names = ", ".join(child.name for child in waiting)
                raise StartFailed(f"not ready after {_READY_S:.0f} seconds: {names}")
            self._listen(wake, left)

    def _listen(self, wake: int, timeout_s: float | None) -> None:
        """Wait for a signal or for what children tell, and take it."""
        tellers = {child.pipe: child for child in self._children if child.pipe >= 0}
        found, _, _ = select.select([wake, *tellers], [], [], timeout_s)
        _drain(wake)
        for descriptor in found:
            if descriptor in tellers:
                _hear(tellers[descriptor])

    def _beat(self) -> None:
        """Tell the manager that all goes round, if it does."""
        if all(child.pid and child.is_ready for child in self._children):
            manager.beat("; ".join(f"{each.name}: {each.status}" for each in self._children))

    def _reap(self) -> None:
        """Notice children that have died, and start again those whose time has come."""
        patience_s = manager.patience_s()
        for child in self._children:
            silent_s = time.monotonic() - child.heard_at
            if child.pid and child.is_ready and 0 < patience_s < silent_s:
                print(
                    f"posthouse: the service {child.name} hangs for {silent_s:.0f} seconds, "
                    "it is killed",
                    file=sys.stderr,
                )
                os.kill(child.pid, signal.SIGKILL)
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
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

    def _patience_s(self) -> float | None:
        """Return for how long there is nothing to do unless a child tells something or dies."""
        moments = [child.restart_at for child in self._children if not child.pid]
        if patience_s := manager.patience_s():
            ready = [child for child in self._children if child.pid and child.is_ready]
            moments += [child.heard_at + patience_s for child in ready]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

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


def _become(child: _Child, tell: int) -> None:
    """Be the child: run its body and end, without ever returning into the parent's code."""
    status = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the service answers it
        manager.report_to(tell)
        child.body(lambda: _say_ready(tell))
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
    if child.pipe >= 0:
        _hear(child)
    return child.is_ready


def _say_ready(tell: int) -> None:
    os.write(tell, b"READY=1\n")


def _hear(child: _Child) -> None:
    """Take what a child has told; its end closes the pipe."""
    try:
        told = os.read(child.pipe, 4096)
    except BlockingIOError:  # nothing, and children of its own hold the other end
        return
    if not told:
        _hang_up(child)
    child.heard_at = time.monotonic()
    for line in told.decode().splitlines():
        name, _, value = line.partition("=")
        if name == "READY":
            child.is_ready = True
        elif name == "STATUS":
            child.status = value


def _hang_up(child: _Child) -> None:
    if child.pipe >= 0:
        os.close(child.pipe)
    child.pipe = -1


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass
