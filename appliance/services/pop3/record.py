"""What readers do with messages, for the journey: gathered for a moment, written by the thousand.

Owns: what has not been written yet. Failure: none; a write that fails is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from appliance.journey.event import Event, Kind
from appliance.operations.house import House

_WITHIN_S = 0.25
_MOST = 4000


class Record:
    """Notes for one process what its sessions do to messages."""

    def __init__(
        self, house: House, kind: Kind, *, later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        """Take the house, what is done, and what has something done after some seconds."""
        self._house = house
        self._kind = kind
        self._later = later
        self._happened: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self._count = 0
        self._is_waiting = False

    def add(self, entry_ids: Iterable[str], *, login: str, client: str) -> None:
        """Note that a session has done it to some messages.

        Args:
            entry_ids: the queue's ids of the messages; empty for one that never was there.
            login: whose session.
            client: its IP address.
        """
        known = self._happened.get((login, client))
        if known is None:
            known = self._happened[login, client] = (self._house.clock.now_us(), [])
        ids = known[1]
        before = len(ids)
        ids.extend(filter(None, entry_ids))
        self._count += len(ids) - before
        if self._count >= _MOST:
            self.write()
        elif not self._is_waiting:
            self._is_waiting = True
            self._later(_WITHIN_S, self._write_late)

    def write(self) -> None:
        """Write what has gathered, without waiting for it."""
        happened, self._happened, self._count = self._happened, {}, 0
        for (login, client), (at_us, ids) in happened.items():
            event = Event(
                at_us=at_us,
                message_id="",
                kind=self._kind,
                recipient=login,
                connector="SF",
                text=f"{self._kind} by {login} over POP3 from {client}",
            )
            self._house.journey.record_alike(event, ids)

    def _write_late(self) -> None:
        self._is_waiting = False
        self.write()
