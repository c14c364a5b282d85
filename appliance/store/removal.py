"""Deleting for good: messages of a folder, whole folders, all of a mailbox.

A folder goes in steps that can be taken up again after a crash: first it is made nobody's, then its
messages go, a thousand a commit, then its row.

Failure: `CommitFailed`, `StoreBusy` (temporary): what has gone until then is gone.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select

from appliance.database.content import ContentFolder
from appliance.database.database import Database
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.store import changes, tables
from appliance.store.chosen import AT_ONCE
from appliance.store.folders import MAILBOX, Owner

_f, _m = tables.folders.c, tables.messages.c
_LOCK = Statement(
    select(_f.id, _f.ordered_uid)
    .where(_f.id == param("folder"), _f.postoffice_id == param("po"))
    .with_for_update()
)
_FOLDERS = Statement(select(_f.id).where(*MAILBOX).order_by(_f.id))
_UIDS = Statement(
    select(_m.uid)
    .where(_m.folder_id == param("folder"), _m.uid > param("above"), _m.uid < param("below"))
    .order_by(_m.uid)
    .limit(AT_ONCE)
)
_ALL = 2**63 - 1
_DROP = [
    Statement(delete(table).where(column == param("folder")))
    for table, column in (
        (tables.filings, tables.filings.c.folder_id),
        (tables.orders, tables.orders.c.folder_id),
        (tables.folders, _f.id),
    )
]


def expunge(
    database: Database,
    files: ContentFolder,
    postoffice_id: int,
    folder_id: int,
    uids: Collection[int],
) -> list[tuple[int, str]]:
    """Delete messages of a post office in one commit.

    Returns:
        Uid and entry id of those that were there.
    """

    def job(transaction: Transaction) -> list[tuple[int, str]]:
        folder = transaction.row(_LOCK, {"folder": folder_id, "po": postoffice_id})
        if folder is None:
            return []
        return changes.expunge(transaction, files, folder, uids)

    return database.transact(job)


def empty(
    database: Database,
    files: ContentFolder,
    postoffice_id: int,
    folder_id: int,
    *,
    below: int = _ALL,
) -> int:
    """Delete the messages of a folder whose uid is below one; returns how many they were."""
    count = last = 0
    while True:
        with database.reader() as connection:
            wanted = {"folder": folder_id, "above": last, "below": below}
            uids = [uid for (uid,) in connection.tuples(_UIDS, wanted)]
        if not uids:
            return count
        last = uids[-1]
        count += len(expunge(database, files, postoffice_id, folder_id, uids))


def remove_folder(
    database: Database, files: ContentFolder, postoffice_id: int, folder_id: int
) -> None:
    """Delete a folder that nobody uses any more, with its messages."""
    wanted = {"folder": folder_id, "po": postoffice_id, "above": 0, "below": _ALL}

    def drop(transaction: Transaction) -> bool:
        is_there = transaction.row(_LOCK, wanted) is not None
        if is_there and transaction.value(_UIDS, wanted) is not None:  # a delivery was quicker
            return False
        for statement in _DROP:
            transaction.run(statement, wanted)
        return True

    is_dropped = False
    while not is_dropped:
        empty(database, files, postoffice_id, folder_id)
        is_dropped = database.transact(drop)


def remove_folders(database: Database, files: ContentFolder, owner: Owner) -> int:
    """Delete all folders of a mailbox; returns how many they were."""
    with database.reader() as connection:
        found = [folder_id for (folder_id,) in connection.tuples(_FOLDERS, owner.params())]
    for folder_id in found:
        remove_folder(database, files, owner.postoffice_id, folder_id)
    return len(found)
