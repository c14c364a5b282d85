"""Statements on some messages of a folder, chosen by a list of uids of any length.

SQLite takes the list as JSON, PostgreSQL as an array: one text for all lengths, compiled once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ClauseElement, ColumnElement, any_, cast, func, select

from appliance.database.statement import POSTGRESQL, SQLITE, Connection, Row, Statement, param

AT_ONCE = 1000  # messages a commit: others get their turn in between
MAX_UID = 2**63 - 1


class Chosen:
    """A statement whose WHERE chooses messages by uid."""

    __slots__ = ("_statements",)

    def __init__(
        self,
        uid: ColumnElement[int],
        make: Callable[[ColumnElement[bool]], ClauseElement],
    ) -> None:
        """Take the column of the uids and what makes a statement of the condition on it."""
        listed = func.json_each(param("uids")).table_valued("value")
        array = cast(param("uids"), ARRAY(BigInteger))
        self._statements = {
            SQLITE: Statement(make(uid.in_(select(listed.c.value)))),
            POSTGRESQL: Statement(make(uid == any_(array))),
        }

    def rows(self, connection: Connection, uids: Collection[int], **params: object) -> list[Row]:
        """Run a query or a statement that returns something."""
        return connection.rows(*self._with(connection, uids, params))

    def run(self, connection: Connection, uids: Collection[int], **params: object) -> int:
        """Run a statement; returns the number of rows it touched."""
        return connection.run(*self._with(connection, uids, params))

    def _with(
        self, connection: Connection, uids: Collection[int], params: dict[str, object]
    ) -> tuple[Statement, dict[str, Any]]:
        listed = list(uids)
        value = json.dumps(listed) if connection.dialect == SQLITE else listed
        return self._statements[connection.dialect], {**params, "uids": value}


def pieces(uids: Iterable[int]) -> Iterator[list[int]]:
    """Yield uids in their order, each once, a thousand at a time; what can't be one is left out."""
    ordered = iter(possible(uids))
    while piece := list(islice(ordered, AT_ONCE)):
        yield piece


def possible(uids: Iterable[int]) -> list[int]:
    """Return uids in their order, each once, without those that no message can have."""
    return sorted({uid for uid in uids if 0 < uid <= MAX_UID})
