"""The limits of connections at the door of a listening daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from appliance.operations.front import Front
from appliance.operations.house import Config, House
from appliance.runtime.logs import Logs
from appliance.settings import limits, smtp
from appliance.settings.snapshot import Snapshot

MONITOR, STRANGER, OTHER = "192.0.2.9", "198.51.100.1", "198.51.100.2"


@dataclass(eq=False)
class Caller:
    client: str
    active_at: float = 0.0


@asynccontextmanager
async def door(
    home: Path, settings: Callable[[], Snapshot], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Front[Caller]]:
    monkeypatch.setattr(House, "settings", property(lambda _: settings()))
    house = House(Config(home, "", home / "config" / "key", "test"))
    monkeypatch.setattr(house.live, "listen", lambda hear: hear(settings()))
    logs = Logs(home, "SMTP")
    try:
        yield Front(
            house,
            logs,
            "smtp",
            most=smtp.max_connections,
            most_per_client=smtp.max_connections_per_client,
            idle_timeout=smtp.idle_timeout,
        )
    finally:
        logs.close()
        house.close()


def test_exempt_clients_lock_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, object] = {
        smtp.max_connections.name: 1,
        limits.exempt_ranges.name: (ip_network(MONITOR),),
    }

    async def scene() -> None:
        async with door(tmp_path, lambda: Snapshot(dict(values)), monkeypatch) as front:
            exempt = [Caller(MONITOR) for _ in range(3)]
            stranger, late = Caller(STRANGER), Caller(OTHER)
            assert all(front.enter(each) for each in exempt)
            assert front.enter(stranger)
            assert not front.enter(late)
            values[limits.exempt_ranges.name] = ()  # who has come in uncounted leaves uncounted
            for each in exempt:
                front.leave(each)
            assert not front.enter(late)
            front.leave(stranger)
            assert front.enter(late)

    asyncio.run(scene())
