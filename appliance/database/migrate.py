"""Bringing a database of an earlier version to this program's (`posthouse upgrade`).

Standards: Alembic revisions, one folder a role beside its tables.
Failure: an error leaves the database as it was: the revisions run in one transaction.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.pool import NullPool

from appliance.database.database import Database
from appliance.database.schema import Schema
from appliance.database.sqlite import SqliteEngine


def upgrade(database: Database, schema: Schema, *, to: str = "head") -> None:
    """Migrate one database.

    Args:
        database: its writers must be idle: run this with the services stopped.
        schema: the role's tables and revisions.
        to: the revision to reach.
    """
    with database.engine.exclusive():
        engine = create_engine(_url(database), poolclass=NullPool)
        if isinstance(database.engine, SqliteEngine):
            _begin_at_once(engine)
        with engine.begin() as connection:
            command.upgrade(_config(connection, schema), to)
        engine.dispose()


def _config(connection: object, schema: Schema) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(schema.versions))
    config.set_main_option("path_separator", "os")
    config.attributes.update(
        connection=connection, metadata=schema.metadata, version_table=schema.version_table
    )
    return config


def _url(database: Database) -> URL:
    engine = database.engine
    if isinstance(engine, SqliteEngine):
        return URL.create("sqlite", database=str(engine.path))
    return make_url(engine.url).set(drivername="postgresql+psycopg")  # type: ignore[attr-defined] # the other engine


def _begin_at_once(engine: Engine) -> None:
    """Make DDL part of the transaction: the driver by itself would commit before each."""

    @event.listens_for(engine, "connect")
    def connect(raw: object, _record: object) -> None:
        raw.isolation_level = None  # type: ignore[attr-defined] # a sqlite3 connection

    @event.listens_for(engine, "begin")
    def begin(connection: object) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # type: ignore[attr-defined] # Core's connection
