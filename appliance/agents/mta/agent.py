"""The MTA agent: takes what is due, asks the rules where it goes, delivers or hands on.

Standards: RFC 5321 §6.1; manual §6.7.
Owns: the finished recipients that are not marked yet; the agent's lock on SQLite.
Never: marks a recipient before its delivery is durable.
Failure: a post office that can't be written, or a content that can't be read, defers its own mail;
    a directory or queue that can't be read makes the agent wait.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from appliance.agents.mta import giving_back
from appliance.connectors.postoffice.deliver import deliver
from appliance.connectors.returns import Failure, Returns
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.journey.event import Event, Kind
from appliance.journey.reason import Reason
from appliance.mail.address import Address
from appliance.mail.envelope import Notify
from appliance.operations.house import House
from appliance.operations.reception import route
from appliance.queue.desk import Desk
from appliance.queue.entry import Claimed, Connector, Finished, Mark, Routed, State
from appliance.queue.journey import Accepted
from appliance.queue.parts import WHOLE, Part
from appliance.rules.routing import NotNow, Nowhere, Route, ToMailbox, ToRemote
from appliance.runtime import manager, metrics, steps
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Exchange, Logs

_BATCH = 1000  # recipients; their contents are read piece by piece
_BATCH_OF_ONE = 10_000  # recipients of one message, which are finished by one step together
_MARK_AFTER = 100
_MARK_WITHIN_S = 0.1
_POLL_S = 1.0
_GATHER_S = 0.01
_OPEN_STORES = 512
_COLLECT_AFTER = 20_000  # objects


class _Told(NamedTuple):
    """What is told of all copies that go one way."""

    address: str
    reason: Mapping[str, object]
    text: str
    details: str


class _Copy(NamedTuple):
    """A copy that lies in its mailbox, of which nothing has been told yet."""

    claimed: Claimed
    way: ToMailbox
    at_us: int


class MtaAgent:
    """Moves messages from the queue to the connectors."""

    def __init__(self, house: House, logs: Logs, part: Part = WHOLE) -> None:
        """Take the house, the logs to tell, and what of the queue is this worker's."""
        self._house = house
        self._logs = logs
        self._part = part
        self._returns = Returns(house, logs)
        self._returns_of_sf = Returns(house, logs, Connector.SF)
        self._unmarked: list[Mark] = []
        self._untold: list[_Copy] = []
        self._events: list[Event] = []
        self._accepted: dict[str, Accepted] = {}
        self._unmarked_since = 0.0
        self._careful = 0
        self._give_back_at = 0.0
        self.is_behind = False  # the last batch was as large as one may be: more waits

    def work(self) -> bool:
        """Handle what is due, at most one batch; returns whether there was anything.

        After an error nobody foresaw, the next batches are of one recipient each, and the one that
        fails again is held for an operator: one broken message does not stop the others.
        """
        in_hand = {(mark.claimed.entry_id, mark.claimed.number) for mark in self._unmarked}
        self._give_back(in_hand)
        most = 1 if self._careful else _BATCH
        claimed = self._house.queue.claim(
            Connector.UNROUTED,
            most,
            of_last=0 if self._careful else _BATCH_OF_ONE - _BATCH,
            but=in_hand,
            part=self._part,
        )
        self.is_behind = len(claimed) >= most
        if not claimed:
            self._careful = 0
            return False
        steps.reach("mta.claimed")
        try:
            self._handle(claimed)
        except DatabaseError:
            self._let_go(claimed)
            raise
        except Exception:  # noqa: BLE001 - the agent's boundary: nothing of it is lost
            self._let_go(claimed)
            self._isolate(claimed)
        else:
            self._careful = max(0, self._careful - 1)
        return True

    def _give_back(self, in_hand: Collection[tuple[str, int]]) -> None:
        """Return to their senders, once a second, what an operator wants returned."""
        if time.monotonic() < self._give_back_at:
            return
        self._give_back_at = time.monotonic() + _POLL_S
        queue = self._house.queue
        while claimed := queue.claim(Connector.RETURN, _BATCH, but=in_hand, part=self._part):
            try:
                self._returns.give_up(giving_back.failures(Desk(queue), claimed))
            except DatabaseError:
                self._let_go(claimed)
                raise
            except Exception:  # noqa: BLE001 - the agent's boundary, as in `work`
                self._let_go(claimed)
                self._logs.note("error", f"returning failed: {traceback.format_exc()}")
                for each in claimed:
                    self._hold(each)

    def _let_go(self, claimed: Sequence[Claimed]) -> None:
        """Let a batch that was not finished be claimed again at once, not when its lease ends."""
        in_hand = {id(mark.claimed) for mark in self._unmarked}
        with contextlib.suppress(DatabaseError):
            rest = [each for each in claimed if id(each) not in in_hand]
            self._house.queue.lease(rest, keep=False)

    def _isolate(self, claimed: Sequence[Claimed]) -> None:
        first = claimed[0]
        self._logs.note(
            "error", f"a batch failed: {traceback.format_exc()}", message_id=first.entry_id
        )
        if self._careful:
            self._hold(first)
        else:
            self._careful = _BATCH

    def _hold(self, claimed: Claimed) -> None:
        Desk(self._house.queue).hold(claimed.entry_id)
        self._logs.note(
            "error", "held for an operator: it can't be handled", message_id=claimed.entry_id
        )

    def _handle(self, claimed: Sequence[Claimed]) -> None:
        self._accepted.update({each.entry_id: each.accepted for each in claimed})
        local: list[tuple[Claimed, ToMailbox]] = []
        failures: list[Failure] = []
        receipts: list[Claimed] = []
        marks: list[Mark] = []
        for each, way in zip(claimed, self._ways(claimed), strict=True):
            match way:
                case ToMailbox():
                    local.append((each, way))
                case ToRemote(domain, reason):
                    marks.append(Routed(each, Connector.SMTP, domain))
                    self._tell_routed(each, reason)
                case Nowhere(reason) | NotNow(reason):
                    failures.append(Failure(each, reason))
        started = time.perf_counter()
        problems = deliver(self._house, [(each, way.target) for each, way in local])
        if local and self._logs.is_verbose:
            self._logs.detail(f"copies delivered or deferred: {len(local)}", started=started)
        steps.reach("mta.delivered")
        undelivered: list[tuple[Failure, ToMailbox]] = []
        now = self._house.clock.now_us()
        for each, way in local:
            problem = problems and problems.get((way.target.postoffice_id, each.entry_id))
            if problem:
                undelivered.append((Failure(each, problem), way))
            else:
                marks.append(Finished(each, State.DONE, _delivered_to(way.target)))
                self._untold.append(_Copy(each, way, now))
                if _wants_success(each):
                    receipts.append(each)
        self._remember(marks)
        self._returns.settle([], failures)
        self._tell_undelivered(undelivered)
        self._returns_of_sf.settle([], [failure for failure, _ in undelivered])
        self._returns.tell_success(receipts)
        goes_out = any(isinstance(mark, Routed) for mark in marks)
        if goes_out or failures or undelivered or len(self._unmarked) >= _MARK_AFTER:
            self.mark()

    def _ways(self, claimed: Sequence[Claimed]) -> list[Route]:
        """Decide where recipients go; each address of the batch is looked up once."""
        targets = self._house.directory.targets({each.recipient.address for each in claimed})
        known: dict[tuple[Address, int], Route] = {}
        ways: list[Route] = []
        for each in claimed:
            recipient, hops = asked = each.recipient.address, each.summary.received_count
            way = known.get(asked)
            if way is None:
                way = route(self._house, recipient, hops=hops, target=targets[recipient])
                known[asked] = way
            ways.append(way)
        if self._logs.is_verbose:
            for each, way in zip(claimed, ways, strict=True):
                if isinstance(way, ToMailbox | ToRemote):
                    text = f"{each.recipient.address}: {way.reason.text}"
                    reason = way.reason.to_dict()
                    self._logs.detail(text, message_id=each.entry_id, reason=reason)
        return ways

    def mark(self) -> None:
        """Tell the queue what is finished, and logs and journey, without waiting for the disk."""
        if self._unmarked:
            self._house.queue.mark(self._unmarked, durable=False)
            self._unmarked = []
        self._tell_delivered()
        events, self._events = self._events, []
        accepted, self._accepted = self._accepted, {}
        self._house.journey.record(events, accepted=list(accepted.values()))

    def patience_s(self) -> float:
        """Return how long may be waited for a ring before marks or the poll are due."""
        if not self._unmarked:
            return _POLL_S
        return max(0.0, self._unmarked_since + _MARK_WITHIN_S - time.monotonic())

    def _remember(self, marks: Sequence[Mark]) -> None:
        if marks and not self._unmarked:
            self._unmarked_since = time.monotonic()
        self._unmarked.extend(marks)

    def _tell_delivered(self) -> None:
        """Tell journey and logs of copies that lie in their mailboxes."""
        untold, self._untold = self._untold, []
        told_of: dict[int, _Told] = {}
        lines: list[Exchange] = []
        for each, way, at_us in untold:
            told = told_of.get(id(way))
            if told is None:
                told = told_of[id(way)] = _told(way)
            self._events.append(
                Event(
                    at_us=at_us,
                    message_id=each.entry_id,
                    kind=Kind.DELIVERED,
                    reverse_path=each.accepted.reverse_path,
                    recipient=told.address,
                    connector=Connector.SF,
                    text=told.text,
                    reason=told.reason,
                )
            )
            lines.append(_line(each, "DELIVER", told.details, "delivered"))
        if untold:
            metrics.RECIPIENTS.labels("SF", "delivered").inc(len(untold))
            self._logs.exchanges(lines)

    def _tell_routed(self, each: Claimed, reason: Reason) -> None:
        address = str(each.recipient.address)
        self._events.append(
            Event(
                at_us=self._house.clock.now_us(),
                message_id=each.entry_id,
                kind=Kind.ROUTED,
                reverse_path=each.accepted.reverse_path,
                recipient=address,
                connector=Connector.SMTP,
                text=reason.text,
                reason=reason.to_dict(),
            )
        )
        self._logs.exchange(_line(each, "ROUTE", f"[SMTP:{address}]", "routed to SMTP"))

    def _tell_undelivered(self, undelivered: Sequence[tuple[Failure, ToMailbox]]) -> None:
        """Log what has to wait, and each problem once."""
        told: set[int] = set()
        for (each, problem, _), way in undelivered:
            if id(problem) not in told:
                told.add(id(problem))
                text = f"{problem.text} {problem.inputs['problem']}"
                self._logs.note("error", text, message_id=each.entry_id, reason=problem.to_dict())
            self._logs.exchange(_line(each, "DELIVER", _from_to(way), "deferred"))


def _told(way: ToMailbox) -> _Told:
    return _Told(
        address=str(way.recipient),
        reason=way.reason.to_dict(),
        text=_delivered_to(way.target),
        details=_from_to(way),
    )


def _line(each: Claimed, command: str, details: str, response: str) -> Exchange:
    return Exchange(
        kind="MTA",
        message_id=each.entry_id,
        command=command,
        details=details,
        response=response,
        received=each.size,
    )


def _delivered_to(target: Target) -> str:
    return f"delivered to {target.mailbox}@{target.postoffice}"


def _from_to(way: ToMailbox) -> str:
    return f"[SMTP:{way.recipient}] -> [SF:{way.target.postoffice}/{way.target.mailbox}]"


def _wants_success(each: Claimed) -> bool:
    notify = each.recipient.notify
    return notify is not None and Notify.SUCCESS in notify


def run(
    house: House, logs: Logs, bell: Doorbell, ready: Callable[[], None], part: Part = WHOLE
) -> None:
    """Work until SIGTERM; a batch under way is finished.

    What is due goes at once. After a batch more may gather for a moment, since the next one costs
    half when it is four times as large.

    Args:
        house: whose queue.
        logs: to tell.
        bell: rung when something is due.
        ready: called before the first look.
        part: of the queue; its lock is held.
    """
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        manager.tell("STOPPING=1")
        bell.wake()

    signal.signal(signal.SIGTERM, stop)
    manager.answer_reload()
    house.databases.keep_stores(_OPEN_STORES)
    agent = MtaAgent(house, logs, part)
    gc.freeze()  # what is there now stays; what a batch makes holds no rings
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    ready()
    refreshed = time.monotonic()
    while not stopping:
        manager.beat()
        try:
            if time.monotonic() - refreshed > _POLL_S / 2:
                house.live.refresh()
                refreshed = time.monotonic()
            if agent.work():
                if not agent.is_behind:
                    time.sleep(_GATHER_S)
            elif not bell.wait(agent.patience_s()):
                agent.mark()
        except DatabaseError as error:
            logs.note("error", f"the MTA agent waits: {error}")
            bell.wait(_POLL_S)
    agent.mark()
    logs.close()
