"""How much memory the processes of a running server take."""

from __future__ import annotations

from pathlib import Path

from tests.support.serving import Server


class Peak:
    """How much more memory some services had at most, from now on."""

    def __init__(self, server: Server, *services: str) -> None:
        self._pids = {name: server.service(name) for name in services}
        for pid in self._pids.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # proc(5): VmHWM anew
        self._before = self._read()

    def growth_kib(self) -> dict[str, int]:
        """Return the growth of each service, in KiB."""
        return {name: now - self._before[name] for name, now in self._read().items()}

    def _read(self) -> dict[str, int]:
        found = {}
        for name, pid in self._pids.items():
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            found[name] = int(status.partition("VmHWM:")[2].split()[0])
        return found
