"""PostgreSQL as an engine: the same tables, in one database for the whole system.

Owns: nothing; opens connections. Failure: `StoreBusy` when the server can't be reached.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from appliance.database.errors import StoreBusy
from appliance.database.statement import POSTGRESQL


class PostgresEngine:
    """One PostgreSQL database, named by its URL."""

    dialect = POSTGRESQL
    begin = "BEGIN"
    begin_snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    lost_errors: tuple[type[Exception], ...] = (psycopg.OperationalError, psycopg.InterfaceError)
    victim_errors: tuple[type[Exception], ...] = (psycopg.errors.DeadlockDetected,)
    errors: tuple[type[Exception], ...] = (psycopg.Error,)
    conflicts: tuple[type[Exception], ...] = (psycopg.IntegrityError,)

    def __init__(self, url: str) -> None:
        """Name the database: `postgresql://user:password@host/name`."""
        self.url = url

    def connect(self, *, writes: bool, lazy: bool = False) -> Any:
        """Open a connection in autocommit mode.

        Raises:
            StoreBusy: the server can't be reached or refuses the login.
        """
        try:
            raw = psycopg.connect(self.url, autocommit=True, connect_timeout=10)
            if not writes:
                raw.execute("SET default_transaction_read_only = on")
            elif lazy:
                raw.execute("SET synchronous_commit = off")
        except psycopg.Error as error:
            raise StoreBusy(f"the PostgreSQL database can't be reached: {error}") from error
        return raw

    def is_lost(self, raw: Any) -> bool:
        """Tell whether the server has ended an idle connection: else it has nothing to say."""
        if raw.closed:
            return True
        poll = select.poll()
        poll.register(raw.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Do nothing: the server orders its writers itself."""
        yield

    def acquire(self, *, wait: bool) -> bool:
        """Say that it is free, but that to write takes time: a server is asked for each step."""
        return wait

    def let_go(self) -> None:
        """Do nothing."""

    def settle(self) -> None:
        """Do nothing: the server's log writer makes lazy commits durable within a second."""

    def has_lost(self, error: Exception) -> bool:  # noqa: ARG002 - SQLite's
        """Return False: the server ends itself when a sync fails, and recovers."""
        return False

    def renew(self, raw: Any) -> None:
        """Do nothing: see `has_lost`."""

    def release(self) -> None:
        """Do nothing: there is no lock file."""
