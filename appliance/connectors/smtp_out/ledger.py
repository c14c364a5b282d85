"""What became of recipients, on its way to the disk: one commit for all that has gathered.

Results gather while a commit runs, and until somebody waits for one; they are then written
together. Whoever handed one in goes on meanwhile.

Owns: results that are not written yet.
Failure: none leaves it: what can't be written is tried again, by itself, so that it holds up no
    other; what nobody foresaw is held for an operator.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Callable, Sequence

from appliance.connectors.returns import Failure, Relayed, Returns
from appliance.database.errors import DatabaseError
from appliance.journey.event import Event
from appliance.operations.house import House
from appliance.queue.desk import Desk
from appliance.queue.entry import Connector
from appliance.runtime.logs import Logs

_WRITE_AGAIN_S = 1.0
_GATHER_S = 0.01  # for which results wait for others', while nobody waits for them
_EVENTS = 200  # that wait for further ones, while results keep coming


class Entry:
    """The results of one message.

    Attributes:
        relayed: what another server has taken.
        failures: what it has not.
    """

    __slots__ = ("_afterwards", "_ledger", "_written", "failures", "relayed")

    def __init__(
        self,
        ledger: Ledger,
        relayed: Sequence[Relayed],
        failures: Sequence[Failure],
        afterwards: Callable[[], None],
    ) -> None:
        self.relayed = relayed
        self.failures = failures
        self._ledger = ledger
        self._afterwards = afterwards
        self._written = asyncio.get_running_loop().create_future()

    async def written(self) -> None:
        """Wait until the results are durable."""
        if not self._written.done():
            self._ledger.hurry()
            await self._written

    def tell(self) -> None:
        """Note that they are."""
        self._afterwards()
        if not self._written.done():  # who waited may have been cancelled
            self._written.set_result(None)


class Ledger:
    """Takes results in the event loop, writes them on threads."""

    def __init__(self, house: House, logs: Logs) -> None:
        """Take whose queue it is, and where problems are told."""
        self._house = house
        self._logs = logs
        self._events: deque[Event] = deque()  # of the journey
        self._returns = Returns(house, logs, Connector.SMTP, record=self._events.extend)
        self._gathered: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self._stuck: set[asyncio.Task[None]] = set()

    def enter(
        self,
        relayed: Sequence[Relayed],
        failures: Sequence[Failure],
        afterwards: Callable[[], None],
    ) -> Entry:
        """Take the results of one message.

        Args:
            relayed: what another server has taken.
            failures: what it has not.
            afterwards: called when they are durable.
        """
        entry = Entry(self, relayed, failures, afterwards)
        self._gathered.append(entry)
        if self._writer is None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self.hurry)
        return entry

    def hurry(self) -> None:
        """Write what has gathered, now that somebody waits for it or nothing more is coming."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gathered and self._writer is None:
            self._writer = asyncio.create_task(self._work())

    async def finish(self, timeout_s: float) -> None:
        """Write all, and wait for that, but not for ever."""
        self.hurry()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while tasks := [task for task in (self._writer, *self._stuck) if task is not None]:
                    await asyncio.wait(tasks)

    async def _work(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered, []
                await self._write(batch)
                if len(self._events) >= _EVENTS or not self._gathered:
                    self._record()
        finally:
            self._writer = None

    async def _write(self, batch: Sequence[Entry]) -> None:
        try:
            await asyncio.to_thread(self._settle, batch)
        except Exception:  # noqa: BLE001 - one of them spoils it for all: each by itself
            for entry in batch:
                task = asyncio.create_task(self._insist(entry))
                self._stuck.add(task)
                task.add_done_callback(self._stuck.discard)
        else:
            for entry in batch:
                entry.tell()

    async def _insist(self, entry: Entry) -> None:
        """Write one result, however long it takes, for nobody else knows it."""
        write: Callable[[Sequence[Entry]], None] = self._settle
        while True:
            try:
                await asyncio.to_thread(write, (entry,))
                break
            except (DatabaseError, OSError) as error:
                text = f"what became of messages can't be written down, it is tried again: {error}"
                self._logs.note("error", text)
            except Exception:  # noqa: BLE001 - what can't be explained waits for an operator
                text = f"to be held for an operator, what became of it: {traceback.format_exc()}"
                for entry_id in _entry_ids(entry):
                    self._logs.note("error", text, message_id=entry_id)
                write = self._hold
            await asyncio.sleep(_WRITE_AGAIN_S)
        self._record()
        entry.tell()

    def _settle(self, batch: Sequence[Entry]) -> None:
        self._returns.settle(
            [each for entry in batch for each in entry.relayed],
            [each for entry in batch for each in entry.failures],
        )

    def _hold(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            for entry_id in _entry_ids(entry):
                Desk(self._house.queue).hold(entry_id)

    def _record(self) -> None:
        """Hand the journey its events; threads may be adding more."""
        self._house.journey.record([self._events.popleft() for _ in range(len(self._events))])


def _entry_ids(entry: Entry) -> set[str]:
    claimed = [each.claimed for each in entry.relayed] + [each.claimed for each in entry.failures]
    return {each.entry_id for each in claimed}
