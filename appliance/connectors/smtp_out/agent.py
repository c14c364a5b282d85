"""The SMTP sender: takes what is due for other servers, and gives every destination its turn.

Standards: RFC 5321 §4.5.4.1. Manual §6.2 (send threads, time-outs).
Owns: its connections.
Never: has more in hand than can be worked on soon.
Failure: while the queue can't be read it waits; a destination that fails holds up no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Sequence
from functools import partial

from appliance.connectors.returns import Failure
from appliance.connectors.smtp_out.answers import TellingResolver
from appliance.connectors.smtp_out.courier import Courier
from appliance.connectors.smtp_out.lanes import MOST, Lane, Lanes
from appliance.connectors.smtp_out.route import Router
from appliance.database.errors import DatabaseError
from appliance.net.resolver import DnsResolver, Resolver
from appliance.operations.house import House
from appliance.queue.entry import Claimed, Connector
from appliance.runtime import manager, metrics
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Logs
from appliance.settings import smarthost, smtp

_POLL_S = 1.0
_HURRY_S = 0.0002  # of time for each recipient in hand, before a ring is followed by a claim
_LEASE_S = 100.0  # well within the queue's lease
_GRACE_S = 5.0  # for messages under way when the sender is stopped


async def run(
    house: House, logs: Logs, bell: Doorbell, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Send mail until stopped.

    Args:
        house: whose queue.
        logs: the SMTP service's.
        bell: the sender's doorbell.
        stop: set to end; messages under way are finished if that takes no longer than seconds.
        ready: called when mail is being sent.
    """
    resolver = DnsResolver(partial(_dns_servers, house))
    sender = Sender(house, logs, resolver=resolver, stop=stop)
    await sender.run(bell, ready)
    logs.close()


class Sender:
    """Claims recipients, hands them to couriers."""

    def __init__(
        self, house: House, logs: Logs, *, resolver: Resolver, stop: asyncio.Event
    ) -> None:
        """Take the house, where to log, whom to ask about domains, and when to end."""
        self._house = house
        self._logs = logs
        self._stop = stop
        self._wake = asyncio.Event()
        self._lanes = Lanes()
        router = Router(
            TellingResolver(resolver, logs),
            shuffle=random.SystemRandom().shuffle,
            has_address=_is_on_this_machine,
        )
        self._courier = Courier(
            house, logs, lanes=self._lanes, router=router, stop=stop, on_change=self._moved
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._reminder: asyncio.TimerHandle | None = None
        self._is_limited = False  # there may be mail that was not claimed for want of room
        self._gauge = metrics.CONNECTIONS.labels("sender")

    async def run(self, bell: Doorbell, ready: Callable[[], None]) -> None:
        """Send until stopped."""
        await asyncio.to_thread(lambda: self._house.local_domain)  # may ask the DNS, once
        loop = asyncio.get_running_loop()
        loop.add_reader(bell.fileno(), self._rung, bell)
        waiting = asyncio.create_task(self._stopped())
        leased_at = loop.time()
        ready()
        try:
            while not self._stop.is_set():
                self._wake.clear()
                manager.beat(f"connections: {self._lanes.workers}")
                try:
                    self._house.live.refresh()
                    await self._fill()
                    if loop.time() - leased_at > _LEASE_S:
                        leased_at = loop.time()
                        await self._lease(self._lanes.claimed, keep=True)
                except DatabaseError as error:
                    self._logs.note("error", f"the sender waits: {error}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._wake.wait()
        finally:
            loop.remove_reader(bell.fileno())
            waiting.cancel()
            await self._finish()

    async def _fill(self) -> None:
        """Claim what is due, as far as there is room for it, and start couriers.

        What shares a failed call is put off at once. There may be very much of it, so that each
        second claim passes it by: mail for others does not wait until the last of it is put off.
        """
        self._is_limited = False
        put_off: set[str] = set()
        while not self._stop.is_set():
            is_smart = self._house.settings[smarthost.enabled]
            full = self._lanes.full()
            self._is_limited = self._is_limited or bool(full) or not self._lanes.room
            if not self._lanes.room or (is_smart and "" in full):
                break
            most = self._lanes.batch
            passed_by, put_off = put_off, set()
            without = [*full, *passed_by]
            claim = partial(self._house.queue.claim, but=self._lanes.in_hand, without=without)
            found = await asyncio.to_thread(claim, Connector.SMTP, most)
            surplus: list[Claimed] = []
            failures: list[Failure] = []
            for claimed in found:
                key = "" if is_smart else claimed.destination
                reason = self._courier.shared_failure(key, claimed)
                if reason is not None:
                    failures.append(Failure(claimed, reason))
                    if not is_smart:
                        put_off.add(key)
                elif not self._lanes.add(key, claimed):
                    surplus.append(claimed)
            self._is_limited = self._is_limited or bool(surplus)
            self._dispatch()
            await self._lease(surplus, keep=False)
            if failures:
                await self._courier.fail(failures)
            if len(found) < most and not passed_by:
                break

    def _dispatch(self) -> None:
        """Start as many couriers as there is work and leave for."""
        settings = self._house.settings
        each = smtp.max_send_per_destination
        if settings[smarthost.enabled]:
            each = smarthost.max_connections
        while not self._stop.is_set():
            chosen = self._lanes.start(most=settings[smtp.max_send], most_each=settings[each])
            if chosen is None:
                break
            task = asyncio.create_task(self._courier.work(*chosen))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._gauge.set(self._lanes.workers)

    def _moved(self, lane: Lane) -> None:
        """Start what has become possible; claim more before a destination runs dry."""
        self._dispatch()
        if self._is_limited and self._lanes.wants_more(lane):
            self._wake.set()

    def _rung(self, bell: Doorbell) -> None:
        """Claim what is new: at once while little is in hand, otherwise several rings' at a time.

        A claim passes over all that is in hand already.
        """
        bell.drain()
        if self._reminder is None:
            loop = asyncio.get_running_loop()
            pause = _HURRY_S * (MOST - self._lanes.room)
            self._reminder = loop.call_later(pause, self._remind)

    def _remind(self) -> None:
        self._reminder = None
        self._wake.set()

    async def _stopped(self) -> None:
        await self._stop.wait()
        self._wake.set()

    async def _lease(self, claimed: Sequence[Claimed], *, keep: bool) -> None:
        if claimed:
            await asyncio.to_thread(partial(self._house.queue.lease, claimed, keep=keep))

    async def _finish(self) -> None:
        """Let couriers finish the message they are at, for a while."""
        self._lanes.rouse_all()
        if tasks := list(self._tasks):
            _, late = await asyncio.wait(tasks, timeout=_GRACE_S)
            for task in late:
                task.cancel()
            if late:
                text = f"{len(late)} connections were cut off; their messages are sent again later"
                self._logs.note("warning", text)
                await asyncio.wait(late)
        await self._courier.finish(_GRACE_S)


def _dns_servers(house: House) -> tuple[tuple[str, int], ...]:
    return house.settings[smtp.dns_address]


def _is_on_this_machine(address: str) -> bool:
    """Tell whether an IP address is one of this machine's: only those can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
