"""What the DNS answers, written down while the service is verbose.

Owns: nothing. Never: changes an answer. Failure: the resolver's own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable
from typing import TypeVar

from appliance.net.resolver import Mx, Resolver, ResolverError
from appliance.runtime.logs import Logs

T = TypeVar("T")


class TellingResolver:
    """Hands questions on, and tells the answers."""

    def __init__(self, resolver: Resolver, logs: Logs) -> None:
        """Take whom to ask, and where to tell."""
        self._resolver = resolver
        self._logs = logs

    async def mx(self, domain: str) -> list[Mx]:
        """Return a domain's mail exchangers."""
        return await self._told(f"{domain} MX", self._resolver.mx(domain))

    async def addresses(self, host: str) -> list[str]:
        """Return a host's IP addresses."""
        return await self._told(f"{host} A, AAAA", self._resolver.addresses(host))

    async def _told(self, asked: str, answer: Awaitable[list[T]]) -> list[T]:
        started = time.perf_counter()
        try:
            found = await answer
        except ResolverError as error:
            self._logs.detail(f"the DNS was asked for {asked}: {error}", started=started)
            raise
        if self._logs.is_verbose:
            told = ", ".join(map(_record, found))
            self._logs.detail(f"the DNS was asked for {asked}: {told}", started=started)
        return found


def _record(found: object) -> str:
    return f"{found.preference} {found.host or '.'}" if isinstance(found, Mx) else str(found)
