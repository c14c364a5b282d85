"""What is done to messages inside one transaction: filing, flagging, moving, copying, deleting.

Each takes folders that `folders.lock` has locked, and changes counters and messages together.

Owns: the rows of `messages` and `filings`. Never: commits.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from appliance.database.content import ContentFolder
from appliance.database.statement import Row, Statement, param
from appliance.database.writer import Transaction
from appliance.store import contents, folders, orders, tables
from appliance.store.chosen import Chosen
from appliance.store.message import Flag

_m, _k = tables.messages.c, tables.filings.c
_IN_FOLDER = _m.folder_id == param("folder")
_KEPT = (_m.uid, _m.content_id, _m.entry_id, _m.prefix, _m.size, _m.flags, _m.received_at)

_SEEN = int(Flag.SEEN)  # an enum's arithmetic is slow

INSERT_MESSAGES = Statement(insert(tables.messages))
_FLAGS = Chosen(_m.uid, lambda chosen: select(_m.uid, _m.flags).where(_IN_FOLDER, chosen))
_SET_FLAGS = Chosen(
    _m.uid,
    lambda chosen: (
        update(tables.messages)
        .where(_IN_FOLDER, chosen)
        .values(flags=param("new"), modseq=param("now"))
    ),
)
_READ = Chosen(_m.uid, lambda chosen: select(*_KEPT).where(_IN_FOLDER, chosen))
_TAKE = Chosen(
    _m.uid, lambda chosen: delete(tables.messages).where(_IN_FOLDER, chosen).returning(*_KEPT)
)
_EXPUNGE = Chosen(
    _m.uid,
    lambda chosen: (
        delete(tables.messages)
        .where(_IN_FOLDER, chosen)
        .returning(_m.uid, _m.entry_id, _m.content_id, _m.size, _m.flags)
    ),
)
_FILED = Statement(select(_k.uid).where(_k.folder_id == param("folder"), _k.key == param("filed")))
_FILE = Statement(insert(tables.filings))


class _Filed(NamedTuple):
    """A message that comes from no folder, with the columns of one that does."""

    uid: int
    content_id: int
    entry_id: str
    prefix: bytes
    size: int
    flags: int
    received_at: int


def flag(
    transaction: Transaction, folder: Row, uids: Collection[int], *, add: Flag, remove: Flag
) -> int:
    """Set and clear flags; returns how many messages changed."""
    changed: dict[int, list[int]] = {}
    unread = 0
    for uid, old in _FLAGS.rows(transaction, uids, folder=folder.id):
        new = (old | int(add)) & ~int(remove)
        if new != old:
            changed.setdefault(new, []).append(uid)
            unread += (old & _SEEN) - (new & _SEEN)
    if not changed:
        return 0
    now = folders.change(transaction, folder.id, unread=unread).modseq
    for new, some in changed.items():
        _SET_FLAGS.run(transaction, some, folder=folder.id, new=new, now=now)
    return sum(map(len, changed.values()))


def expunge(
    transaction: Transaction, files: ContentFolder, folder: Row, uids: Collection[int]
) -> list[tuple[int, str]]:
    """Delete messages; files that nothing shows any more are unlinked after the commit.

    Returns:
        Uid and entry id of those that were there, by uid.
    """
    rows = _EXPUNGE.rows(transaction, uids, folder=folder.id)
    if not rows:
        return []
    _leave(transaction, folder, rows)
    for name in contents.release(transaction, Counter(row.content_id for row in rows)):
        transaction.after_commit(partial(files.remove, name))
    return sorted((row.uid, row.entry_id) for row in rows)


def move(
    transaction: Transaction, source: Row, target: Row, uids: Collection[int]
) -> dict[int, int]:
    """Move messages; returns their new uids by the old ones, the same where nothing moves."""
    if source.id == target.id:
        there = _FLAGS.rows(transaction, uids, folder=source.id)
        return {row.uid: row.uid for row in there}
    rows = _TAKE.rows(transaction, uids, folder=source.id)
    if not rows:
        return {}
    _leave(transaction, source, rows)
    return _arrive(transaction, target, rows)


def copy(
    transaction: Transaction, source: Row, target: Row, uids: Collection[int]
) -> dict[int, int]:
    """Copy messages; returns the copies' uids by those of the originals."""
    rows = _READ.rows(transaction, uids, folder=source.id)
    if not rows:
        return {}
    contents.retain(transaction, Counter(row.content_id for row in rows))
    return _arrive(transaction, target, rows)


def file(
    transaction: Transaction,
    folder: Row,
    content_id: int,
    *,
    size: int,
    flags: Flag,
    entry_id: str,
    now_us: int,
) -> int:
    """Put one message into a folder.

    Args:
        transaction: the one that keeps its content.
        folder: where.
        content_id: its content, kept with one reference.
        size: octets.
        flags: what it is filed with.
        entry_id: the queue's id of it, or empty.
        now_us: when it is filed, µs.

    Returns:
        Its uid.
    """
    row = _Filed(0, content_id, entry_id, b"", size, int(flags), now_us)
    return _arrive(transaction, folder, [row])[0]


def filed(transaction: Transaction, folder: Row, key: str) -> int | None:
    """Return the uid of what was filed under a client's key before."""
    uid: int | None = transaction.value(_FILED, {"folder": folder.id, "filed": _hash(key)})
    return uid


def remember(transaction: Transaction, folder: Row, key: str, uid: int, now_us: int) -> None:
    """Remember what has been filed under a client's key."""
    row = {"folder_id": folder.id, "key": _hash(key), "uid": uid, "filed_at": now_us}
    transaction.run_many(_FILE, [row])


def _hash(key: str) -> str:
    """Return a client's key as it is kept: short, whatever a client takes for one."""
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _sums(rows: Sequence[Row]) -> dict[str, int]:
    return {
        "messages": len(rows),
        "unread": sum(not row.flags & _SEEN for row in rows),
        "octets": sum(row.size for row in rows),
    }


def _leave(transaction: Transaction, folder: Row, rows: Sequence[Row]) -> None:
    """Take messages that have left a folder off its counters and out of its orders."""
    lost = {name: -count for name, count in _sums(rows).items()}
    folders.change(transaction, folder.id, **lost)
    orders.forget(transaction, folder, [row.uid for row in rows])


def _arrive(transaction: Transaction, folder: Row, rows: Sequence[Row]) -> dict[int, int]:
    """Put messages of another folder into one, in their order; returns new uids by old ones."""
    now = folders.change(transaction, folder.id, taken=len(rows), **_sums(rows))
    new: dict[int, int] = {}
    made: list[dict[str, Any]] = []
    ordered = sorted(rows, key=lambda row: row.uid)
    for uid, row in enumerate(ordered, now.next_uid - len(rows)):
        new[row.uid] = uid
        kept = {**row._asdict(), "folder_id": folder.id, "uid": uid, "modseq": now.modseq}
        made.append(kept)
    transaction.run_many(INSERT_MESSAGES, made)
    return new
