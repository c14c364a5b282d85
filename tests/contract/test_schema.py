"""The tables are made, versioned and migrated to the same result on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from appliance.database import migrate
from appliance.database.database import Database
from appliance.database.errors import SchemaMismatch
from appliance.database.postgresql import PostgresEngine
from appliance.database.schema import Schema, ensure, version
from appliance.database.sqlite import SqliteEngine
from appliance.operations.house import SCHEMAS

MakeDatabase = Callable[[], Database]


@pytest.fixture(params=sorted(SCHEMAS))
def schema(request: pytest.FixtureRequest) -> Schema:
    return SCHEMAS[request.param]


@pytest.fixture
def make_database(
    dialect: str, schema: Schema, tmp_path: Path, request: pytest.FixtureRequest
) -> MakeDatabase:
    """Make a database without tables, a new one each time."""
    made: list[Database] = []
    new_url = request.getfixturevalue("new_postgresql") if dialect == "postgresql" else None

    def make() -> Database:
        if new_url is None:
            database = Database(SqliteEngine(tmp_path / f"{len(made)}.db"), name=schema.role)
        else:
            database = Database(PostgresEngine(new_url()), name=schema.role)
        made.append(database)
        request.addfinalizer(database.release)
        return database

    return make


def url_of(database: Database) -> URL:
    if isinstance(database.engine, SqliteEngine):
        return URL.create("sqlite", database=str(database.engine.path))
    assert isinstance(database.engine, PostgresEngine)
    return make_url(database.engine.url).set(drivername="postgresql+psycopg")


def ask(database: Database, text: str) -> list[tuple[Any, ...]]:
    with database.reader() as connection:
        connection.script(text)
        found: list[tuple[Any, ...]] = connection.raw_cursor().fetchall()
    return found


def catalogue(database: Database) -> dict[str, Any]:
    """Describe all tables with their columns, keys and indexes, as the database itself says it."""
    if database.dialect == "sqlite":
        rows = ask(database, "SELECT type, name, tbl_name, sql FROM sqlite_master")
        return {
            f"{kind} {name}": (table, re.sub(r"\s+", "", sql or ""))
            for kind, name, table, sql in rows
            if "alembic" not in name and not name.startswith("sqlite_")
        }
    questions = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, "
        "collation_name FROM information_schema.columns WHERE table_schema = 'public'",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes "
        "WHERE schemaname = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "sequences": "SELECT sequencename, data_type::text FROM pg_sequences",
    }
    return {
        name: sorted(row for row in ask(database, text) if "alembic" not in row[0])
        for name, text in questions.items()
    }


def downgrade(database: Database, schema: Schema, to: str = "base") -> None:
    """Take revisions back, all of them or those after one (no command of the product does)."""
    engine = create_engine(url_of(database), poolclass=NullPool)
    with engine.begin() as connection:
        command.downgrade(migrate._config(connection, schema), to)  # noqa: SLF001 - see above
    engine.dispose()


def test_tables_are_made_once_and_found_the_next_time(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    assert version(database, schema) is None
    ensure(database, schema)
    made = catalogue(database)
    assert version(database, schema) == schema.head
    ensure(database, schema)
    assert catalogue(database) == made


@pytest.mark.parametrize("other", ["older0000", "newer9999"])
def test_database_of_another_version_is_refused_with_what_to_do(
    make_database: MakeDatabase, schema: Schema, other: str
) -> None:
    database = make_database()
    ensure(database, schema)
    database.transact(
        lambda transaction: transaction.script(
            f"UPDATE {schema.version_table} SET version_num = '{other}'"  # noqa: S608 - constants
        )
    )
    with pytest.raises(SchemaMismatch, match=f"{other}.*{schema.head}.*posthouse upgrade"):
        ensure(database, schema)


def test_migrations_make_exactly_what_the_tables_say(
    make_database: MakeDatabase, schema: Schema
) -> None:
    migrated = make_database()
    migrate.upgrade(migrated, schema)
    engine = create_engine(url_of(migrated), poolclass=NullPool)
    with engine.connect() as connection:
        options = {"version_table": schema.version_table, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_migrations_make_exactly_what_a_new_database_gets(
    make_database: MakeDatabase, schema: Schema
) -> None:
    # compare_metadata passes over the WHERE of partial indexes; the databases' own words do not
    migrated, made = make_database(), make_database()
    migrate.upgrade(migrated, schema)
    ensure(made, schema)
    assert catalogue(migrated) == catalogue(made)
    assert version(migrated, schema) == version(made, schema)


def test_migrated_database_is_taken_as_current(make_database: MakeDatabase, schema: Schema) -> None:
    database = make_database()
    migrate.upgrade(database, schema)
    ensure(database, schema)
    migrate.upgrade(database, schema)  # once more is nothing
    ensure(database, schema)


def test_migrations_can_be_taken_back_and_made_again(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    migrate.upgrade(database, schema)
    there = catalogue(database)
    downgrade(database, schema)
    assert not any(catalogue(database).values())
    migrate.upgrade(database, schema)
    assert catalogue(database) == there


def test_new_database_can_be_taken_back_by_its_migrations(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    ensure(database, schema)
    there = catalogue(database)
    downgrade(database, schema)
    migrate.upgrade(database, schema)
    assert catalogue(database) == there


def test_failed_migration_leaves_the_database_as_it_was(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    taken = schema.metadata.sorted_tables[-1].name
    database.transact(
        lambda transaction: transaction.script(f"CREATE TABLE {taken} (mine INTEGER)")
    )
    before = catalogue(database)
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(database, schema)
    assert catalogue(database) == before
    assert version(database, schema) is None


def test_one_postgresql_database_holds_all_roles(new_postgresql: Callable[[], str]) -> None:
    url = new_postgresql()
    for schema in SCHEMAS.values():
        database = Database(PostgresEngine(url), name=schema.role)
        migrate.upgrade(database, schema)
        ensure(database, schema)
        database.release()


def test_head_is_the_newest_revision_and_the_history_has_no_fork(schema: Schema) -> None:
    found = ScriptDirectory(str(schema.versions), version_locations=[str(schema.versions)])
    assert found.get_heads() == [schema.head]


def test_tables_hold_integers_text_and_octets_only(schema: Schema) -> None:
    # both drivers take and give these as they are, so that no value needs converting
    kinds = {
        column.type.python_type
        for table in schema.metadata.sorted_tables
        for column in table.columns
    }
    assert kinds <= {int, str, bytes}


@pytest.mark.parametrize("schema", ["directory"], indirect=True)
def test_mailboxes_of_an_earlier_version_have_no_name_no_quota_and_no_login(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    migrate.upgrade(database, schema, to="directory0001")
    database.transact(
        lambda transaction: transaction.script(
            "INSERT INTO mailboxes (postoffice_id, name, name_key, role, enabled, password_hash, "
            "created_at, deleted_at) VALUES (1, 'Alice', 'alice', 'USER', 1, 'hash', 7, 0)"
        )
    )
    migrate.upgrade(database, schema)
    ensure(database, schema)
    found = ask(
        database, "SELECT name, created_at, full_name, quota_kb, last_login_at FROM mailboxes"
    )
    assert found == [("Alice", 7, "", 0, 0)]


@pytest.mark.parametrize("schema", ["journey"], indirect=True)
def test_events_of_an_earlier_version_keep_their_times_and_can_be_given_back(
    make_database: MakeDatabase, schema: Schema
) -> None:
    database = make_database()
    migrate.upgrade(database, schema, to="journey0002")
    database.transact(
        lambda transaction: transaction.script(
            "INSERT INTO journey_events "
            "(message_id, at, kind, recipient, reverse_path, connector, data) VALUES "
            "('M2', 500, 'routed', 'a', 's', 'SF', '1'), "
            "('M1', 500, 'routed', 'b', 's', '', '2'), "
            "('M1', 500, 'routed', 'c', 's', 'SF', '3'), "
            "('M3', 501, 'routed', 'd', '', 'SF', '4'), "
            "('M1', 900, 'delivered', 'e', 's', 'SF', '5')"
        )
    )
    columns = "message_id, at, kind, recipient, reverse_path, connector, data"
    before = ask(database, f"SELECT {columns} FROM journey_events ORDER BY recipient")  # noqa: S608 - as above
    migrate.upgrade(database, schema)
    ensure(database, schema)
    found = ask(database, "SELECT id, at, message_id FROM journey_events ORDER BY id")
    assert found == [
        (500, 500, "M1"),
        (501, 500, "M1"),
        (502, 500, "M2"),
        (503, 501, "M3"),
        (900, 900, "M1"),
    ]
    downgrade(database, schema, to="journey0002")
    after = ask(database, f"SELECT {columns} FROM journey_events ORDER BY recipient")  # noqa: S608 - as above
    assert after == before
