"""The MTA agent: takes what is due, asks the rules where it goes, delivers or hands on.

Standards: RFC 5321 §6.1; manual §6.7.
Owns: the finished recipients that are not marked yet; the agent's lock on SQLite.
Never: marks a recipient before its delivery is durable.
Failure: a post office that can't be written, or a content that can't be read, defers its own mail;
    a directory or queue that can't be read makes the agent wait.
"""

from __future__ import annotations

import contextlib
import signal
import time
import traceback
from collections.abc import Callable, Collection, Sequence

from appliance.agents.mta import giving_back
from appliance.connectors.postoffice.deliver import Delivered, deliver
from appliance.connectors.returns import Failure, Returns
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.journey.event import Event, Kind, because
from appliance.journey.reason import Reason
from appliance.mail.envelope import Notify
from appliance.operations.house import House
from appliance.operations.reception import route
from appliance.queue.desk import Desk
from appliance.queue.entry import Claimed, Connector, Finished, Mark, Routed, State
from appliance.queue.journey import Accepted
from appliance.rules.routing import NotNow, Nowhere, ToMailbox, ToRemote
from appliance.runtime import manager, metrics, steps
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Exchange, Logs

_BATCH = 256
_MARK_AFTER = 100
_MARK_WITHIN_S = 0.1
_POLL_S = 1.0


class MtaAgent:
    """Moves messages from the queue to the connectors."""

    def __init__(self, house: House, logs: Logs) -> None:
        """Take the house."""
        self._house = house
        self._logs = logs
        self._returns = Returns(house, logs)
        self._returns_of_sf = Returns(house, logs, Connector.SF)
        self._unmarked: list[Mark] = []
        self._events: list[Event] = []
        self._accepted: dict[str, Accepted] = {}
        self._unmarked_since = 0.0
        self._careful = 0
        self._give_back_at = 0.0

    def work(self) -> bool:
        """Handle what is due, at most one batch; returns whether there was anything.

        After an error nobody foresaw, the next batches are of one recipient each, and the one that
        fails again is held for an operator: one broken message does not stop the others.
        """
        in_hand = {(mark.claimed.entry_id, mark.claimed.number) for mark in self._unmarked}
        self._give_back(in_hand)
        most = 1 if self._careful else _BATCH
        claimed = self._house.queue.claim(Connector.UNROUTED, most, but=in_hand)
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
        while claimed := queue.claim(Connector.RETURN, _BATCH, but=in_hand):
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
        events = self._events
        local: list[tuple[Claimed, Target, Reason]] = []
        failures: list[Failure] = []
        marks: list[Mark] = []
        for each in claimed:
            way = route(self._house, each.recipient.address, hops=each.summary.received_count)
            match way:
                case ToMailbox(target, reason):
                    self._tell(each, reason)
                    local.append((each, target, reason))
                case ToRemote(domain, reason):
                    self._tell(each, reason)
                    marks.append(Routed(each, Connector.SMTP, domain))
                    events.append(self._event(each, Kind.ROUTED, "SMTP", reason))
                    self._log(each, "ROUTE", f"[SMTP:{each.recipient.address}]", "routed to SMTP")
                case Nowhere(reason) | NotNow(reason):
                    failures.append(Failure(each, reason))
        started = time.perf_counter()
        done = deliver(self._house, [(each, target) for each, target, _ in local])
        if local and self._logs.is_verbose:
            self._logs.detail(f"copies delivered or deferred: {len(local)}", started=started)
        steps.reach("mta.delivered")
        reasons = {id(each): reason for each, _, reason in local}
        marks.extend(
            self._delivered(copy, reasons[id(copy.claimed)]) for copy in done if not copy.problem
        )
        self._remember(marks)
        self._returns.settle([], failures)
        undelivered = self._undelivered(done)
        self._returns_of_sf.settle([], undelivered)
        self._returns.tell_success([copy.claimed for copy in done if _wants_success(copy)])
        goes_out = any(isinstance(mark, Routed) for mark in marks)
        if goes_out or failures or undelivered or len(self._unmarked) >= _MARK_AFTER:
            self.mark()

    def mark(self) -> None:
        """Tell the queue what is finished, and the journey, without waiting for the disk."""
        if self._unmarked:
            self._house.queue.mark(self._unmarked, durable=False)
            self._unmarked = []
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

    def _delivered(self, copy: Delivered, reason: Reason) -> Mark:
        metrics.RECIPIENTS.labels("SF", "delivered").inc()
        text = f"delivered to {copy.target.mailbox}@{copy.target.postoffice}"
        self._events.append(self._event(copy.claimed, Kind.DELIVERED, "SF", reason, text))
        self._log_delivery(copy, "delivered")
        return Finished(copy.claimed, State.DONE, text)

    def _undelivered(self, done: Sequence[Delivered]) -> list[Failure]:
        """Return what has to wait, and log each problem once."""
        failures: list[Failure] = []
        told: set[int] = set()
        for copy in done:
            each, problem = copy.claimed, copy.problem
            if problem is None:
                continue
            if id(problem) not in told:
                told.add(id(problem))
                text = f"{problem.text} {problem.inputs['problem']}"
                self._logs.note("error", text, message_id=each.entry_id, reason=problem.to_dict())
            self._log_delivery(copy, "deferred")
            failures.append(Failure(each, problem))
        return failures

    def _log_delivery(self, copy: Delivered, response: str) -> None:
        source = f"[SMTP:{copy.claimed.recipient.address}]"
        destination = f"[SF:{copy.target.postoffice}/{copy.target.mailbox}]"
        self._log(copy.claimed, "DELIVER", f"{source} -> {destination}", response)

    def _event(
        self, each: Claimed, kind: Kind, connector: str, reason: Reason, text: str = ""
    ) -> Event:
        return Event(
            at_us=self._house.clock.now_us(),
            message_id=each.entry_id,
            kind=kind,
            reverse_path=str(each.envelope.reverse_path or ""),
            recipient=str(each.recipient.address),
            connector=connector,
            text=text or reason.text,
            reason=because(reason),
        )

    def _tell(self, each: Claimed, reason: Reason) -> None:
        """Write down where a recipient goes, while somebody wants to know."""
        if self._logs.is_verbose:
            text = f"{each.recipient.address}: {reason.text}"
            self._logs.detail(text, message_id=each.entry_id, reason=reason.to_dict())

    def _log(self, each: Claimed, command: str, details: str, response: str) -> None:
        self._logs.exchange(
            Exchange(
                kind="MTA",
                message_id=each.entry_id,
                command=command,
                details=details,
                response=response,
                received=each.size,
            )
        )


def _wants_success(copy: Delivered) -> bool:
    notify = copy.claimed.recipient.notify
    return copy.problem is None and notify is not None and Notify.SUCCESS in notify


def run(house: House, logs: Logs, bell: Doorbell, ready: Callable[[], None]) -> None:
    """Work until SIGTERM; a batch under way is finished."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        manager.tell("STOPPING=1")
        bell.wake()

    signal.signal(signal.SIGTERM, stop)
    manager.answer_reload()
    agent = MtaAgent(house, logs)
    ready()
    refreshed = time.monotonic()
    while not stopping:
        manager.beat()
        try:
            if time.monotonic() - refreshed > _POLL_S / 2:
                house.live.refresh()
                refreshed = time.monotonic()
            if not agent.work() and not bell.wait(agent.patience_s()):
                agent.mark()
        except DatabaseError as error:
            logs.note("error", f"the MTA agent waits: {error}")
            bell.wait(_POLL_S)
    agent.mark()
    logs.close()
