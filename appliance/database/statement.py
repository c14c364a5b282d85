"""Statements written in SQLAlchemy Core, run as their compiled text by the driver itself.

Tables hold integers, text and bytes only (times are microseconds, structures are JSON text), so
that no value needs converting on its way to either driver. Core's own execution costs several times
the driver's (PERFORMANCE: 21 µs against 13 µs an insert, 24 µs against 4 µs a look-up).

Owns: the compiled texts. Never: opens a connection.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Protocol

from sqlalchemy import BindParameter, ClauseElement, Insert, TableClause, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.types import NullType

Row = Any  # a named tuple with the statement's columns
Insertion = Callable[[TableClause], Any]  # a dialect's own `insert`, which knows ON CONFLICT

SQLITE = "sqlite"
POSTGRESQL = "postgresql"

_HANDED_IN = object()
_AT_ONCE = (32, 8, 2)  # rows of one insert
_INSERT = re.compile(r"(INSERT INTO [^()]*\([^()]*\) VALUES )(\([^()]*\))((?: ON CONFLICT[^?:]*)?)")
_PLAIN = re.compile(r"[A-Za-z0-9 _.-]*")
_PLACEHOLDERS = {
    SQLITE: re.compile(r"(?<![\w:]):([a-zA-Z_]\w*)"),
    POSTGRESQL: re.compile(r"%\((\w+)\)s(?:::\w+)?"),
}


def param(name: str) -> BindParameter[Any]:
    """Return a parameter of a statement, to be handed in at each run."""
    return bindparam(name, _HANDED_IN, type_=NullType())


@cache
def _compiler(dialect: str) -> Dialect:
    if dialect == SQLITE:
        from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

        return SQLiteDialect_pysqlite(paramstyle="named")
    from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

    return PGDialect_psycopg(paramstyle="pyformat")  # type: ignore[no-untyped-call] # SQLAlchemy's


def _insert(dialect: str) -> Insertion:
    if dialect == SQLITE:
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


class Cursor(Protocol):
    """What both drivers' cursors share."""

    description: Any
    rowcount: int

    def execute(self, text: str, params: Any = ..., /) -> Any:
        """Run one statement."""

    def executemany(self, text: str, rows: Any, /) -> Any:
        """Run one statement for each set of parameters."""

    def fetchall(self) -> list[Any]:
        """Take the remaining rows."""

    def fetchone(self) -> Any:
        """Take one row, or None."""


class _Text:
    """A statement's text for one dialect."""

    __slots__ = ("bulk", "fixed", "make_row", "names", "text")

    def __init__(self, element: ClauseElement, dialect: str, columns: Sequence[str] | None) -> None:
        options: dict[str, Any] = {}
        if not isinstance(element, ExecutableDDLElement):
            options["column_keys"] = list(columns) if columns is not None else None
            if not isinstance(element, Insert):  # IN lists are written out
                options["compile_kwargs"] = {"render_postcompile": True}
        compiled = element.compile(dialect=_compiler(dialect), **options)
        binds = getattr(compiled, "binds", {})  # DDL has none
        params = {} if isinstance(element, ExecutableDDLElement) else compiled.params
        fixed = {
            key: value
            for key, value in params.items()
            if value is not _HANDED_IN and (key not in binds or not binds[key].required)
        }
        self.text, self.fixed = _written_out(str(compiled), fixed, dialect)
        self.make_row: Callable[[Iterable[Any]], Row] | None = None
        self.bulk: list[tuple[int, str]] = []  # inserts of so many rows, by position
        self.names: list[str] = []  # of one row's parameters, in their order
        if dialect == SQLITE and (found := _INSERT.fullmatch(self.text)) is not None:
            placeholder = _PLACEHOLDERS[dialect]
            self.names = placeholder.findall(found[2])
            row = placeholder.sub("?", found[2])
            self.bulk = [
                (count, f"{found[1]}{', '.join([row] * count)}{found[3]}") for count in _AT_ONCE
            ]


def _written_out(text: str, fixed: Mapping[str, Any], dialect: str) -> tuple[str, dict[str, Any]]:
    """Write constants into a statement's text; returns it with those that stay parameters.

    SQLite prepares a statement again at every run when a parameter may decide whether a partial
    index serves (`deleted_at = 0`): that takes ten times as long as to look a row up.
    """
    literals = {
        name: f"'{value}'" if isinstance(value, str) else str(int(value))
        for name, value in fixed.items()
        if isinstance(value, int) or (isinstance(value, str) and _PLAIN.fullmatch(value))
    }
    placeholder = _PLACEHOLDERS[dialect]
    text = placeholder.sub(lambda found: literals.get(found[1], found[0]), text)
    return text, {name: value for name, value in fixed.items() if name not in literals}


class Statement:
    """A Core statement, compiled at most once a dialect."""

    __slots__ = ("_columns", "_element", "_texts")

    def __init__(self, element: ClauseElement, columns: Sequence[str] | None = None) -> None:
        """Take a statement; `columns` names the columns of an insert or update to bind."""
        self._element = element
        self._columns = columns
        self._texts: dict[str, _Text] = {}

    def on(self, dialect: str) -> _Text:
        """Return the text for a dialect."""
        text = self._texts.get(dialect)
        if text is None:
            text = self._texts[dialect] = _Text(self._made(dialect), dialect, self._columns)
        return text

    def _made(self, _dialect: str) -> ClauseElement:
        return self._element


class Upsert(Statement):
    """An insert that says what happens when the row is there already, in each dialect's words."""

    __slots__ = ("_make",)

    def __init__(
        self, make: Callable[[Insertion], ClauseElement], columns: Sequence[str] | None = None
    ) -> None:
        """Take what makes the statement with a dialect's `insert`; `columns` are those to bind."""
        self._make = make
        self._columns = columns
        self._texts = {}

    def _made(self, dialect: str) -> ClauseElement:
        return self._make(_insert(dialect))


def compile_all(dialect: str) -> None:
    """Compile all statements of the modules that are loaded, for processes that will be forked."""
    for each in gc.get_objects():
        if isinstance(each, Statement):
            with contextlib.suppress(CompileError):  # another dialect's
                each.on(dialect)


Sql = Statement | ClauseElement


class Connection:
    """One raw connection and the few ways statements are run on it."""

    __slots__ = ("_cursor", "dialect", "raw")

    def __init__(self, raw: Any, dialect: str) -> None:
        """Wrap a driver's connection that is in autocommit mode."""
        self.raw = raw
        self.dialect = dialect
        self._cursor: Cursor = raw.cursor()

    def _execute(self, sql: Sql, params: Mapping[str, Any] | None) -> _Text:
        statement = sql if isinstance(sql, Statement) else Statement(sql)
        text = statement.on(self.dialect)
        if text.fixed:
            params = {**text.fixed, **params} if params else text.fixed
        self._cursor.execute(text.text, params or {})
        return text

    def run(self, sql: Sql, params: Mapping[str, Any] | None = None) -> int:
        """Run a statement; returns the number of rows it touched."""
        self._execute(sql, params)
        return self._cursor.rowcount

    def run_many(self, sql: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each set of parameters (the same names in all).

        On SQLite an insert takes several rows a step: the driver lets go of the interpreter's lock
        at each step, and gets it back only when a busy event loop lets go of it.
        """
        text = sql.on(self.dialect)
        if text.fixed:
            rows = [{**text.fixed, **row} for row in rows]
        done = 0
        for count, bulk in text.bulk:
            while len(rows) - done >= count:
                some = rows[done : done + count]
                self._cursor.execute(bulk, [row[name] for row in some for name in text.names])
                done += count
        if done < len(rows):
            self._cursor.executemany(text.text, rows[done:])

    def rows(self, sql: Sql, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run a query; returns its rows as named tuples."""
        text = self._execute(sql, params)
        found = self._cursor.fetchall()
        return list(map(self._make_row(text), found)) if found else found

    def tuples(self, sql: Sql, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a query; returns its rows as plain tuples, for long results."""
        self._execute(sql, params)
        return self._cursor.fetchall()

    def row(self, sql: Sql, params: Mapping[str, Any] | None = None) -> Row | None:
        """Run a query; returns its first row or None."""
        text = self._execute(sql, params)
        found = self._cursor.fetchone()
        return None if found is None else self._make_row(text)(found)

    def value(self, sql: Sql, params: Mapping[str, Any] | None = None) -> Any:
        """Run a query; returns the first column of its first row, or None."""
        self._execute(sql, params)
        found = self._cursor.fetchone()
        return None if found is None else found[0]

    def script(self, text: str) -> None:
        """Run one literal statement (transaction control, pragmas)."""
        self._cursor.execute(text)

    def raw_cursor(self) -> Cursor:
        """Return the driver's cursor, to fetch what `script` selected."""
        return self._cursor

    def _make_row(self, text: _Text) -> Callable[[Iterable[Any]], Row]:
        if text.make_row is None:
            names = [column[0] for column in self._cursor.description]
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # noqa: PYI024 - columns known at run time only
            text.make_row = partial(tuple.__new__, row)  # a third less than its own `_make`
        return text.make_row
