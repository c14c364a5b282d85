"""The tables of one database with their version, how they are made and how they are brought along.

A new database is made from the tables themselves and stamped; an older one is migrated by Alembic.
A test holds both ways to the same result.

Failure: `SchemaMismatch` when a database is of another version than the program.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Index, MetaData, TextClause
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from appliance.database.database import Database
from appliance.database.errors import SchemaMismatch
from appliance.database.statement import POSTGRESQL, SQLITE, Connection, Statement
from appliance.database.writer import Transaction

_WHERE = "where"  # of an index' info


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one role.

    Attributes:
        role: directory, sessions, queue, journey, store or state.
        metadata: the tables.
        versions: folder of the Alembic revisions.
        head: the newest revision there.
    """

    role: str
    metadata: MetaData
    versions: Path
    head: str

    @property
    def version_table(self) -> str:
        """Where the version is kept (in PostgreSQL the roles share one database)."""
        return f"alembic_version_{self.role}"


def partial_index(
    name: str, *columns: ColumnElement[Any], where: TextClause, unique: bool = False
) -> Index:
    """Index the rows of a table for which a condition is true.

    `Index(postgresql_where=)` would load that dialect into every process: 2.7 MiB.

    Args:
        name: of the index.
        columns: of one table, in the order in which they are looked up.
        where: the condition, written out: no parameters.
        unique: whether no two of those rows may be alike.
    """
    return Index(name, *columns, unique=unique, sqlite_where=where, info={_WHERE: where})


def ensure(database: Database, schema: Schema) -> None:
    """Make the tables in an empty database; check the version of one that has them.

    Raises:
        SchemaMismatch: it is older (`posthouse upgrade` migrates it) or newer than the program.
    """
    found = version(database, schema)
    if found is None:
        database.transact(lambda transaction: _create(transaction, schema))
    elif found != schema.head:
        raise SchemaMismatch(
            f"the {schema.role} database is at version {found}, this program needs {schema.head}: "
            "run `posthouse upgrade` with the services stopped"
        )


def version(database: Database, schema: Schema) -> str | None:
    """Read the version of a database; None when it has no tables yet."""

    def read(transaction: Transaction) -> str | None:
        if not _has_table(transaction, schema.version_table):
            return None
        transaction.script(f"SELECT version_num FROM {schema.version_table}")  # noqa: S608 - a role's name
        found: tuple[str] | None = transaction.raw_cursor().fetchone()
        return found[0] if found else None

    return database.transact(read)


def _has_table(connection: Connection, name: str) -> bool:
    catalogue = {SQLITE: "sqlite_master WHERE name", POSTGRESQL: "pg_tables WHERE tablename"}
    connection.script(f"SELECT 1 FROM {catalogue[connection.dialect]} = '{name}'")  # noqa: S608 - a role's name
    return connection.raw_cursor().fetchone() is not None


def _create(transaction: Transaction, schema: Schema) -> None:
    transaction.alone("schema")
    if _has_table(transaction, schema.version_table):  # another process was quicker
        return
    for element in _ddl(schema.metadata, transaction.dialect):
        transaction.run(Statement(element))
    table = schema.version_table
    transaction.script(f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    transaction.script(f"INSERT INTO {table} VALUES ('{schema.head}')")  # noqa: S608 - constants


def _ddl(metadata: MetaData, dialect: str) -> Iterable[ExecutableDDLElement]:
    for table in metadata.sorted_tables:
        yield CreateTable(table)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if dialect == POSTGRESQL and _WHERE in index.info:
                index.dialect_options[POSTGRESQL]["where"] = index.info[_WHERE]
            yield CreateIndex(index)
