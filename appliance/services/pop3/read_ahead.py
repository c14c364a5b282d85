"""What sessions are about to retrieve, read some messages at a time.

A client that goes through its maildrop in order makes each read longer than the last one; what
several pipelined commands ask for is read at once.

RFC 1939 §3 wants the messages of an open maildrop to stay as they are, but their owner may delete
some by webmail meanwhile. Whoever asks for one of them is told that it has gone, or is given it
when it was read ahead: at most `_LASTS_S` before, as if it had been asked for then.

Owns: the messages read ahead, a bounded number of octets for all sessions, and for a second only:
    an idle session has none.
Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.services.pop3.maildrop import InboxMaildrop, Listing
from appliance.store.message import Copy
from appliance.store.store import Store

_LASTS_S = 1.0
_MOST = 64  # messages at a time
_OCTETS = 256 << 10  # the same in octets; one message may be larger
_OCTETS_OF_ALL = 8 << 20


class _Ahead:
    """What was read for one session.

    Attributes:
        copies: from `following` on, None for one that has gone; those retrieved are taken out.
        octets: of all that was read.
        until: when it is too old.
        following: the number that comes next, when the client goes on in order.
        in_order: how many messages the client has retrieved in order.
    """

    __slots__ = ("copies", "following", "in_order", "octets", "until")

    def __init__(self) -> None:
        self.copies: list[Copy | None] = []
        self.octets = 0
        self.until = 0.0
        self.following = 0
        self.in_order = 0


class ReadAhead:
    """Reads messages for all sessions of a process.

    Attributes:
        octets: what is held for all of them.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """Take the store and an event loop's clock.

        Args:
            store: where messages are read.
            now: the time in seconds.
            later: has something done after some seconds.
        """
        self._store = store
        self._now = now
        self._later = later
        self._sessions: dict[InboxMaildrop, _Ahead] = {}  # those that read longest ago first
        self.octets = 0
        self._is_expiring = False

    def copy(self, maildrop: InboxMaildrop, number: int) -> Copy | None:
        """Return one message; None when somebody else has deleted it."""
        ahead = self._sessions.get(maildrop)
        if ahead is None or not ahead.copies or number != ahead.following:
            return self.copies(maildrop, (number,))[0]
        if ahead.until < self._now():
            return self.copies(maildrop, (number,))[0]
        ahead.following += 1
        ahead.in_order += 1
        return ahead.copies.pop(0)

    def copies(self, maildrop: InboxMaildrop, numbers: Sequence[int]) -> list[Copy | None]:
        """Return messages, None for each that somebody else has deleted.

        Args:
            maildrop: whose.
            numbers: of messages in it, in the order in which they are retrieved.
        """
        ahead = self._sessions.get(maildrop)
        if ahead is None or ahead.until < self._now():
            self.forget(maildrop)
            ahead = _Ahead()
        found: list[Copy | None] = []
        while len(found) < len(numbers):
            number, run = numbers[len(found)], _in_order(numbers, len(found))
            if number != ahead.following:
                ahead.following, ahead.in_order, ahead.copies = number, 0, []
            if not ahead.copies:
                self._read(maildrop, ahead, max(ahead.in_order + 1, run))
            some = ahead.copies[:run]
            del ahead.copies[:run]
            found += some
            ahead.following += len(some)
            ahead.in_order += len(some)
        return found

    def forget(self, maildrop: InboxMaildrop) -> None:
        """Let go of what was read for a session."""
        ahead = self._sessions.pop(maildrop, None)
        if ahead is not None:
            self.octets -= ahead.octets

    def _read(self, maildrop: InboxMaildrop, ahead: _Ahead, most: int) -> None:
        """Read what follows, at least one message and at most so many."""
        listing, first = maildrop.listing(), ahead.following
        uids = listing.uids[first - 1 : _last(listing, first, most)]
        read = self._store.copies(maildrop.postoffice_id, maildrop.folder_id, uids[0], uids[-1])
        self.forget(maildrop)
        if len(read) == len(uids):
            ahead.copies = [*read]
        else:  # some have gone
            found = {copy.uid: copy for copy in read}
            ahead.copies = [found.get(uid) for uid in uids]
        ahead.octets = sum([copy.size for copy in read if copy.body is not None])
        ahead.until = self._now() + _LASTS_S
        self._sessions[maildrop] = ahead
        self.octets += ahead.octets
        while self.octets > _OCTETS_OF_ALL:
            self.forget(next(iter(self._sessions)))
        if not self._is_expiring:
            self._is_expiring = True
            self._later(_LASTS_S, self._expire)

    def _expire(self) -> None:
        now = self._now()
        for maildrop in [each for each, ahead in self._sessions.items() if ahead.until <= now]:
            self.forget(maildrop)
        self._is_expiring = bool(self._sessions)
        if self._is_expiring:
            self._later(_LASTS_S, self._expire)


def _in_order(numbers: Sequence[int], index: int) -> int:
    """Count the numbers that follow on each other from one on."""
    first, most = numbers[index], len(numbers) - index
    if numbers[-1] == first + most - 1 and numbers[index:] == [*range(first, first + most)]:
        return most
    end = index + 1
    while end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
        end += 1
    return end - index


def _last(listing: Listing, first: int, most: int) -> int:
    """Return the number up to which is read: within the bounds, and in the maildrop."""
    sizes = listing.sizes[first - 1 : first - 1 + min(most, _MOST)]
    octets = sizes[0]
    for count, size in enumerate(sizes[1:], 1):
        octets += size
        if octets > _OCTETS:
            return first + count - 1
    return first + len(sizes) - 1
