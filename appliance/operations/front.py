"""What every listening daemon shares: limits at the door, the certificate, silent clients.

Owns: the set of open connections. Failure: none; a certificate that can't be used is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from appliance.net.accepting import Acceptor
from appliance.net.certificates import Certificates
from appliance.net.door import Door
from appliance.net.listeners import Listener
from appliance.operations.house import House
from appliance.rules.recipients import is_in
from appliance.runtime import manager, metrics
from appliance.runtime.logs import Logs
from appliance.settings import limits, tls
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

_TICK_S = 0.5
_ARRIVAL = 4  # rounds of the loop from an accepted socket to a connection that is answered


class Visitor(Protocol):
    """A connection as the front sees it."""

    client: str
    active_at: float


V = TypeVar("V", bound=Visitor)
Factory = Callable[[Listener, str], asyncio.BaseProtocol]


class Front(Generic[V]):
    """The front of one service in this process.

    Attributes:
        open: the connections that have been let in.
        now: the event loop's clock.
    """

    def __init__(
        self,
        house: House,
        logs: Logs,
        service: str,
        *,
        most: Setting[int],
        most_per_client: Setting[int],
        idle_timeout: Setting[int],
        door: Door | None = None,
    ) -> None:
        """Take the settings that bound this service; an event loop must be running.

        Args:
            house: whose settings.
            logs: the service's.
            service: its name among the metrics.
            most: connections at the same time.
            most_per_client: the same from one address; 0 for no limit.
            idle_timeout: seconds after which a client counts as silent.
            door: the service's, where several processes serve it.
        """
        self._house = house
        self._logs = logs
        self._most = most
        self._most_per_client = most_per_client
        self._idle_timeout = idle_timeout
        self._door = door or Door()
        self._counted: set[V] = set()  # of the open ones; `limits.exempt_ranges` may change
        self._gauge = metrics.CONNECTIONS.labels(service)
        names = [house.local_domain, "localhost", "127.0.0.1"]
        self._certificates = Certificates(house.home / "config" / "tls", names)
        self._emptied: asyncio.Event | None = None  # while `drain` waits
        self.open: set[V] = set()
        self.now = asyncio.get_running_loop().time
        house.live.listen(self._configure)

    @property
    def context(self) -> ssl.SSLContext:
        """The TLS context in force."""
        return self._certificates.context

    async def serve(
        self,
        listeners: Sequence[Listener],
        factory: Factory,
        *,
        stop: asyncio.Event,
        ready: Callable[[], None],
        hang_up: Callable[[V], None],
    ) -> None:
        """Accept connections until stopped.

        Args:
            listeners: where.
            factory: makes a connection's protocol; takes where the client came in, and its address.
            stop: set to end.
            ready: called once clients are answered.
            hang_up: ends a connection whose client is silent.
        """
        acceptor = Acceptor(
            listeners,
            factory,
            context=self.context,
            door=self._door,
            counter=self,
            complain=lambda text: self._logs.note("error", text),
        )
        ready()
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK_S)
            manager.beat(f"connections: {len(self.open)}")
            self._door.beat()
            self._house.live.refresh()
            self._follow_certificate(self._house.settings)
            oldest = self.now() - self._house.settings[self._idle_timeout]
            for visitor in [each for each in self.open if each.active_at < oldest]:
                self._logs.note("info", f"{visitor.client} was silent for too long")
                hang_up(visitor)
        acceptor.stop()
        for _ in range(_ARRIVAL):
            await asyncio.sleep(0)
        for listener in listeners:
            listener.socket.close()

    async def drain(self, within_s: float) -> None:
        """Wait until all connections have ended, at most so long."""
        if self.open:
            self._emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), within_s)

    def enter(self, visitor: V) -> bool:
        """Let a connection in; False when there are too many of its client's, or of all.

        One that is in already, since it came with TLS, is let in once more.
        """
        if visitor in self.open:
            return True
        if not is_in(visitor.client, self._house.settings[limits.exempt_ranges]):
            if not self._door.enter(visitor.client):
                text = f"{visitor.client} was turned away: too many connections"
                self._logs.note("warning", text)
                return False
            self._counted.add(visitor)
        self.open.add(visitor)
        self._door.is_busy_with(len(self.open))
        self._gauge.inc()
        return True

    def leave(self, visitor: V) -> None:
        """Count a connection out that was let in."""
        if visitor in self.open:
            self.open.discard(visitor)
            self._door.is_busy_with(len(self.open))
            self._gauge.dec()
        if visitor in self._counted:
            self._counted.discard(visitor)
            self._door.leave(visitor.client)
        if self._emptied is not None and not self.open:
            self._emptied.set()

    def _configure(self, settings: Snapshot) -> None:
        self._door.most = settings[self._most]
        self._door.most_per_client = settings[self._most_per_client]
        self._follow_certificate(settings)

    def _follow_certificate(self, settings: Snapshot) -> None:
        self._certificates.follow(
            settings[tls.certificate_file],
            settings[tls.key_file],
            lambda text: self._logs.note("error", text),
        )
