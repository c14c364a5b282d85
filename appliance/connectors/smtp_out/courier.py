"""One outgoing connection's life: a destination's messages, one after the other, and their results.

Standards: RFC 5321 §4.5.4.1 (sending), §4.5.4.2 (one connection for several messages), §5.1.
Owns: nothing beyond a call; what is in hand belongs to `Lanes`.
Never: sends a message whose recipients are held, finished or gone meanwhile.
Failure: none leaves it: what can't be written down is tried again, what nobody foresaw is held.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from appliance.connectors.returns import Failure, Relayed, Returns
from appliance.connectors.smtp_out.call import call
from appliance.connectors.smtp_out.lanes import Group, Lane, Lanes
from appliance.connectors.smtp_out.route import Router
from appliance.connectors.smtp_out.session import Manner, Session
from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.operations.house import House
from appliance.protocol.smtp_client import RecipientResult, TlsPolicy
from appliance.queue.desk import Desk
from appliance.queue.entry import Claimed, Connector
from appliance.runtime import steps
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.logs import Logs
from appliance.settings import smarthost, smtp
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

_MOST_MESSAGES = 100  # on one connection; receivers tire of endless ones
_FAIR_MESSAGES = 10  # while others wait for a connection
_WRITE_AGAIN_S = 1.0
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
        self._returns = Returns(house, logs, Connector.SMTP)
        self._failed_calls: dict[str, _FailedCall] = {}

    async def work(self, lane: Lane, group: Group) -> None:
        """Send a destination's messages until none waits, it is others' turn, or a call fails.

        Args:
            lane: the destination.
            group: its first message.
        """
        session: Session | None = None
        outlook: tuple[object, ...] = ()
        try:
            while group and not self._stop.is_set():
                settings = self._house.settings
                if session is not None and (
                    session.closed
                    or session.messages >= _MOST_MESSAGES
                    or outlook != _outlook(settings)
                ):
                    await session.close()
                    session = None
                if session is None:
                    if not lane.key and not settings[smarthost.enabled]:
                        group = [*group, *self._lanes.take_all(lane)]
                        return  # claimed for a smart host; they are claimed anew
                    found = await self._call(group, settings)
                    if isinstance(found, Reason):
                        if self._stop.is_set():
                            return  # not every host was called: after the next start all are
                        group = [*group, *self._lanes.take_all(lane)]
                        await self._fail(lane, group, found)
                        return
                    session, outlook, lane.proven = found, _outlook(settings), True
                    self._on_change(lane)
                await self._send(lane, group, session)
                group = () if self._is_others_turn(session) else self._lanes.take(lane)
                self._on_change(lane)
        except DatabaseError as error:  # nothing was begun: what is let go is claimed again
            self._logs.note("error", f"the sender waits: {error}")
            await asyncio.sleep(_WRITE_AGAIN_S)
        except Exception:  # noqa: BLE001 - the session's boundary: nothing of it is lost
            text = f"a session failed: {traceback.format_exc()}"
            self._logs.note("error", text, message_id=group[0].entry_id if group else "")
            await self.settle([], [Failure(claimed, _INTERNAL) for claimed in group])
        finally:
            self._lanes.drop(lane, group)
            try:
                if session is not None:
                    await session.close()
            finally:
                self._lanes.end(lane)
                self._on_change(lane)

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

    async def settle(self, relayed: Sequence[Relayed], failures: Sequence[Failure]) -> None:
        """Write down what became of recipients; however long it takes, for nobody else knows."""
        while True:
            try:
                await asyncio.to_thread(self._returns.settle, relayed, failures)
                return
            except (DatabaseError, OSError) as error:
                text = f"what became of messages can't be written down, it is tried again: {error}"
                self._logs.note("error", text)
                await asyncio.sleep(_WRITE_AGAIN_S)
            except Exception:  # noqa: BLE001 - what can't be explained waits for an operator
                entries = {each.claimed.entry_id for each in relayed}
                entries |= {each.claimed.entry_id for each in failures}
                text = f"held for an operator, its result can't be told: {traceback.format_exc()}"
                for entry_id in entries:
                    self._logs.note("error", text, message_id=entry_id)
                    await asyncio.to_thread(Desk(self._house.queue).hold, entry_id)
                return

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

    async def _fail(self, lane: Lane, group: Group, reason: Reason) -> None:
        """Give all that waits for a destination the result of the call that failed."""
        lane.proven = False
        now_us = self._house.clock.now_us()
        oldest = now_us - _SHARED_US
        self._failed_calls = {
            key: failed for key, failed in self._failed_calls.items() if failed.at_us > oldest
        }
        self._failed_calls[lane.key] = _FailedCall(now_us, reason, _outlook(self._house.settings))
        due = await asyncio.to_thread(self._due, group)
        await self.settle([], [Failure(claimed, reason) for claimed in due])

    async def _send(self, lane: Lane, group: Group, session: Session) -> None:
        """Send one message, and write down each recipient's result."""
        due, content = await asyncio.to_thread(self._read, group)
        if content is not None:
            recipients = tuple(claimed.recipient for claimed in due)
            envelope = replace(due[0].envelope, recipients=recipients)
            results = await session.send(due[0].entry_id, envelope, content)
            if _was_over(session, results):
                self._lanes.put_back(lane, due)
                numbers = {claimed.number for claimed in due}
                group = [claimed for claimed in group if claimed.number not in numbers]
            else:
                steps.reach("sender.sent")
                await self._note(session, due, results)
        self._lanes.drop(lane, group)

    async def _note(self, session: Session, due: Group, results: Sequence[RecipientResult]) -> None:
        relayed: list[Relayed] = []
        failures: list[Failure] = []
        for claimed, result in zip(due, results, strict=True):
            reason = _reason(session, result)
            said = session.host.name if session.said(result.reply) else ""
            if reason.accepted:
                relayed.append(Relayed(claimed, reason, said, session.reports_delivery))
            else:
                failures.append(Failure(claimed, reason, said))
        await self.settle(relayed, failures)

    def _read(self, group: Group) -> tuple[Group, Content | None]:
        due = self._due(group)
        return due, self._house.queue.content_of(due[0]) if due else None

    def _due(self, group: Group) -> Group:
        """Leave out who was held, finished or removed while waiting here."""
        entries = {claimed.entry_id for claimed in group}
        still = {each: self._house.queue.still_due(each, Connector.SMTP) for each in entries}
        return [claimed for claimed in group if claimed.number in still[claimed.entry_id]]

    def _is_others_turn(self, session: Session) -> bool:
        most = self._house.settings[smtp.max_send]
        return session.messages >= _FAIR_MESSAGES and self._lanes.others_wait(most=most)


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
