"""The receiving side's daemon: listeners, the doors' limits, silent clients.

Owns: the connections of this process. Failure: see `Conversation`.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Sequence
from functools import partial

from appliance.connectors.smtp_in.adapter import Adapter
from appliance.connectors.smtp_in.conversation import Conversation, Place
from appliance.mail.reply import Reply
from appliance.net.certificates import Certificates
from appliance.net.listeners import Door, Listener
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.rules.recipients import is_in
from appliance.runtime import metrics
from appliance.runtime.logs import Exchange, Logs
from appliance.settings import limits, smtp, tls
from appliance.settings.snapshot import Snapshot

_TICK_S = 0.5
_DRAIN_S = 5.0
_BUSY = Reply(421, "4.7.0", "Too many connections, please try again later")
_SILENT = Reply(421, "4.4.2", "Idle for too long, closing transmission channel")
_FAILED = Reply(421, "4.3.0", "Local error in processing, please try again later")
_STOPPING = Reply(421, "4.3.2", "Service is stopping, please try again later")


class SmtpService:
    """Receives mail on some listeners."""

    def __init__(self, house: House, logs: Logs, listeners: Sequence[Listener]) -> None:
        """Take the listeners that were opened for it."""
        self._house = house
        self._logs = logs
        self._listeners = listeners
        self._logins = Logins(house, "smtp")
        self._door = Door()
        self._open: set[Adapter] = set()
        self._emptied: asyncio.Event | None = None  # while stopping
        names = [house.local_domain, "localhost", "127.0.0.1"]
        self._certificates = Certificates(house.home / "config" / "tls", names)
        self._gauge = metrics.CONNECTIONS.labels("smtp")

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Serve until stopped; conversations under way may finish their command."""
        house = self._house
        house.live.listen(self._configure)
        loop = asyncio.get_running_loop()
        servers = []
        for listener in self._listeners:
            role = "mx" if listener.name == "smtp" else "submission"
            factory = partial(self._connection, role, listener)
            context = self._certificates.context if listener.tls else None
            servers.append(await loop.create_server(factory, sock=listener.socket, ssl=context))
        ready()
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), _TICK_S)
            except TimeoutError:
                self._tick()
        for server in servers:
            server.close()
        await self._drain()
        self._logs.close()

    def _configure(self, settings: Snapshot) -> None:
        self._door.most = settings[smtp.max_connections]
        self._door.most_per_client = settings[smtp.max_connections_per_client]
        self._follow_certificate(settings)

    def _follow_certificate(self, settings: Snapshot) -> None:
        self._certificates.follow(
            settings[tls.certificate_file],
            settings[tls.key_file],
            lambda text: self._logs.note("error", text),
        )

    def _connection(self, role: str, listener: Listener) -> Adapter:
        context = None if listener.tls else self._certificates.context
        place = Place(role=role, tls=listener.tls, starttls=context is not None)
        return Adapter(partial(self._converse, place), tls=context, port=listener.port)

    async def _converse(self, place: Place, adapter: Adapter) -> None:
        try:
            await self._admit(place, adapter)
        except Exception:  # noqa: BLE001 - the session's boundary: the client keeps its message
            self._logs.note("error", f"a session failed: {traceback.format_exc()}")
            adapter.hang_up(_FAILED.encode())

    async def _admit(self, place: Place, adapter: Adapter) -> None:
        client = adapter.client
        exempt = is_in(client, self._house.settings[limits.exempt_ranges])
        if not self._door.enter(client, exempt=exempt):
            self._logs.note("warning", f"{client} was turned away: too many connections")
            self._logs.exchange(
                Exchange(
                    kind="SMTP-IN",
                    port=adapter.port,
                    remote=client,
                    command="CONNECT",
                    response=str(_BUSY),
                )
            )
            adapter.hang_up(_BUSY.encode())
            return
        self._open.add(adapter)
        self._gauge.inc()
        try:
            conversation = Conversation(
                adapter, place, house=self._house, logs=self._logs, logins=self._logins
            )
            await conversation.run()
        finally:
            self._open.discard(adapter)
            if self._emptied is not None and not self._open:
                self._emptied.set()
            self._door.leave(client)
            self._gauge.dec()

    def _tick(self) -> None:
        """Look after settings, certificates and silent clients."""
        self._house.live.refresh()
        settings = self._house.settings
        self._follow_certificate(settings)
        oldest = asyncio.get_running_loop().time() - settings[smtp.idle_timeout]
        for adapter in [each for each in self._open if each.active_at < oldest]:
            self._logs.note("info", f"{adapter.client} was silent for too long")
            adapter.hang_up(_SILENT.encode())

    async def _drain(self) -> None:
        """Tell clients to come again; a commit under way is waited for."""
        for adapter in list(self._open):
            if not adapter.is_busy:
                adapter.hang_up(_STOPPING.encode())
        if self._open:
            self._emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _DRAIN_S)
        for adapter in list(self._open):
            adapter.hang_up(_STOPPING.encode())
