"""The POP3 service's daemon: listeners, limits, silent clients.

Owns: the connections of this process. Failure: see `Pop3Connection`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

from appliance.net.certificates import Certificates
from appliance.net.listeners import Door, Listener
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.rules.recipients import is_in
from appliance.runtime import metrics
from appliance.runtime.logs import Logs
from appliance.services.pop3.connection import Pop3Connection
from appliance.services.pop3.maildrop import Listings
from appliance.settings import limits, pop, tls
from appliance.settings.snapshot import Snapshot
from appliance.store.maildrop_lock import maildrop_locks

_TICK_S = 0.5


class Pop3Service:
    """Serves maildrops on some listeners."""

    def __init__(self, house: House, logs: Logs, listeners: Sequence[Listener]) -> None:
        """Take the listeners that were opened for it."""
        self.house = house
        self.logs = logs
        self.logins = Logins(house, "pop3")
        self.listings = Listings(house.store)
        self.locks = maildrop_locks(house.databases.get("state"), house.home)
        self.now = time.monotonic
        self._listeners = listeners
        self._door = Door()
        self._open: set[Pop3Connection] = set()
        names = [house.local_domain, "localhost", "127.0.0.1"]
        self._certificates = Certificates(house.home / "config" / "tls", names)
        self._gauge = metrics.CONNECTIONS.labels("pop3")

    @property
    def context(self) -> ssl.SSLContext | None:
        """The TLS context in force."""
        return self._certificates.context

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Serve until stopped."""
        self.house.live.listen(self._configure)
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(
                partial(Pop3Connection, self, listener),
                sock=listener.socket,
                ssl=self.context if listener.tls else None,
            )
            for listener in self._listeners
        ]
        ready()
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), _TICK_S)
            except TimeoutError:
                self._tick()
        for server in servers:
            server.close()
        for connection in list(self._open):
            connection.hang_up(b"-ERR [SYS/TEMP] service is stopping\r\n")
        self.logs.close()

    def enter(self, connection: Pop3Connection) -> bool:
        """Let a connection in; False when there are too many."""
        exempt = is_in(connection.client, self.house.settings[limits.exempt_ranges])
        if not self._door.enter(connection.client, exempt=exempt):
            self.logs.note("warning", f"{connection.client} was turned away: too many connections")
            return False
        self._open.add(connection)
        self._gauge.inc()
        return True

    def leave(self, connection: Pop3Connection) -> None:
        """Count a connection out."""
        if connection in self._open:
            self._open.discard(connection)
            self._door.leave(connection.client)
            self._gauge.dec()

    def _configure(self, settings: Snapshot) -> None:
        self._door.most = settings[pop.max_connections]
        self._door.most_per_client = settings[pop.max_connections_per_client]
        self._follow_certificate(settings)

    def _follow_certificate(self, settings: Snapshot) -> None:
        self._certificates.follow(
            settings[tls.certificate_file],
            settings[tls.key_file],
            lambda text: self.logs.note("error", text),
        )

    def _tick(self) -> None:
        """Look after settings, certificates and silent clients."""
        self.house.live.refresh()
        settings = self.house.settings
        self._follow_certificate(settings)
        oldest = self.now() - settings[pop.idle_timeout]
        for connection in [each for each in self._open if each.active_at < oldest]:
            self.logs.note(
                "info", f"{connection.login or connection.client} was silent for too long"
            )
            connection.hang_up()  # RFC 1939 §3: without a farewell, and nothing is deleted
