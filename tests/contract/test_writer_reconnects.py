"""A PostgreSQL connection that was lost without anybody noticing: the first write goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from appliance.database.database import Database
from appliance.database.errors import DatabaseError
from appliance.database.postgresql import PostgresEngine


class Unnoticing(PostgresEngine):
    """An engine to which no idle connection looks lost: the peer's farewell was lost as well."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.opened = 0
        self.is_down = False

    def connect(self, *, writes: bool, lazy: bool = False) -> Any:  # noqa: ANN401 - psycopg hides behind Any here
        """Count; while it is down, hand out connections that are dead already."""
        self.opened += 1
        raw = super().connect(writes=writes, lazy=lazy)
        if self.is_down:
            raw.close()
        return raw

    def is_lost(self, raw: object) -> bool:
        """See nothing."""
        return False


@pytest.fixture
def engine(postgresql: str) -> Unnoticing:
    return Unnoticing(postgresql)


@pytest.fixture
def database(engine: Unnoticing) -> Iterator[Database]:
    database = Database(engine, name="state")
    database.transact(lambda transaction: None)
    yield database
    database.release()


def end_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_the_first_write_after_a_restart_goes_through_on_a_new_connection(
    database: Database, engine: Unnoticing
) -> None:
    runs: list[int] = []
    end_all(engine.url)
    database.transact(lambda transaction: runs.append(1))
    assert runs == [1]
    assert engine.opened == 2


def test_a_new_connection_that_is_lost_too_is_not_tried_for_ever(
    database: Database, engine: Unnoticing
) -> None:
    end_all(engine.url)
    engine.is_down = True
    with pytest.raises(DatabaseError):
        database.transact(lambda transaction: None)
    assert engine.opened == 2
    engine.is_down = False
    database.transact(lambda transaction: None)
