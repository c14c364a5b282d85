"""One outgoing connection's life: a destination's messages, one after the other, and their results.

Standards: RFC 5321 §4.5.4.1 (sending), §4.5.4.2 (one connection for several messages), §5.1.
Owns: nothing beyond a call; what is in hand belongs to `Lanes`.
Never: sends a message whose recipients were held, finished or gone a second before; has a host
    take a message before the result of the last one on the same connection is durable.
Failure: none leaves it: what nobody foresaw is put off.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from appliance.connectors.returns import Failure, Relayed
from appliance.connectors.smtp_out.call import call
from appliance.connectors.smtp_out.lanes import Group, Lane, Lanes
from appliance.connectors.smtp_out.ledger import Entry, Ledger
from appliance.connectors.smtp_out.route import Router
from appliance.connectors.smtp_out.session import Manner, Session
from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.operations.house import House
from appliance.protocol.smtp_client import RecipientResult, TlsPolicy
from appliance.queue.entry import Claimed, Connector
from appliance.runtime import steps
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.logs import Logs
from appliance.settings import smarthost, smtp
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

_MOST_MESSAGES = 100  # on one connection; receivers tire of endless ones
_FAIR_MESSAGES = 10  # while others wait for a connection
_PAUSE_S = 1.0
_REST_S = 1.0  # for which a connection is kept when nothing waits for its destination
_AHEAD = 8  # messages that a connection takes at once
_AHEAD_OCTETS = 256 << 10  # of their contents
_FRESH_S = 1.0  # for which it counts that a message was not held
_SHARED_US = 60 * MICROSECONDS  # how long a failed call counts for what was due before it

# What a session and a failed call depend on; when one of them changes, both are of yesterday.
_OUTLOOK: tuple[Setting[Any], ...] = (
    smarthost.enabled, smarthost.host, smarthost.username, smarthost.password,
    smtp.outbound_tls, smtp.dial_ranges, smtp.dns_address, smtp.remote_port, smtp.local_domain,
)  # fmt: skip
_ABOUT = {"mail": "the sender", "rcpt": "the recipient", "data": "the message"}
_INTERNAL = Reason(
    rule="internal.error",
    outcome=Outcome.DEFER,
    text="An error inside this server kept the message from being sent.",
    reply=Reply(451, "4.3.0", "Internal error"),
)


@dataclass(frozen=True, slots=True)
class _FailedCall:
    at_us: int
    reason: Reason
    outlook: tuple[object, ...]


@dataclass(slots=True)
class _Trip:
    """One connection's life.

    Attributes:
        lane: the destination.
        todo: messages taken from the lane, not sent yet.
        session: open, or None.
        outlook: what the session depends on.
        last: the result of the last message.
    """

    lane: Lane
    todo: deque[Group]
    session: Session | None = None
    outlook: tuple[object, ...] = ()
    last: Entry | None = None


class Courier:
    """Carries messages; one call of `work` is one connection's life."""

    def __init__(
        self,
        house: House,
        logs: Logs,
        *,
        lanes: Lanes,
        router: Router,
        stop: asyncio.Event,
        on_change: Callable[[Lane], None],
    ) -> None:
        """Take what couriers share.

        Args:
            house: queue, settings, clock.
            logs: what happens is told there.
            lanes: what is in hand.
            router: finds the hosts.
            stop: once set, no further message is begun.
            on_change: called when a destination's lane has moved on.
        """
        self._house = house
        self._logs = logs
        self._lanes = lanes
        self._router = router
        self._stop = stop
        self._on_change = on_change
        self._ledger = Ledger(house, logs)
        self._failed_calls: dict[str, _FailedCall] = {}

    async def work(self, lane: Lane, group: Group) -> None:
        """Send a destination's messages until none waits, it is others' turn, or a call fails.

        Args:
            lane: the destination.
            group: its first message.
        """
        trip = _Trip(lane, deque([group]))
        try:
            await self._travel(trip)
        except DatabaseError as error:  # nothing was begun: what is let go is claimed again
            self._logs.note("error", f"the sender waits: {error}")
            await asyncio.sleep(_PAUSE_S)
        except Exception:  # noqa: BLE001 - the session's boundary: nothing of it is lost
            text = f"a session failed: {traceback.format_exc()}"
            broken = trip.todo.popleft() if trip.todo else ()
            self._logs.note("error", text, message_id=broken[0].entry_id if broken else "")
            self._enter(trip, broken, [], [Failure(claimed, _INTERNAL) for claimed in broken])
        finally:
            for each in trip.todo:
                self._lanes.drop(lane, each)
            try:
                if trip.session is not None:
                    await trip.session.close()
            finally:
                self._lanes.end(lane)
                self._on_change(lane)

    async def finish(self, timeout_s: float) -> None:
        """Wait, once no connection is left, until results are written."""
        await self._ledger.finish(timeout_s)

    def shared_failure(self, key: str, claimed: Claimed) -> Reason | None:
        """Return why a recipient need not be tried: its destination was, after it became due.

        Args:
            key: the lane's.
            claimed: the recipient. Later ones, such as those an operator retries, get their call.
        """
        failed = self._failed_calls.get(key)
        if failed is None or claimed.due_at >= failed.at_us:
            return None
        is_old = self._house.clock.now_us() - failed.at_us > _SHARED_US
        return None if is_old or failed.outlook != _outlook(self._house.settings) else failed.reason

    async def fail(self, failures: Sequence[Failure]) -> None:
        """Write down failures of recipients that are not in hand."""
        await self._ledger.enter([], failures, lambda: None).written()

    async def _travel(self, trip: _Trip) -> None:
        while not self._stop.is_set():
            if not trip.todo and not await self._take(trip):
                return
            settings = self._house.settings
            session = trip.session
            if session is not None and (
                session.closed
                or session.messages >= _MOST_MESSAGES
                or trip.outlook != _outlook(settings)
            ):
                await session.close()
                session = trip.session = None
            if session is None:
                session = await self._open(trip, settings)
                if session is None:
                    return
                self._on_change(trip.lane)
            await self._send_some(trip, session)
            while trip.todo:  # what was not sent is anybody's
                self._lanes.put_back(trip.lane, trip.todo.pop())
            if self._is_others_turn(session):
                return
            self._on_change(trip.lane)

    async def _take(self, trip: _Trip) -> bool:
        """Take what waits; a session rests for a while where nothing does."""
        lane = trip.lane
        if not lane.waiting:
            self._ledger.hurry()
        if not lane.waiting and trip.session is not None and not trip.session.closed:
            most = self._house.settings[smtp.max_send]
            if not self._lanes.others_wait(most=most):
                await self._lanes.rest(lane, _REST_S)
        trip.todo.extend(self._lanes.take_some(lane, _AHEAD))
        return bool(trip.todo)

    async def _open(self, trip: _Trip, settings: Snapshot) -> Session | None:
        """Open a session; without one, all that waits has had its result or is claimed anew."""
        lane = trip.lane
        if not lane.key and not settings[smarthost.enabled]:
            trip.todo.append(self._lanes.take_all(lane))
            return None  # claimed for a smart host
        found = await self._call(trip.todo[0], settings)
        if isinstance(found, Session):
            trip.session, trip.outlook, lane.proven = found, _outlook(settings), True
            return found
        if not self._stop.is_set():  # else not every host was called: after the next start all are
            trip.todo.append(self._lanes.take_all(lane))
            await self._fail(trip, found)
        return None

    async def _call(self, group: Group, settings: Snapshot) -> Session | Reason:
        """Find the destination's hosts and open a session with one of them."""
        helo = self._house.local_domain
        route = await self._router.route(group[0].destination, settings, local_domain=helo)
        if isinstance(route, Reason):
            return route
        if self._logs.is_verbose:
            hosts = ", ".join(map(str, route.hosts))
            text = f"mail for {group[0].destination} goes to the first that answers of {hosts}"
            self._logs.detail(text, message_id=group[0].entry_id)
        manner = Manner(
            helo=helo,
            tls=cast("TlsPolicy", settings[smtp.outbound_tls]),
            login=route.login,
            timeout_s=settings[smtp.remote_timeout],
        )
        return await call(
            route,
            manner,
            self._logs,
            entry_id=group[0].entry_id,
            goes_on=lambda: not self._stop.is_set(),
        )

    async def _fail(self, trip: _Trip, reason: Reason) -> None:
        """Give all that waits for a destination the result of the call that failed."""
        trip.lane.proven = False
        now_us = self._house.clock.now_us()
        oldest = now_us - _SHARED_US
        self._failed_calls = {
            key: failed for key, failed in self._failed_calls.items() if failed.at_us > oldest
        }
        outlook = _outlook(self._house.settings)
        self._failed_calls[trip.lane.key] = _FailedCall(now_us, reason, outlook)
        group = [claimed for each in trip.todo for claimed in each]
        due = await asyncio.to_thread(self._due, group)
        trip.todo.clear()
        self._enter(trip, group, [], [Failure(claimed, reason) for claimed in due])

    async def _send_some(self, trip: _Trip, session: Session) -> None:
        """Read what may be sent next, and send the first, and more while that is fresh."""
        loop = asyncio.get_running_loop()
        fresh_until = loop.time() + _FRESH_S
        look = partial(self._house.queue.look_again, _at_once(trip.todo), Connector.SMTP)
        for due, content in await asyncio.to_thread(look):
            if content is None:
                self._lanes.drop(trip.lane, trip.todo.popleft())
            else:
                await self._send(trip, session, due, content)
            if session.closed or self._stop.is_set() or self._is_others_turn(session):
                break
            if session.messages >= _MOST_MESSAGES or loop.time() >= fresh_until:
                break

    async def _send(self, trip: _Trip, session: Session, due: Group, content: Content) -> None:
        """Send one message; the host takes it no earlier than the last one's result is durable.

        So a crash has at most one message of each connection sent again.
        """
        recipients = tuple(claimed.recipient for claimed in due)
        envelope = replace(due[0].envelope, recipients=recipients)
        before = trip.last.written if trip.last is not None else None
        results = await session.send(due[0].entry_id, envelope, content, ends_after=before)
        if _was_over(session, results):
            return
        steps.reach("sender.sent")
        relayed: list[Relayed] = []
        failures: list[Failure] = []
        for claimed, result in zip(due, results, strict=True):
            reason = _reason(session, result)
            said = session.host.name if session.said(result.reply) else ""
            if reason.accepted:
                relayed.append(Relayed(claimed, reason, said, session.reports_delivery))
            else:
                failures.append(Failure(claimed, reason, said))
        self._enter(trip, trip.todo[0], relayed, failures)
        trip.todo.popleft()

    def _enter(
        self, trip: _Trip, group: Group, relayed: Sequence[Relayed], failures: Sequence[Failure]
    ) -> None:
        """Hand results in; the message stays in hand until they are written."""

        def let_go() -> None:
            self._lanes.drop(trip.lane, group)
            self._on_change(trip.lane)

        trip.last = self._ledger.enter(relayed, failures, let_go)

    def _due(self, group: Group) -> Group:
        """Leave out who was held, finished or removed while waiting here."""
        entries = {claimed.entry_id for claimed in group}
        still = {each: self._house.queue.still_due(each, Connector.SMTP) for each in entries}
        return [claimed for claimed in group if claimed.number in still[claimed.entry_id]]

    def _is_others_turn(self, session: Session) -> bool:
        most = self._house.settings[smtp.max_send]
        return session.messages >= _FAIR_MESSAGES and self._lanes.others_wait(most=most)


def _at_once(groups: Iterable[Group]) -> list[Group]:
    """Choose the first message and those behind it whose contents fit into memory with it."""
    chosen: list[Group] = []
    octets = 0
    for group in groups:
        octets += group[0].size if group[0].file is None else 0
        if chosen and octets > _AHEAD_OCTETS:
            break
        chosen.append(group)
    return chosen


def _outlook(settings: Snapshot) -> tuple[object, ...]:
    return tuple(settings[setting] for setting in _OUTLOOK)


def _was_over(session: Session, results: Sequence[RecipientResult]) -> bool:
    """Whether the host had ended a used session before it looked at this message."""
    return (
        session.closed
        and session.messages > 1
        and all(each.stage == "mail" and each.reply.is_transient for each in results)
    )


def _reason(session: Session, result: RecipientResult) -> Reason:
    """Explain one recipient's result."""
    host, reply = session.host, result.reply
    inputs = {"host": host.name, "address": host.address, "port": str(host.port)}
    inputs |= {"tls": session.tls or "none", "stage": result.stage}
    if reply.is_positive:
        outcome, rule = Outcome.ACCEPT, "remote.accepted"
        text = f"{host} has taken it, {session.tls or 'without TLS'}: {reply}"
    elif not session.said(reply):
        outcome = Outcome.REJECT if reply.is_permanent else Outcome.DEFER
        rule = "remote.unfit" if reply.is_permanent else "remote.lost"
        text = f"It can't be handed to {host}: {reply.text}."
    elif reply.is_permanent:
        outcome, rule = Outcome.REJECT, "remote.refused"
        text = f"The mail server {host} refused {_ABOUT[result.stage]}."
    else:
        outcome, rule = Outcome.DEFER, "remote.deferred"
        text = f"The mail server {host} does not take {_ABOUT[result.stage]} for now."
    return Reason(rule=rule, outcome=outcome, text=text, reply=reply, inputs=inputs)
