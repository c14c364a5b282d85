"""What machine a result comes from."""

from __future__ import annotations

import os
import pathlib
import platform
import statistics
import time

__all__ = ["describe"]


def _field(path: str, name: str) -> str:
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition("=" if "=" in line else ":")
        if key.strip() == name:
            return value.strip().strip('"')
    return ""


def _file_system(work: pathlib.Path) -> str:
    """Returns type and mount options of the file system that holds the folder."""
    best, found = "", ""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split()
        inside = point == "/" or str(work) == point or str(work).startswith(point + "/")
        if inside and len(point) >= len(best):
            best, found = point, f"{kind} ({options})"
    return found


def _fdatasync(work: pathlib.Path) -> float:
    """Returns the median time of a 4 KiB append with fdatasync, in milliseconds."""
    path = work / "fdatasync"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    path.unlink()
    return round(statistics.median(times) * 1000, 3)


def describe(work: pathlib.Path) -> dict[str, object]:
    """Returns cores, memory, kernel, system and disk, for the record.

    Args:
        work: the folder whose disk the servers write to.
    """
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME"),
        "python": platform.python_version(),
        "file system": _file_system(work),
        "4 KiB append + fdatasync, median ms": _fdatasync(work),
        "load before": list(os.getloadavg()),
    }
