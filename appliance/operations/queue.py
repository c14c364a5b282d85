"""The queue, for its operators: look, hold, release, retry, return, remove."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.journey.event import Event, Kind
from appliance.operations.house import House
from appliance.operations.operation import Action, NotFound, Question
from appliance.queue.desk import Desk, DestinationCount, QueueCount, QueuedMessage
from appliance.queue.entry import State
from appliance.rules.access import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQueue(Question[list[QueuedMessage]]):
    """Messages in the queue, the oldest first.

    Attributes:
        state: only with a recipient in this state, or empty.
        domain: only with a recipient for this destination, or empty.
        most: how many at most.
        after: continue after this message's id.
    """

    name = "queue.list"
    permission = Permission.QUEUE_READ
    state: str = ""
    domain: str = ""
    most: int = 100
    after: str = ""

    def answer(self, house: House) -> list[QueuedMessage]:
        """Return them."""
        return Desk(house.queue).messages(
            state=self.state, domain=self.domain, most=self.most, after=self.after
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CountQueue(Question[list[QueueCount]]):
    """How many recipients wait, by connector and state."""

    name = "queue.count"
    permission = Permission.QUEUE_READ

    def answer(self, house: House) -> list[QueueCount]:
        """Return the counts."""
        return Desk(house.queue).counts()


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDestinations(Question[list[DestinationCount]]):
    """Which destinations mail waits for, with what was last heard from each.

    Attributes:
        most: how many at most.
        oldest_first: those with the oldest message first, instead of those with most recipients.
    """

    name = "queue.destinations"
    permission = Permission.QUEUE_READ
    most: int = 50
    oldest_first: bool = False

    def answer(self, house: House) -> list[DestinationCount]:
        """Return them."""
        return Desk(house.queue).destinations(most=self.most, oldest_first=self.oldest_first)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfMessage:
    """What all operations on one queued message share.

    Attributes:
        message: its id.
    """

    message: str

    def object(self) -> str:
        """Return what it is about."""
        return f"message {self.message}"


def _found(house: House, message_id: str) -> QueuedMessage:
    found = Desk(house.queue).message(message_id)
    if found is None:
        raise NotFound(
            f"{message_id!r} is not in the queue; `posthouse message trace` says what became of it"
        )
    return found


def _record(house: House, message: QueuedMessage, kind: Kind, text: str) -> None:
    house.journey.record(
        [
            Event(
                at_us=house.clock.now_us(),
                message_id=message.id,
                kind=kind,
                reverse_path=message.reverse_path,
                text=text,
            )
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowQueued(_OfMessage, Question[QueuedMessage]):
    """One message in the queue with each recipient's state."""

    name = "queue.show"
    permission = Permission.QUEUE_READ

    def answer(self, house: House) -> QueuedMessage:
        """Return it."""
        return _found(house, self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldMessage(_OfMessage, Action[int]):
    """Hold a message: no attempt is made until it is released."""

    name = "queue.hold"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> int:
        """Hold it; returns how many recipients now wait."""
        found = _found(house, self.message)
        count = Desk(house.queue).hold(found.id)
        _record(house, found, Kind.HELD, "held by an operator")
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseMessage(_OfMessage, Action[int]):
    """Let a held message go on."""

    name = "queue.release"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> int:
        """Release it; returns how many recipients go on."""
        found = _found(house, self.message)
        count = Desk(house.queue).release(found.id, house.clock.now_us())
        _record(house, found, Kind.RELEASED, "released by an operator")
        _wake(house)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryMessages(Action[int]):
    """Try waiting messages now.

    Attributes:
        message: one message's id; empty for all.
    """

    name = "queue.retry"
    permission = Permission.QUEUE_CHANGE
    message: str = ""

    def object(self) -> str:
        """Return what it is about."""
        return f"message {self.message}" if self.message else "queue"

    def carry_out(self, house: House) -> int:
        """Make them due; returns how many recipients."""
        desk, now = Desk(house.queue), house.clock.now_us()
        if self.message:
            found = _found(house, self.message)
            count = desk.retry(found.id, now)
            _record(house, found, Kind.RETRIED, "an operator asked for an attempt now")
        else:
            count = desk.retry(None, now)
        _wake(house)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceMessage(_OfMessage, Action[int]):
    """Return a message to its sender now, with a notice that names the recipients it failed for.

    A message that can't be returned (the null reverse-path) goes to bad mail.
    """

    name = "queue.bounce"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> int:
        """Hand it to the MTA agent for that; returns how many recipients."""
        found = _found(house, self.message)
        count = Desk(house.queue).give_back(found.id, house.clock.now_us())
        _record(house, found, Kind.RETURNED, "an operator has it returned to its sender")
        _wake(house)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMessage(_OfMessage, Action[None]):
    """Take a message out of the queue for good; nobody is told."""

    name = "queue.remove"
    permission = Permission.QUEUE_CHANGE

    def carry_out(self, house: House) -> None:
        """Remove it."""
        found = _found(house, self.message)
        desk = Desk(house.queue)
        accepted = desk.accepted(found.id)
        desk.remove(found.id)
        if accepted is not None:  # until now the entry alone may have kept it
            house.journey.record([accepted])
        waiting = [each.address for each in found.recipients if each.state not in _FINISHED]
        text = f"removed by an operator; not delivered to {', '.join(waiting) or 'nobody'}"
        _record(house, found, Kind.REMOVED, text)


_FINISHED = (State.DONE, State.FAILED)


def _wake(house: House) -> None:
    house.ringer.ring("mta")
    house.ringer.ring("sender")
