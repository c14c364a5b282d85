"""What the contract tests stand on: a home on SQLite and one on PostgreSQL, and a clock to set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from appliance.database.database import Database
from appliance.database.postgresql import PostgresEngine
from appliance.database.schema import ensure
from appliance.database.sqlite import SqliteEngine
from appliance.database.writer import Engine
from appliance.directory import throttle
from appliance.operations.house import SCHEMAS, Config, House
from appliance.runtime import steps
from tests.support.clock import SetClock
from tests.support.postgresql import Cluster, ServerMissing, share
from tests.support.town import Town

DIALECTS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    meeting = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        meeting = meeting.parent
    try:
        with share(meeting) as found:
            yield found
    except ServerMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def worker_database(cluster: Cluster) -> str:
    """The URL of this worker's own database, with all tables."""
    name = f"house_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    for role, schema in SCHEMAS.items():
        database = Database(PostgresEngine(cluster.url(name)), name=role)
        ensure(database, schema)
        database.release()
    return cluster.url(name)


@pytest.fixture
def postgresql(worker_database: str) -> str:
    """The URL of a database with all tables, each empty."""
    tables = [table.name for schema in SCHEMAS.values() for table in schema.metadata.sorted_tables]
    with psycopg.connect(worker_database, autocommit=True) as connection:
        _close_others(connection)
        connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
    return worker_database


def _close_others(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.fixture
def new_postgresql(cluster: Cluster) -> Iterator[Callable[[], str]]:
    """Make a database without any tables; returns its URL."""
    made: list[str] = []

    def make() -> str:
        name = f"new_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}_{len(made)}"
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return cluster.url(name)

    yield make
    with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
        for name in made:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Every test that stands on this runs on both databases."""
    found: str = request.param
    return found


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest) -> str:
    """The URL a home is configured with: empty for SQLite."""
    url: str = request.getfixturevalue("postgresql") if dialect == "postgresql" else ""
    return url


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash at the least cost there is; tests/unit/directory holds the real one to RFC 9106."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("appliance.directory.passwords._HASHER", quick)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def open_house(
    tmp_path: Path, database_url: str, clock: SetClock
) -> Iterator[Callable[..., House]]:
    """Open the home, as often as wanted: each House stands for a process of its own."""
    opened: list[House] = []

    def make(*, node: str = "one", key_file: Path | None = None) -> House:
        home = tmp_path / "home"
        key_file = key_file or home / "config" / "key"
        opened.append(House(Config(home, database_url, key_file, node), clock=clock))
        return opened[-1]

    yield make
    for house in opened:
        house.close()


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    return open_house()


@pytest.fixture
def town(house: House) -> Town:
    """A house with the post offices alpha and beta in it."""
    return Town(house)


@pytest.fixture
def new_engine(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[], Engine]:
    """Make an engine on one and the same database each time, with the state's table."""
    if dialect == "sqlite":
        return lambda: SqliteEngine(tmp_path / "state.db")
    url = request.getfixturevalue("postgresql")
    return lambda: PostgresEngine(url)


@pytest.fixture
def open_database(new_engine: Callable[[], Engine]) -> Iterator[Callable[[], Database]]:
    """Open the state's database, as often as wanted."""
    opened: list[Database] = []

    def make() -> Database:
        opened.append(Database(new_engine(), name="state"))
        ensure(opened[-1], throttle.SCHEMA)
        return opened[-1]

    yield make
    for database in opened:
        database.release()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], None]], None]:
    """Have a function called at each labelled step."""

    def put(function: Callable[[str], None]) -> None:
        monkeypatch.setattr(steps, "gate", function)

    return put
