"""What the whole appliance takes while nothing happens (PERFORMANCE, goals: idle memory)."""

from __future__ import annotations

from pathlib import Path

from tests.support.serving import Server

_FLOOR_MIB = 350


def test_the_idle_appliance_fits_its_memory(server: Server) -> None:
    shares = {pid: _share_kib(pid) for pid in server.processes()}
    told = ", ".join(f"{_name(pid)} {share // 1024}" for pid, share in shares.items())
    assert sum(shares.values()) <= _FLOOR_MIB * 1024, f"MiB by process: {told}"


def _share_kib(pid: int) -> int:
    """Return a process's proportional share: what it shares counts for each sharer in part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1])


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
