"""Ids for rows that are about to be inserted, so that many go in by one statement.

Owns: nothing. Never: gives an id twice, whatever becomes of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table, text

from appliance.database.statement import POSTGRESQL, Statement, param
from appliance.database.writer import Transaction

# AUTOINCREMENT keeps the highest id that a table ever had; whoever writes is alone with it.
_HIGHEST = Statement(
    text("SELECT seq FROM sqlite_sequence WHERE name = :of").bindparams(param("of"))
)
_NEXT = Statement(
    text(
        "SELECT nextval(pg_get_serial_sequence(:of, 'id')) FROM generate_series(1, :many)"
    ).bindparams(param("of"), param("many"))
)


def take_ids(transaction: Transaction, table: Table, count: int) -> Sequence[int]:
    """Return ids for so many new rows of a table, in rising order.

    Args:
        transaction: the one that inserts the rows.
        table: its column `id` counts up by itself (on SQLite by AUTOINCREMENT).
        count: how many.
    """
    if transaction.dialect == POSTGRESQL:
        found = transaction.tuples(_NEXT, {"of": table.name, "many": count})
        return sorted(row[0] for row in found)
    highest = transaction.value(_HIGHEST, {"of": table.name}) or 0
    return range(highest + 1, highest + 1 + count)
