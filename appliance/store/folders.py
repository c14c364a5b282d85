"""Folders: finding and locking them, their counters, their names.

A job locks the folders it changes before anything else, in the order of their ids, so that on
PostgreSQL two jobs never wait for each other.

Never: changes a message. Failure: `StoreError` with a text for people.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from unicodedata import category, normalize

from sqlalchemy import select, update

from appliance.database.statement import Connection, Row, Statement, Upsert, param
from appliance.database.writer import Transaction
from appliance.runtime.clock import MICROSECONDS
from appliance.store import tables
from appliance.store.errors import (
    BadFolderName,
    FolderExists,
    FolderNotEmpty,
    FolderNotFound,
    FolderProtected,
    TooManyFolders,
)
from appliance.store.message import STANDARD_FOLDERS, Folder, Use
from appliance.store.sort_keys import fold

MAX_NAME = 100  # characters
MAX_FOLDERS = 1000  # a mailbox
_MAX_ID = 2**63 - 1
_NO_LINE = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, surrogates, ends of lines

_f = tables.folders.c
MAILBOX = (_f.postoffice_id == param("po"), _f.mailbox_id == param("mailbox"))
# The name is in an index, and nobody changes it.
IS_INBOX = (_f.name == STANDARD_FOLDERS[0][0], _f.use == Use.INBOX)
INBOX = (*MAILBOX, *IS_INBOX)
_THIS = (_f.id == param("folder"), *MAILBOX)
COLUMNS = (
    *(_f.id, _f.name, _f.use, _f.uid_validity, _f.next_uid),
    *(_f.messages, _f.unread, _f.octets, _f.modseq),
)
_COUNTERS = ("messages", "unread", "octets")

_ALL = Statement(select(*COLUMNS).where(*MAILBOX))
_FIND = Statement(select(*COLUMNS, _f.ordered_uid).where(*_THIS))
_LOCK = Statement(select(*COLUMNS, _f.ordered_uid).where(*_THIS).with_for_update())
_BY_NAME = Statement(select(*COLUMNS).where(*MAILBOX, _f.name == param("name")))
_CHANGE = Statement(
    update(tables.folders)
    .where(_f.id == param("folder"))
    .values(
        next_uid=_f.next_uid + param("taken"),
        modseq=_f.modseq + 1,
        **{name: _f[name] + param(name) for name in _COUNTERS},
    )
    .returning(_f.next_uid, _f.modseq)
)
_INSERT = Upsert(  # of two workers that find no Inbox at once, one makes it
    lambda insert: insert(tables.folders).on_conflict_do_nothing(),
    [column.name for column in _f if column.name not in ("id", "ordered_uid")],
)
_RENAME = Statement(
    update(tables.folders)
    .where(_f.id == param("folder"))
    .values(name=param("name"), mailbox_id=param("mailbox"))
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose folders are meant."""

    postoffice_id: int
    mailbox_id: int

    def params(self, **more: object) -> dict[str, object]:
        """Return the parameters that keep a statement to this mailbox."""
        return {"po": self.postoffice_id, "mailbox": self.mailbox_id, **more}


def everything(connection: Connection, owner: Owner) -> list[Folder]:
    """Return a mailbox's folders: the special ones in their usual order, the others by name."""
    found = [Folder(*row) for row in connection.tuples(_ALL, owner.params())]
    places: dict[str, int] = {use: place for place, (_, use) in enumerate(STANDARD_FOLDERS)}
    last = len(places)
    return sorted(
        found, key=lambda folder: (places.get(folder.use, last), fold(folder.name), folder.id)
    )


def find(connection: Connection, owner: Owner, folder_id: int) -> Row:
    """Return a folder's row.

    Raises:
        FolderNotFound: the mailbox has none of that id.
    """
    return _row(connection, _FIND, owner, folder_id)


def folder(row: Row) -> Folder:
    """Return the folder of a row."""
    return Folder(*row[: len(COLUMNS)])


def lock(transaction: Transaction, owner: Owner, *folder_ids: int) -> dict[int, Row]:
    """Keep others from changing folders until the transaction ends; returns their rows by id.

    Raises:
        FolderNotFound: the mailbox has none of one of the ids.
    """
    return {each: _row(transaction, _LOCK, owner, each) for each in sorted(set(folder_ids))}


def change(
    transaction: Transaction,
    folder_id: int,
    *,
    taken: int = 0,
    messages: int = 0,
    unread: int = 0,
    octets: int = 0,
) -> Row:
    """Add to a folder's counters and count its modseq up.

    Args:
        transaction: the one that changes the messages.
        folder_id: which.
        taken: how many uids are given out.
        messages: how many messages more.
        unread: how many unread ones more.
        octets: how many octets more.

    Returns:
        `next_uid` and `modseq` as they are now.
    """
    row = transaction.row(
        _CHANGE,
        {
            "folder": folder_id,
            "taken": taken,
            "messages": messages,
            "unread": unread,
            "octets": octets,
        },
    )
    assert row is not None  # it is locked
    return row


def make_standard(transaction: Transaction, owner: Owner, now_us: int) -> None:
    """Make those of the standard folders that a mailbox doesn't have."""
    rows = [_new(owner, name, use, now_us) for name, use in STANDARD_FOLDERS]
    transaction.run_many(_INSERT, rows)


def create(transaction: Transaction, owner: Owner, name: str, now_us: int) -> Folder:
    """Make a folder (see `MailboxStore.create_folder`)."""
    name = checked_name(name)
    others = _others(transaction, owner, now_us)
    if len(others) >= MAX_FOLDERS:
        raise TooManyFolders(f"the mailbox has {len(others)} folders: no more than that can be")
    _check_free(name, others)
    transaction.run(_INSERT, _new(owner, name, "", now_us))
    row = transaction.row(_BY_NAME, owner.params(name=name))
    assert row is not None
    return Folder(*row)


def rename(
    transaction: Transaction, owner: Owner, folder_id: int, name: str, now_us: int
) -> Folder:
    """Give a folder another name (see `MailboxStore.rename_folder`)."""
    others = _others(transaction, owner, now_us)
    row = lock(transaction, owner, folder_id)[folder_id]
    _check_unprotected(row, "renamed")
    name = checked_name(name)
    _check_free(name, [each for each in others if each.id != folder_id])
    transaction.run(_RENAME, {"folder": folder_id, "name": name, "mailbox": owner.mailbox_id})
    renamed = transaction.row(_BY_NAME, owner.params(name=name))
    assert renamed is not None
    return Folder(*renamed)


def disown(
    transaction: Transaction, owner: Owner, folder_id: int, *, only_empty: bool = False
) -> None:
    """Make a folder nobody's: it is gone for everybody, and its messages can go in pieces."""
    row = lock(transaction, owner, folder_id)[folder_id]
    _check_unprotected(row, "deleted")
    if only_empty and row.messages:
        raise FolderNotEmpty(f"the folder {row.name!r} has messages again; nothing was deleted")
    nobodys = {"folder": folder_id, "name": str(folder_id), "mailbox": tables.NOBODY}
    transaction.run(_RENAME, nobodys)


def checked_name(name: str) -> str:
    """Return a folder's name as it is kept.

    Raises:
        BadFolderName: no folder can have it.
    """
    kept = normalize("NFC", name.strip())
    if not kept:
        raise BadFolderName("a folder needs a name")
    if len(kept) > MAX_NAME:
        raise BadFolderName(
            f"a folder's name may have {MAX_NAME} characters; this one has {len(kept)}"
        )
    if "/" in kept or kept in (".", "..") or not _NO_LINE.isdisjoint(map(category, kept)):
        raise BadFolderName(
            f"{kept!r} can't be a folder's name: it has to be one line without slashes"
        )
    return kept


def _row(connection: Connection, statement: Statement, owner: Owner, folder_id: int) -> Row:
    row = None
    if 0 < folder_id <= _MAX_ID:
        row = connection.row(statement, owner.params(folder=folder_id))
    if row is None:
        raise FolderNotFound(
            f"there is no folder {folder_id} in this mailbox; it may have been deleted"
        )
    return row


def _others(transaction: Transaction, owner: Owner, now_us: int) -> list[Folder]:
    """Return all folders, the standard ones made; nobody else names a folder meanwhile."""
    transaction.alone(f"folders of {owner.postoffice_id}/{owner.mailbox_id}")
    make_standard(transaction, owner, now_us)
    return everything(transaction, owner)


def _check_free(name: str, others: Iterable[Folder]) -> None:
    for other in others:
        if other.name.casefold() == name.casefold():
            raise FolderExists(f"there is already a folder {other.name!r}: choose another name")


def _check_unprotected(row: Row, what: str) -> None:
    if row.use:
        raise FolderProtected(f"{row.name} is a folder every mailbox has: it can't be {what}")


def _new(owner: Owner, name: str, use: Use | str, now_us: int) -> dict[str, Any]:
    return {
        "postoffice_id": owner.postoffice_id,
        "mailbox_id": owner.mailbox_id,
        "name": name,
        "use": use,
        "uid_validity": now_us // MICROSECONDS,
        "next_uid": 1,
        "messages": 0,
        "unread": 0,
        "octets": 0,
        "modseq": 1,
    }
