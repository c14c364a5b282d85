"""SMTP and POP3 over real sockets in a thread of the test's own process, with a clock to move.

For what a running server shows only after minutes, or when a disk fails.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from appliance.connectors.smtp_in.service import SmtpService
from appliance.net.listeners import Listener, listen
from appliance.operations.house import House, read_config
from appliance.runtime.logs import Logs
from appliance.services.pop3.service import Pop3Service


class _MovableLoop(uvloop.Loop):
    """An event loop whose clock can be put forward."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class Services:
    """Both services on the home of one house."""

    def __init__(self, home: Path) -> None:
        self.house = House(read_config(home))
        self.ports: dict[str, int] = {}
        self._loop = _MovableLoop()
        self._stop = asyncio.Event()
        self._are_ready = threading.Barrier(2)
        self._ready = 0
        self._thread = threading.Thread(target=self._run, name="services")

    def pass_time(self, seconds: float) -> None:
        """Put the services' clock forward."""

        def move() -> None:
            self._loop.ahead_s += seconds

        self._loop.call_soon_threadsafe(move)

    def refresh(self) -> None:
        """Have the services take changed settings now."""
        done = threading.Event()

        def refresh() -> None:
            self.house.live.refresh()
            done.set()

        self._loop.call_soon_threadsafe(refresh)
        assert done.wait(10)

    def start(self) -> None:
        self._thread.start()
        self._are_ready.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.house.close()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        smtp = SmtpService(self.house, Logs(self.house.home, "SMTP"), self._listen("smtp"))
        pop3 = Pop3Service(self.house, Logs(self.house.home, "POP"), self._listen("pop3"))
        await asyncio.gather(
            smtp.run(self._stop, self._one_is_ready), pop3.run(self._stop, self._one_is_ready)
        )

    def _one_is_ready(self) -> None:
        self._ready += 1
        if self._ready == 2:
            self._are_ready.wait(30)

    def _listen(self, name: str) -> list[Listener]:
        found = listen(name, ["127.0.0.1"], 0, tls=False)
        self.ports[name] = found[0].socket.getsockname()[1]
        return found


@contextmanager
def services(home: Path) -> Iterator[Services]:
    """Run both services."""
    running = Services(home)
    running.start()
    try:
        yield running
    finally:
        running.stop()
