"""The receiving side's daemon: which conversation a connection gets, and how it ends.

Owns: nothing but the front. Failure: see `Conversation`.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence

from appliance.connectors.smtp_in.adapter import Adapter
from appliance.connectors.smtp_in.conversation import Conversation
from appliance.mail.reply import Reply
from appliance.net.door import Door
from appliance.net.listeners import Listener
from appliance.operations.front import Front
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.runtime.logs import Exchange, Logs
from appliance.settings import smtp

_DRAIN_S = 5.0
_BUSY = Reply(421, "4.7.0", "Too many connections, please try again later")
_SILENT = Reply(421, "4.4.2", "Idle for too long, closing transmission channel")
_FAILED = Reply(421, "4.3.0", "Local error in processing, please try again later")
_STOPPING = Reply(421, "4.3.2", "Service is stopping, please try again later")


class SmtpService:
    """Receives mail on some listeners."""

    def __init__(
        self, house: House, logs: Logs, listeners: Sequence[Listener], door: Door | None = None
    ) -> None:
        """Take the listeners that were opened for it; an event loop must be running."""
        self._house = house
        self._logs = logs
        self._listeners = listeners
        self._logins = Logins(house, "smtp")
        self._front: Front[Adapter] = Front(
            house,
            logs,
            "smtp",
            most=smtp.max_connections,
            most_per_client=smtp.max_connections_per_client,
            idle_timeout=smtp.idle_timeout,
            door=door,
        )

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Serve until stopped; conversations under way may finish their command."""
        patterns = {
            each.name: Adapter(self, each, tls=None if each.tls else self._front.context)
            for each in self._listeners
        }
        await self._front.serve(
            self._listeners,
            lambda listener, client: patterns[listener.name].connection(client),
            stop=stop,
            ready=ready,
            hang_up=lambda adapter: adapter.hang_up(_SILENT.encode()),
        )
        for adapter in list(self._front.open):
            if not adapter.is_busy:
                adapter.hang_up(_STOPPING.encode())
        await self._front.drain(_DRAIN_S)
        for adapter in list(self._front.open):
            adapter.hang_up(_STOPPING.encode())
        self._logs.close()

    # connectors.smtp_in.adapter.Host

    def enter(self, adapter: Adapter) -> Conversation | None:
        """Begin a conversation, or turn the client away."""
        if not self._front.enter(adapter):
            self._turn_away(adapter)
            return None
        conversation = Conversation(
            adapter, house=self._house, logs=self._logs, logins=self._logins
        )
        conversation.greet()
        return conversation

    def leave(self, adapter: Adapter) -> None:
        """Count the connection out."""
        self._front.leave(adapter)

    def fail(self, adapter: Adapter, error: BaseException) -> None:
        """End a session on an error of ours: the client keeps its message."""
        self._logs.note("error", f"a session failed: {''.join(traceback.format_exception(error))}")
        adapter.hang_up(_FAILED.encode())

    def _turn_away(self, adapter: Adapter) -> None:
        self._logs.exchange(
            Exchange(
                kind="SMTP-IN",
                port=adapter.listener.port,
                remote=adapter.client,
                command="CONNECT",
                response=str(_BUSY),
            )
        )
        adapter.hang_up(_BUSY.encode())
