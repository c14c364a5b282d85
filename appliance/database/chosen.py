"""Statements on some rows of a table, chosen by a list of values of any length.

SQLite takes the list as JSON, PostgreSQL as an array: one text for all lengths, compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ARRAY, ClauseElement, ColumnElement, any_, cast, func, select

from appliance.database.statement import POSTGRESQL, SQLITE, Connection, Row, Statement, param

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Chosen:
    """A statement whose WHERE chooses rows by the values of one column, numbers or texts."""

    __slots__ = ("_statements",)

    def __init__(
        self,
        column: ColumnElement[Any],
        make: Callable[[ColumnElement[bool]], ClauseElement],
    ) -> None:
        """Take the column and what makes a statement of the condition on it."""
        listed = func.json_each(param("chosen")).table_valued("value")
        array = cast(param("chosen"), ARRAY(column.type))
        self._statements = {
            SQLITE: Statement(make(column.in_(select(listed.c.value)))),
            POSTGRESQL: Statement(make(column == any_(array))),
        }

    def rows(self, connection: Connection, values: Collection[Any], **params: object) -> list[Row]:
        """Run a query or a statement that returns something."""
        return connection.rows(*self._with(connection, values, params))

    def tuples(
        self, connection: Connection, values: Collection[Any], **params: object
    ) -> list[tuple[Any, ...]]:
        """Run a query; returns its rows as plain tuples."""
        return connection.tuples(*self._with(connection, values, params))

    def run(self, connection: Connection, values: Collection[Any], **params: object) -> int:
        """Run a statement; returns the number of rows it touched."""
        return connection.run(*self._with(connection, values, params))

    def _with(
        self, connection: Connection, values: Collection[Any], params: dict[str, object]
    ) -> tuple[Statement, dict[str, Any]]:
        listed = list(values)
        given = _write_json(listed) if connection.dialect == SQLITE else listed
        return self._statements[connection.dialect], {**params, "chosen": given}
