"""Sorting folders by sender, subject and size: the keys, kept beside the messages.

Keys are made when somebody lists by them and brought up to date by later listings, so that a
delivery never pays for them. `folders.ordered_uid` says how far they reach: uids only grow.

Owns: the rows of `orders`. Failure: `CommitFailed`, `StoreBusy` (temporary): what has been sorted
until then stays.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from sqlalchemy import delete, insert, select, update

from appliance.database.database import Database
from appliance.database.statement import Connection, Row, Statement, param
from appliance.database.writer import Transaction
from appliance.mail.headers import Summary
from appliance.store import tables
from appliance.store.chosen import Chosen
from appliance.store.folders import Owner, lock
from appliance.store.sort_keys import correspondent_key, subject_key

_AT_ONCE = 2000  # messages a commit

_c, _f, _m, _o = tables.contents.c, tables.folders.c, tables.messages.c, tables.orders.c
_BETWEEN = (_m.folder_id == param("folder"), _m.uid > param("low"), _m.uid <= param("high"))
_NEW = Statement(
    select(_m.uid, _m.size, _c.summary)
    .join(tables.contents, _c.id == _m.content_id)
    .where(*_BETWEEN)
    .order_by(_m.uid)
    .limit(param("most"))
)
_STILL_THERE = Statement(select(_m.uid).where(*_BETWEEN))
_INSERT = Statement(insert(tables.orders))
_REACH = Statement(
    update(tables.folders).where(_f.id == param("folder")).values(ordered_uid=param("high"))
)
_REMOVE = Chosen(
    _o.uid, lambda chosen: delete(tables.orders).where(_o.folder_id == param("folder"), chosen)
)


def catch_up(database: Database, owner: Owner, folder: Row) -> None:
    """Make the keys of the messages that have come since a folder was last sorted.

    Args:
        database: the post office's; no read may be under way in this thread.
        owner: whose folder it is.
        folder: its row, as `folders.find` gives it.
    """
    reached, last = folder.ordered_uid, folder.next_uid - 1
    while reached < last:
        with database.reader() as connection:
            rows, high = _new_keys(connection, folder, reached, last)
        job = partial(_keep, owner=owner, folder_id=folder.id, rows=rows, low=reached, high=high)
        reached = database.transact(job, lazy=True)


def forget(transaction: Transaction, folder: Row, uids: Collection[int]) -> None:
    """Remove the keys of messages that leave a folder, where it has been sorted."""
    if uids and min(uids) <= folder.ordered_uid:
        _REMOVE.run(transaction, uids, folder=folder.id)


def _new_keys(
    connection: Connection, folder: Row, low: int, last: int
) -> tuple[list[dict[str, object]], int]:
    """Return the keys of some messages above a uid, and the uid that they reach to."""
    wanted = {"folder": folder.id, "low": low, "high": last, "most": _AT_ONCE}
    found = connection.tuples(_NEW, wanted)
    rows: list[dict[str, object]] = []
    for uid, size, text in found:
        summary = Summary.from_json(text)
        rows.append(
            {
                "folder_id": folder.id,
                "uid": uid,
                "sender": correspondent_key(summary, folder.use),
                "subject": subject_key(summary),
                "size": size,
            }
        )
    return rows, found[-1][0] if len(found) == _AT_ONCE else last


def _keep(
    transaction: Transaction,
    *,
    owner: Owner,
    folder_id: int,
    rows: list[dict[str, object]],
    low: int,
    high: int,
) -> int:
    """Write keys, unless another process has just done so; returns how far they reach now."""
    reached: int = lock(transaction, owner, folder_id)[folder_id].ordered_uid
    if reached != low:
        return reached
    between = {"folder": folder_id, "low": low, "high": high}
    there = {uid for (uid,) in transaction.tuples(_STILL_THERE, between)}
    transaction.run_many(_INSERT, [row for row in rows if row["uid"] in there])
    transaction.run(_REACH, {"folder": folder_id, "high": high})
    return high
