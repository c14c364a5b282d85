"""Many rows of a table that differ in a few columns only, inserted by one step of the database.

What is the same in all of them is handed over once. SQLite takes the rest as JSON, PostgreSQL as
arrays: a row costs a third of what it costs with parameters of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, insert, text

from appliance.database.statement import POSTGRESQL, SQLITE, Statement
from appliance.database.writer import Transaction

MANY = 8  # from so many rows on a statement of their own is worth its while

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


Group = tuple[Mapping[str, Any], Sequence[tuple[Any, ...]]]


class Alike:
    """An INSERT of rows that differ in some columns, numbers or texts."""

    __slots__ = ("_differing", "_single", "_statements")

    def __init__(self, table: Table, differing: Sequence[str]) -> None:
        """Take the table and the columns that differ; all the others are the same in all rows."""
        self._differing = tuple(differing)
        same = [column.name for column in table.columns if column.name not in differing]
        columns = ", ".join([*same, *differing])
        shared = ", ".join(f":{name}" for name in same)
        values = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(differing)))
        arrays = ", ".join(f"CAST(:{name} AS {table.c[name].type}[])" for name in differing)
        self._single = Statement(insert(table))
        into = f"INSERT INTO {table.name} ({columns}) SELECT {shared}"
        self._statements = {
            SQLITE: Statement(text(f"{into}, {values} FROM json_each(:rows)")),
            POSTGRESQL: Statement(text(f"{into}, differing.* FROM unnest({arrays}) AS differing")),
        }

    def run(self, transaction: Transaction, groups: Iterable[Group]) -> None:
        """Insert rows.

        Args:
            transaction: to insert them in.
            groups: of rows that are alike: what all of them have, by column, and what each has of
                its own, in the order of the differing columns. Small groups go in together.
        """
        single: list[dict[str, Any]] = []
        for same, rows in groups:
            if len(rows) < MANY:
                single.extend(
                    {**same, **dict(zip(self._differing, row, strict=True))} for row in rows
                )
                continue
            found: dict[str, Any] = dict(same)
            if transaction.dialect == SQLITE:
                found["rows"] = _write_json(rows)
            else:
                found |= zip(self._differing, map(list, zip(*rows, strict=True)), strict=True)
            transaction.run(self._statements[transaction.dialect], found)
        if single:
            transaction.run_many(self._single, single)
