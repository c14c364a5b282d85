"""Where Posthouse's time goes while a row's work is done: by process, by library, by function.

perf(1) tells in which library a processor was, py-spy in which of our functions: two runs, since
py-spy holds a process for each sample. A profile explains a result and is none: it slows the work.

Failure: `ProfileError` when a tool is missing or found nothing.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from server import Watch, Watched, run

__all__ = ["Profile", "ProfileError", "functions", "libraries", "profile", "write"]

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PY_SPY = _ROOT / ".venv/bin/py-spy"
_PERF_HZ, _SPY_HZ = 997, 200
_OURS = ("appliance/", "httpmail/", "webadmin/")
_LEAST = 0.02
"""The part of a service's time that a function must take to be named."""
_LEAST_SERVICE = 0.05
"""The part of all time that a service must take to be named."""
_MOST = 8
"""Functions named of a service."""

_WAITING = re.compile(r"\b(wait \(threading|accept \(socket|select \(sel|run \(asyncio)")
"""What the innermost frame of a thread is that has nothing to do."""

_LIBRARIES = (
    ("[", "kernel"),
    ("uvloop/", "event loop"),
    ("sqlite", "SQLite"),
    ("crypto", "TLS and hashes"),
    ("ssl", "TLS and hashes"),
    ("libc.", "C library"),
    ("python", "interpreter"),
)

Profile = list[dict[str, object]]
"""A service's name, its share of all CPU time, and within it the shares of libraries and functions;
those that took most first."""

Counts = dict[str, Counter[str]]
"""Samples of each service."""


class ProfileError(Exception):
    """No profile came about."""


def profile(work: Callable[[Watch], object]) -> Profile:
    """Has the work done twice, and says where the time went.

    Args:
        work: starts a server and does the work, watched.

    Raises:
        ProfileError: see the module.
    """
    found: list[Counts] = []
    for watch in (libraries, functions):
        counts: Counts = {}
        work(partial(watch, counts=counts))
        found.append(counts)
    in_libraries, in_functions = found
    total = sum(counts.total() for counts in in_libraries.values())
    if not total or not in_functions:
        raise ProfileError("no sample was taken")
    services = sorted(in_libraries, key=lambda name: -in_libraries[name].total())
    return [
        {
            "service": name,
            "share": round(in_libraries[name].total() / total, 3),
            "libraries": _shares(in_libraries[name], least=0.0),
            "functions": _shares(in_functions.get(name, Counter()), least=_LEAST),
        }
        for name in services
        if in_libraries[name].total() / total >= _LEAST_SERVICE
    ]


@contextlib.contextmanager
def libraries(server: Watched, counts: Counts) -> Iterator[None]:
    """Counts samples by service and library while the body runs."""
    services = server.services()
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        pids = ",".join(map(str, services))
        command = ("perf", "record", "-q", "-F", str(_PERF_HZ), "-p", pids, "-o", data)
        with _running([command]):
            yield
        fields = ("perf", "script", "-i", data, "-F", "pid,ip,dso")
        for line in run(*fields).splitlines():
            pid, _, where = line.strip().partition(" ")
            if pid.isdigit() and int(pid) in services:
                name = where.rpartition("(")[2].rpartition("site-packages/")[2]
                known = next((found for part, found in _LIBRARIES if part in name), "other")
                counts.setdefault(services[int(pid)], Counter())[known] += 1


@contextlib.contextmanager
def functions(server: Watched, counts: Counts) -> Iterator[None]:
    """Counts samples by service and innermost function of ours while the body runs."""
    services = server.services()
    with tempfile.TemporaryDirectory() as folder:
        spy = (str(_PY_SPY), "record", "--rate", str(_SPY_HZ), "--format", "raw")
        with _running([(*spy, "-o", f"{folder}/{pid}", "-p", str(pid)) for pid in services]):
            yield
        for pid, service in services.items():
            for line in pathlib.Path(folder, str(pid)).read_text().splitlines():
                stack, _, times = line.rpartition(" ")
                frames = stack.split(";")
                own = [frame for frame in frames if _is_ours(frame)]
                if own and not _WAITING.search(frames[-1]):
                    counts.setdefault(service, Counter())[_function(own[-1])] += int(times)


def write(path: pathlib.Path, row: str, about: dict[str, object], found: Profile) -> None:
    """Writes a row's profile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"row": row, **about, "services": found}
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _running(commands: Sequence[Sequence[str]]) -> Iterator[None]:
    """Has tools look while the body runs.

    Raises:
        ProfileError: one could not be started, or complains.
    """
    try:
        tools = [
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for command in commands
        ]
    except FileNotFoundError as error:
        raise ProfileError(f"{error.filename} is missing") from error
    try:
        yield
    finally:
        for tool in tools:
            tool.send_signal(signal.SIGINT)
            told, _ = tool.communicate()
            if tool.returncode not in (0, -signal.SIGINT, 130):
                command = " ".join(map(str, tool.args))  # type: ignore[arg-type] # words
                raise ProfileError(f"{command}: exit code {tool.returncode}: {told.strip()}")


def _is_ours(frame: str) -> bool:
    return any(f"({part}" in frame or f"/{part}" in frame for part in _OURS)


def _function(frame: str) -> str:
    """Name a function as people look for it: `net/accepting.py _accept`."""
    name, _, where = frame.partition(" (")
    path = where.rpartition(":")[0]
    begin = max(path.rfind(f"/{part}") + 1 for part in _OURS)
    return f"{path[begin:].removeprefix('appliance/')} {name}"


def _shares(counts: Counter[str], *, least: float) -> dict[str, float]:
    total = counts.total()
    most = counts.most_common(_MOST)
    return {name: round(n / total, 3) for name, n in most if n / total >= least}
