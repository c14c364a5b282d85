"""The service manager's side of a daemon: sockets it opened, readiness, watchdog, reload.

Without a manager (tests, `serve`) telling does nothing.

Standards: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
A daemon of several processes has a parent, which tells the manager what its children tell it.

Owns: what the manager wrote into the environment; it is taken out there, so that neither a library
nor a child takes it for its own.
Failure: none; a manager that does not listen is not told.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass

_FIRST_DESCRIPTOR = 3
_BEATS = 3  # within the time after which the manager takes a daemon for hung


@dataclass(slots=True)
class _Manager:
    address: str = ""
    parent: int = -1  # where a child of such a daemon tells its parent
    beat_every_s: float = 0.0
    next_beat_s: float = 0.0
    status: str = ""


_manager = _Manager()


def adopt() -> list[tuple[str, socket.socket]]:
    """Take what the manager handed to this process: where to tell it, and open sockets.

    Returns:
        Each listening socket with its name (`FileDescriptorName=`), in the manager's order.
    """
    given = {
        name: os.environ.pop(name, "")
        for name in (
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
            "LISTEN_PID",
        )
    }
    me = str(os.getpid())
    _manager.address = given["NOTIFY_SOCKET"]
    _manager.status = ""
    watched = given["WATCHDOG_USEC"] if given["WATCHDOG_PID"] in ("", me) else ""
    _manager.beat_every_s = int(watched or 0) / 1_000_000 / _BEATS
    _manager.next_beat_s = 0.0
    if given["LISTEN_PID"] != me:
        return []
    names = given["LISTEN_FDNAMES"].split(":")
    found = []
    for number in range(int(given["LISTEN_FDS"] or 0)):
        descriptor = _FIRST_DESCRIPTOR + number
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's
        handed = socket.socket(fileno=descriptor)
        handed.setblocking(False)  # noqa: FBT003 - the standard library's
        found.append((names[number] if number < len(names) else "", handed))
    return found


def tell(*lines: str) -> None:
    """Tell the manager something, as READY=1 or STOPPING=1."""
    address = _manager.address
    if _manager.parent >= 0:
        with contextlib.suppress(OSError):
            os.write(_manager.parent, "".join(f"{line}\n" for line in lines).encode())
        return
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, contextlib.suppress(OSError):
        channel.sendto("\n".join(lines).encode(), address)


def report_to(parent: int) -> None:
    """Be a child of a daemon that has a manager: from now on tell the parent what it would be told.

    Args:
        parent: the write end of a pipe.
    """
    if _manager.address:
        _manager.parent = parent
        _manager.status = ""
        _manager.next_beat_s = 0.0


def patience_s() -> float:
    """Return after how long without a beat a process counts as hung; 0 for never."""
    return _manager.beat_every_s * _BEATS


def beat(status: str = "") -> None:
    """Say that the main loop goes round, as often as the watchdog needs it.

    Args:
        status: what `systemctl status` shows from now on; empty leaves it.
    """
    if not _manager.address:
        return
    lines = []
    now_s = time.monotonic()
    if _manager.beat_every_s and now_s >= _manager.next_beat_s:
        _manager.next_beat_s = now_s + _manager.beat_every_s
        lines.append("WATCHDOG=1")
    if status and status != _manager.status:
        _manager.status = status
        lines.append(f"STATUS={status}")
    if lines:
        tell(*lines)


def answer_reload() -> None:
    """Answer SIGHUP, where settings and certificates are followed by themselves.

    A daemon notices each change within a second, so that there is nothing left to take in; without
    an answer the signal would end it.
    """
    signal.signal(signal.SIGHUP, lambda *_: told_of_reload())


def told_of_reload() -> None:
    """Tell the manager of a reload that is done (`Type=notify`, sd_notify(3))."""
    tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
    tell("READY=1")
