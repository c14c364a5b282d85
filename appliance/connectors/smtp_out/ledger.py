"""What became of recipients, on its way to the disk: one commit for all that has gathered.

While one commit runs, further results gather; they are then written together. Whoever handed a
result in goes on meanwhile, and is told when it is durable.

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
from dataclasses import dataclass

from appliance.connectors.returns import Failure, Relayed, Returns
from appliance.database.errors import DatabaseError
from appliance.journey.event import Event
from appliance.operations.house import House
from appliance.queue.desk import Desk
from appliance.queue.entry import Connector
from appliance.runtime.logs import Logs

_WRITE_AGAIN_S = 1.0
_EVENTS = 200  # that wait for further ones, while results keep coming


@dataclass(frozen=True, slots=True)
class _Result:
    relayed: Sequence[Relayed]
    failures: Sequence[Failure]
    afterwards: Callable[[], None]
    written: asyncio.Future[None]


class Ledger:
    """Takes results in the event loop, writes them on threads."""

    def __init__(self, house: House, logs: Logs) -> None:
        """Take whose queue it is, and where problems are told."""
        self._house = house
        self._logs = logs
        self._events: deque[Event] = deque()  # of the journey
        self._returns = Returns(house, logs, Connector.SMTP, record=self._events.extend)
        self._gathered: list[_Result] = []
        self._writer: asyncio.Task[None] | None = None
        self._stuck: set[asyncio.Task[None]] = set()

    def enter(
        self,
        relayed: Sequence[Relayed],
        failures: Sequence[Failure],
        afterwards: Callable[[], None],
    ) -> asyncio.Future[None]:
        """Take the results of one message; returns what is done when they are durable.

        Args:
            relayed: what another server has taken.
            failures: what it has not.
            afterwards: called then.
        """
        written = asyncio.get_running_loop().create_future()
        self._gathered.append(_Result(relayed, failures, afterwards, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._work())
        return written

    async def finish(self, timeout_s: float) -> None:
        """Wait, but not for ever, until all is written."""
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

    async def _write(self, batch: Sequence[_Result]) -> None:
        try:
            await asyncio.to_thread(self._settle, batch)
        except Exception:  # noqa: BLE001 - one of them spoils it for all: each by itself
            for result in batch:
                task = asyncio.create_task(self._insist(result))
                self._stuck.add(task)
                task.add_done_callback(self._stuck.discard)
        else:
            for result in batch:
                _tell(result)

    async def _insist(self, result: _Result) -> None:
        """Write one result, however long it takes, for nobody else knows it."""
        write: Callable[[Sequence[_Result]], None] = self._settle
        while True:
            try:
                await asyncio.to_thread(write, (result,))
                break
            except (DatabaseError, OSError) as error:
                text = f"what became of messages can't be written down, it is tried again: {error}"
                self._logs.note("error", text)
            except Exception:  # noqa: BLE001 - what can't be explained waits for an operator
                text = f"to be held for an operator, what became of it: {traceback.format_exc()}"
                for entry_id in _entries(result):
                    self._logs.note("error", text, message_id=entry_id)
                write = self._hold
            await asyncio.sleep(_WRITE_AGAIN_S)
        self._record()
        _tell(result)

    def _settle(self, batch: Sequence[_Result]) -> None:
        self._returns.settle(
            [each for result in batch for each in result.relayed],
            [each for result in batch for each in result.failures],
        )

    def _hold(self, batch: Sequence[_Result]) -> None:
        for result in batch:
            for entry_id in _entries(result):
                Desk(self._house.queue).hold(entry_id)

    def _record(self) -> None:
        """Hand the journey its events; threads may be adding more."""
        self._house.journey.record([self._events.popleft() for _ in range(len(self._events))])


def _entries(result: _Result) -> set[str]:
    claimed = [each.claimed for each in result.relayed] + [each.claimed for each in result.failures]
    return {each.entry_id for each in claimed}


def _tell(result: _Result) -> None:
    result.afterwards()
    if not result.written.done():
        result.written.set_result(None)
