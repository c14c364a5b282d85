"""Whose turn it is: recipients in hand, by destination, so that a slow one holds up nobody.

A destination is called on one connection until a session stands, then on as many as are allowed;
and it has but a share of what is in hand, so that the claims reach the mail of others.

Owns: what the sender has in hand. Never: decides when something is sent.
Failure: none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from appliance.queue.entry import Claimed

MOST = 2000  # recipients in hand, some kilobytes each
MOST_CLAIMED = 256  # at a time
MOST_PROVEN = 200  # of a destination with which a session stands, while there is room
MOST_UNPROVEN = 20  # of any other
MOST_RECIPIENTS = 100  # of one transaction; every host takes that many (RFC 5321 §4.5.3.1.8)

Group = Sequence[Claimed]  # of one message, for one transaction


class Lane:
    """What is in hand for one destination.

    Attributes:
        key: the destination's domain; empty for the smart host.
        waiting: recipients not being sent yet, by message, in their order.
        workers: connections in use.
        proven: a session came about.
        held: recipients in hand, those being sent or written down included.
        resting: what rouses connections that have nothing to do.
        roused: connections that are about to take what waits.
    """

    __slots__ = ("held", "key", "proven", "resting", "roused", "waiting", "workers")

    def __init__(self, key: str) -> None:
        self.key = key
        self.waiting: dict[str, list[Claimed]] = {}
        self.workers = 0
        self.proven = False
        self.held = 0
        self.resting: list[asyncio.Event] = []
        self.roused = 0


class Lanes:
    """All that is in hand."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lanes: dict[str, Lane] = {}
        self._idle: dict[str, Lane] = {}  # with mail and without a connection, in their order
        self._busy: dict[str, Lane] = {}  # with connections
        self._in_hand: dict[tuple[str, int], Claimed] = {}
        self.workers = 0

    @property
    def in_hand(self) -> frozenset[tuple[str, int]]:
        """What is in hand at this moment: entry ids with recipients' numbers."""
        return frozenset(self._in_hand)

    @property
    def claimed(self) -> list[Claimed]:
        """The recipients in hand."""
        return list(self._in_hand.values())

    @property
    def room(self) -> int:
        """How many more recipients can be taken in hand."""
        return MOST - len(self._in_hand)

    def full(self) -> list[str]:
        """Return the destinations that have their share."""
        return [lane.key for lane in self._lanes.values() if lane.held >= self._share(lane)]

    @property
    def batch(self) -> int:
        """How many recipients to claim at a time, so that no destination gets all the room."""
        return min(self.room, MOST_CLAIMED, max(MOST_UNPROVEN, self.room // 4))

    def wants_more(self, lane: Lane) -> bool:
        """Whether half of a destination's share or less is in hand."""
        return lane.held * 2 <= self._share(lane)

    def add(self, key: str, claimed: Claimed) -> bool:
        """Take a recipient in hand; False where its destination has its share already.

        One with which a session stands takes all of a claim: its mail moves, and what is claimed
        in vain costs as much as what is sent.
        """
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        if not lane.proven and lane.held >= MOST_UNPROVEN:
            return False
        lane.waiting.setdefault(claimed.entry_id, []).append(claimed)
        lane.held += 1
        if not lane.workers:
            self._idle[key] = lane
        self._in_hand[claimed.entry_id, claimed.number] = claimed
        self._rouse(lane)
        return True

    def start(self, *, most: int, most_each: int) -> tuple[Lane, Group] | None:
        """Choose who gets the next connection, with its first message; None if nobody may.

        Args:
            most: connections in all.
            most_each: connections of one destination.
        """
        if self.workers >= most:
            if self._idle:
                self._dismiss()
            return None
        lane = next(iter(self._idle.values()), None)
        if lane is None:
            ready = (
                lane
                for lane in self._busy.values()
                if len(lane.waiting) > lane.roused
                and lane.workers < (most_each if lane.proven else 1)
            )
            lane = min(ready, key=lambda lane: lane.workers, default=None)
        if lane is None:
            return None
        self._idle.pop(lane.key, None)
        self._busy[lane.key] = lane
        lane.workers += 1
        self.workers += 1
        return lane, self.take(lane)

    def take(self, lane: Lane) -> Group:
        """Take a destination's next message; empty when none waits."""
        for entry_id, recipients in lane.waiting.items():
            group, rest = recipients[:MOST_RECIPIENTS], recipients[MOST_RECIPIENTS:]
            if rest:
                lane.waiting[entry_id] = rest
            else:
                del lane.waiting[entry_id]
            return group
        return []

    def take_some(self, lane: Lane, most: int) -> list[Group]:
        """Take a destination's next messages: a fair share for one of its connections."""
        share = min(most, len(lane.waiting) // max(lane.workers, 1)) or 1
        return [group for _ in range(share) if (group := self.take(lane))]

    def take_all(self, lane: Lane) -> Group:
        """Take everything that waits for a destination."""
        found = [claimed for recipients in lane.waiting.values() for claimed in recipients]
        lane.waiting.clear()
        return found

    def put_back(self, lane: Lane, group: Group) -> None:
        """Let a message wait again, before the others."""
        entry_id = group[0].entry_id
        same = [*group, *lane.waiting.pop(entry_id, ())]
        lane.waiting = {entry_id: same, **lane.waiting}
        self._rouse(lane)

    async def rest(self, lane: Lane, timeout_s: float) -> None:
        """Wait with a connection until there is mail for it, or others need its place."""
        event = asyncio.Event()
        lane.resting.append(event)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await event.wait()
        finally:
            if event.is_set():
                lane.roused -= 1
            else:
                lane.resting.remove(event)

    def rouse_all(self) -> None:
        """Let no connection rest any longer."""
        for lane in self._busy.values():
            while lane.resting:
                self._rouse(lane)

    def others_wait(self, *, most: int) -> bool:
        """Whether some destination has mail and no connection, and none is left for it."""
        return self.workers >= most and bool(self._idle)

    def drop(self, lane: Lane, group: Iterable[Claimed]) -> None:
        """Let recipients go: they are marked, or are to be claimed again."""
        for claimed in group:
            if self._in_hand.pop((claimed.entry_id, claimed.number), None) is not None:
                lane.held -= 1
        self._forget(lane)

    def end(self, lane: Lane) -> None:
        """Note that a connection has ended."""
        lane.workers -= 1
        self.workers -= 1
        if not lane.workers:
            del self._busy[lane.key]
            if lane.waiting:
                self._idle[lane.key] = lane
        self._forget(lane)

    def _rouse(self, lane: Lane) -> None:
        if lane.resting:
            lane.resting.pop().set()
            lane.roused += 1

    def _dismiss(self) -> None:
        """Rouse a connection whose place somebody needs; having no mail, it ends."""
        for lane in self._busy.values():
            if lane.resting:
                self._rouse(lane)
                return

    def _share(self, lane: Lane) -> int:
        """Return how much a destination may have in hand: the less, the less room is left."""
        return (
            max(MOST_UNPROVEN, min(MOST_PROVEN, self.room // 4)) if lane.proven else MOST_UNPROVEN
        )

    def _forget(self, lane: Lane) -> None:
        if not lane.held and not lane.workers:
            self._lanes.pop(lane.key, None)
