"""The POP3 service's daemon: what its connections share.

Owns: listings of recently read folders, messages read ahead, the maildrops' locks.
Failure: see `Pop3Connection`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from appliance.journey.event import Kind
from appliance.net.door import Door
from appliance.net.listeners import Listener
from appliance.operations.front import Front
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.runtime.logs import Logs
from appliance.services.pop3.connection import Pop3Connection
from appliance.services.pop3.maildrop import Listings
from appliance.services.pop3.read_ahead import ReadAhead
from appliance.services.pop3.record import Record
from appliance.settings import pop
from appliance.store.maildrop_lock import maildrop_locks

_DRAIN_S = 5.0
_TOLD_WITHIN_S = 0.25


class Pop3Service:
    """Serves maildrops on some listeners."""

    def __init__(
        self, house: House, logs: Logs, listeners: Sequence[Listener], door: Door | None = None
    ) -> None:
        """Take the listeners that were opened for it; an event loop must be running."""
        self.house = house
        self.logs = logs
        self.logins = Logins(house, "pop3")
        loop = asyncio.get_running_loop()
        self.listings = Listings(house.store)
        self.ahead = ReadAhead(house.store, now=loop.time, later=loop.call_later)
        self.downloads = Record(house, Kind.DOWNLOADED, later=loop.call_later)
        self.deletions = Record(house, Kind.DELETED, later=loop.call_later)
        self.locks = maildrop_locks(house.databases.get("state"), house.home)
        self.front: Front[Pop3Connection] = Front(
            house,
            logs,
            "pop3",
            most=pop.max_connections,
            most_per_client=pop.max_connections_per_client,
            idle_timeout=pop.idle_timeout,
            door=door,
        )
        self._listeners = listeners
        self._untold: set[Pop3Connection] = set()
        self._later = loop.call_later

    def have_told(self, connection: Pop3Connection) -> None:
        """Have a connection tell in a moment what it has sent."""
        if not self._untold:
            self._later(_TOLD_WITHIN_S, self._tell)
        self._untold.add(connection)

    def _tell(self) -> None:
        untold, self._untold = self._untold, set()
        for connection in untold:
            connection.tell()

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Serve until stopped; a deletion under way is carried out."""
        await self.front.serve(
            self._listeners,
            partial(Pop3Connection, self),
            stop=stop,
            ready=ready,
            # RFC 1939 §3: without a farewell, and nothing is deleted
            hang_up=lambda connection: connection.hang_up(),
        )
        for connection in list(self.front.open):
            connection.hang_up(b"-ERR [SYS/TEMP] service is stopping\r\n")
        await self.front.drain(_DRAIN_S)
        self._tell()
        self.downloads.write()
        self.deletions.write()
        self.logs.close()
