"""CPU time of a server with all its processes, dead ones included.

A server is started inside a control group of its own, where this machine lets us make one:
version 1 (`cpuacct`) or version 2 (`cpu.stat`). Else the process tree is summed from `/proc`, which
misses processes that left the tree.

Never: limits anything; the groups only count.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import signal
import time
from typing import Protocol

__all__ = ["CpuMeter", "open_meter"]

_MOUNTS = pathlib.Path("/proc/self/mounts")
_MEMBERSHIP = pathlib.Path("/proc/self/cgroup")
_serial = itertools.count(1)


class CpuMeter(Protocol):
    """Counts the CPU seconds of what was started through it."""

    method: str

    def wrap(self, command: list[str]) -> list[str]:
        """Returns the command line that runs `command` where this meter counts it."""

    def started(self, pid: int) -> None:
        """Tells the meter which process the wrapped command became."""

    def seconds(self) -> float:
        """Returns the CPU seconds, user and system, spent since the start."""

    def pids(self) -> list[int]:
        """Returns the server's living processes."""

    def close(self) -> None:
        """Ends what is left of the server and removes the meter."""


class _ControlGroup:
    """A control group directory; `usage` names the file and `scale` its unit in seconds."""

    def __init__(self, path: pathlib.Path, method: str, usage: str, scale: float) -> None:
        self.method = method
        self._path = path
        self._usage = usage
        self._scale = scale

    def wrap(self, command: list[str]) -> list[str]:
        # The shell joins the group and then becomes the server: nothing runs outside it.
        return [
            "/bin/sh",
            "-c",
            'echo $$ > "$0" && exec "$@"',
            str(self._path / "cgroup.procs"),
            *command,
        ]

    def started(self, pid: int) -> None:
        """Nothing to do: membership is inherited."""

    def seconds(self) -> float:
        text = (self._path / self._usage).read_text()
        if self._usage == "cpu.stat":
            text = text.split("usage_usec", 1)[1].split(None, 1)[0]
        return int(text) * self._scale

    def pids(self) -> list[int]:
        return [int(word) for word in (self._path / "cgroup.procs").read_text().split()]

    def close(self) -> None:
        # Whoever is still in here is a process of the server that this meter started.
        for attempt in range(100):
            pids = self.pids()
            if not pids:
                break
            if attempt in {40, 80}:
                for pid in pids:
                    _kill(pid)
            time.sleep(0.05)
        try:
            self._path.rmdir()
        except OSError:
            time.sleep(0.5)
            self._path.rmdir()


class _ProcessTree:
    """The sum over a process tree: the run time of the living, and what the reaped had used."""

    method = "process tree in /proc: schedstat of the living, cutime and cstime of the reaped"

    def __init__(self) -> None:
        self._root = 0

    def wrap(self, command: list[str]) -> list[str]:
        return command

    def started(self, pid: int) -> None:
        self._root = pid

    def seconds(self) -> float:
        return sum(_spent(pid) for pid in self.pids())

    def close(self) -> None:
        for pid in self.pids():
            _kill(pid)

    def pids(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        found, todo = [], [self._root] if _stat(self._root) else []
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return found


def _stat(pid: int) -> list[str]:
    """Returns the fields of `/proc/PID/stat` from the state on; empty when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _spent(pid: int) -> float:
    """Returns the CPU seconds of a process and of its reaped children.

    `utime` and `stime` count whole ticks: with a hundred processes that each did a little, most of
    it is lost. `schedstat` counts nanoseconds, but only of the threads that still live.
    """
    ticks = [int(field) for field in _stat(pid)[11:15]]
    nanoseconds = 0
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            nanoseconds += int(task.read_text().split()[0])
    tick = os.sysconf("SC_CLK_TCK")
    return max(nanoseconds / 1e9, sum(ticks[:2]) / tick) + sum(ticks[2:]) / tick


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _own_group(mount: str, controller: str) -> pathlib.Path:
    """Returns the directory of the control group that this process is in."""
    for line in _MEMBERSHIP.read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(",") or (not controller and not names):
            return pathlib.Path(mount + path)
    return pathlib.Path(mount)


def open_meter() -> CpuMeter:
    """Makes the best meter that this machine allows: cpuacct, cgroup 2, or the process tree."""
    name = f"posthouse-bench-{os.getpid()}-{next(_serial)}"
    mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    candidates = [
        (_own_group(mount, "cpuacct"), "cgroup v1, cpuacct.usage", "cpuacct.usage", 1e-9)
        for _, mount, kind, options, *_ in mounts
        if kind == "cgroup" and "cpuacct" in options.split(",")
    ] + [
        (_own_group(mount, ""), "cgroup v2, usage_usec of cpu.stat", "cpu.stat", 1e-6)
        for _, mount, kind, *_ in mounts
        if kind == "cgroup2"
    ]
    for parent, method, usage, scale in candidates:
        path = parent / name
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / usage).exists() and os.access(path / "cgroup.procs", os.W_OK):
            return _ControlGroup(path, method, usage, scale)
        path.rmdir()
    return _ProcessTree()
