"""What the whole appliance takes while nothing happens (PERFORMANCE, goals: idle memory)."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.serving import Server

_FLOOR_MIB = 350


@pytest.fixture
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has done nothing yet."""
    server = Server(tmp_path_factory.mktemp("idle") / "home")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_the_idle_appliance_fits_its_memory(idle: Server) -> None:
    assert _asked(idle)  # its modules are loaded, its templates read
    shares = {pid: _share_kib(pid) for pid in idle.processes()}
    told = ", ".join(f"{_name(pid)} {share // 1024}" for pid, share in shares.items())
    assert sum(shares.values()) <= _FLOOR_MIB * 1024, f"MiB by process: {told}"


def _asked(server: Server) -> bool:
    """Ask the web for a page, so that what is counted is a server that has answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["web"], timeout=10)
    connection.request("GET", "/webmail/login")
    answered = connection.getresponse().status == 200
    connection.close()
    return answered


def _share_kib(pid: int) -> int:
    """Return a process's proportional share: what it shares counts for each sharer in part."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    (line,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1])


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
