"""The store of all post offices: delivering, listing, reading, deleting.

Owns: postoffices/ID/mail.db and content/. Never: decides who may; asks the queue or the directory.
Failure: `CommitFailed`, `StoreBusy` (temporary): nothing of the call is durable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from appliance.database.content import Content, ContentFolder
from appliance.database.databases import Databases
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.runtime import steps
from appliance.runtime.clock import MICROSECONDS, Clock
from appliance.store import tables
from appliance.store.message import (
    STANDARD_FOLDERS,
    ContentsMissing,
    Delivery,
    Flag,
    FolderStatus,
    Message,
    Use,
)

_c, _f, _m, _d = tables.contents.c, tables.folders.c, tables.messages.c, tables.deliveries.c
_MAILBOX = (_f.postoffice_id == param("po"), _f.mailbox_id == param("mailbox"))
_INBOX = (*_MAILBOX, _f.use == Use.INBOX)

_IS_DELIVERED = Statement(select(_d.id).where(_d.id == param("delivery")))
_INSERT_DELIVERY = Statement(insert(tables.deliveries))
_INSERT_CONTENT = Statement(
    insert(tables.contents).returning(_c.id),
    ("postoffice_id", "size", "refs", "body", "file", "summary"),
)
_INSERT_MESSAGE = Statement(insert(tables.messages))
_INSERT_FOLDER = {  # of two workers that find no Inbox at once, one makes it
    dialect: Statement(
        make.insert(tables.folders).on_conflict_do_nothing(),
        [column.name for column in _f if column.name != "id"],
    )
    for dialect, make in (("sqlite", sqlite), ("postgresql", postgresql))
}
_APPEND = Statement(
    update(tables.folders)
    .where(*_INBOX)
    .values(
        next_uid=_f.next_uid + param("count"),
        messages=_f.messages + param("count"),
        unread=_f.unread + param("count"),
        octets=_f.octets + param("added"),
        modseq=_f.modseq + 1,
    )
    .returning(_f.id, _f.next_uid, _f.modseq)
)
_STATUS = Statement(
    select(_f.id, _f.uid_validity, _f.next_uid, _f.messages, _f.unread, _f.octets, _f.modseq).where(
        *_INBOX
    )
)
_LISTING = Statement(
    select(_m.uid, _m.size)
    .where(_m.folder_id == param("folder"), _m.uid < param("below"))
    .order_by(_m.uid)
)
_MESSAGE = Statement(
    select(_m.uid, _m.entry_id, _m.size, _m.prefix, _c.size.label("content_size"), _c.body, _c.file)
    .select_from(
        tables.messages.join(tables.contents, _c.id == _m.content_id).join(
            tables.folders, _f.id == _m.folder_id
        )
    )
    .where(
        _m.folder_id == param("folder"),
        _m.uid == param("message_uid"),
        _f.postoffice_id == param("po"),
    )
)
_OWN_FOLDER = Statement(
    select(_f.id).where(_f.id == param("folder"), _f.postoffice_id == param("po"))
)
_EXPUNGE = Statement(
    delete(tables.messages)
    .where(_m.folder_id == param("folder"), _m.uid == param("message_uid"))
    .returning(_m.uid, _m.entry_id, _m.content_id, _m.size, _m.flags)
)
_SHRINK = Statement(
    update(tables.folders)
    .where(_f.id == param("folder"))
    .values(
        messages=_f.messages - param("count"),
        unread=_f.unread - param("unseen"),
        octets=_f.octets - param("removed"),
        modseq=_f.modseq + 1,
    )
)
_DROP_CONTENT = Statement(
    delete(tables.contents)
    .where(_c.id == param("content"), _c.refs <= param("count"))
    .returning(_c.file)
)
_CONTENT_OF_ENTRY = Statement(
    select(_d.content_id)
    .join(tables.contents, _c.id == _d.content_id)
    .where(_d.id > param("low"), _d.id < param("high"), _c.postoffice_id == param("po"))
    .limit(1)
)
_RELEASE_CONTENT = Statement(
    update(tables.contents).where(_c.id == param("content")).values(refs=_c.refs - param("count"))
)
_FOLDERS = Statement(select(_f.id).where(*_MAILBOX))
_UIDS = Statement(select(_m.uid).where(_m.folder_id == param("folder")).limit(1000))
_DROP_FOLDER = Statement(delete(tables.folders).where(_f.id == param("folder")))
_OLD_DELIVERIES = Statement(
    select(_d.id)
    .where(_d.id > param("last"), _d.delivered_at < param("before"))
    .order_by(_d.id)
    .limit(param("most"))
)
_FORGET = Statement(delete(tables.deliveries).where(_d.id == param("delivery")))
_FILES = Statement(select(_c.file).where(_c.postoffice_id == param("po"), _c.file.is_not(None)))
_USAGE = Statement(
    select(func.coalesce(func.sum(_f.messages), 0), func.coalesce(func.sum(_f.octets), 0)).where(
        *_MAILBOX
    )
)


class Store:
    """Everybody's mail."""

    def __init__(self, databases: Databases, *, clock: Clock) -> None:
        """Take the home's databases."""
        self._databases = databases
        self._clock = clock

    def folder(self, postoffice_id: int) -> ContentFolder:
        """Return where a post office's large contents lie."""
        home: Path = self._databases.home
        return ContentFolder(home / "postoffices" / str(postoffice_id) / "content")

    def deliver(self, postoffice_id: int, deliveries: Sequence[Delivery]) -> list[bool]:
        """Put copies of messages into mailboxes' Inboxes, all in one commit.

        A delivery that was made before, by a worker that a crash cut off, is left alone.

        Returns:
            For each delivery whether it is new.

        Raises:
            ContentsMissing: files of some messages can't be linked; those without them can be
                delivered by another call.
        """
        now = self._clock.now_us()
        folder = self.folder(postoffice_id)
        linked = _link(folder, deliveries)
        if linked:
            steps.reach("store.content-linked")
        size = sum({each.entry_id: each.content.size for each in deliveries}.values())

        def job(transaction: Transaction) -> list[bool]:
            new = [
                transaction.value(_IS_DELIVERED, {"delivery": delivery.id}) is None
                for delivery in deliveries
            ]
            made = [delivery for delivery, is_new in zip(deliveries, new, strict=True) if is_new]
            if made:
                _append(transaction, postoffice_id, made, linked, now)
            return new

        return self._databases.store(postoffice_id).transact(job, size)

    def inbox(self, postoffice_id: int, mailbox_id: int) -> FolderStatus | None:
        """Return a mailbox's Inbox; None when nothing was ever delivered to it."""
        with self._databases.store(postoffice_id).reader() as connection:
            row = connection.row(_STATUS, {"po": postoffice_id, "mailbox": mailbox_id})
        return None if row is None else FolderStatus(*row)

    def listing(self, postoffice_id: int, folder: FolderStatus) -> list[tuple[Any, ...]]:
        """Return uid and size of the messages that were there when the status was read."""
        wanted = {"folder": folder.id, "below": folder.next_uid}
        with self._databases.store(postoffice_id).reader() as connection:
            return connection.tuples(_LISTING, wanted)

    def message(self, postoffice_id: int, folder_id: int, uid: int) -> Message | None:
        """Return a message; None when it has been deleted."""
        with self._databases.store(postoffice_id).reader() as connection:
            wanted = {"po": postoffice_id, "folder": folder_id, "message_uid": uid}
            row = connection.row(_MESSAGE, wanted)
        if row is None:
            return None
        path = None if row.file is None else self.folder(postoffice_id).file(row.file)
        content = Content(row.content_size, row.body, path)
        return Message(row.uid, row.entry_id, row.size, row.prefix, content)

    def expunge(
        self, postoffice_id: int, folder_id: int, uids: Iterable[int]
    ) -> list[tuple[int, str]]:
        """Delete messages for good; returns (uid, entry id) of those that were there."""
        wanted = [{"folder": folder_id, "message_uid": uid} for uid in uids]

        folder = self.folder(postoffice_id)

        def job(transaction: Transaction) -> list[tuple[int, str]]:
            if transaction.value(_OWN_FOLDER, {"folder": folder_id, "po": postoffice_id}) is None:
                return []
            rows = [row for each in wanted if (row := transaction.row(_EXPUNGE, each)) is not None]
            if not rows:
                return []
            counters = {
                "folder": folder_id,
                "count": len(rows),
                "unseen": sum(not row.flags & Flag.SEEN for row in rows),
                "removed": sum(row.size for row in rows),
            }
            transaction.run(_SHRINK, counters)
            uses = Counter(row.content_id for row in rows)
            for name in _release(transaction, uses):
                transaction.after_commit(partial(folder.remove, name))
            return [(row.uid, row.entry_id) for row in rows]

        return self._databases.store(postoffice_id).transact(job)

    def usage(self, postoffice_id: int, mailbox_id: int) -> tuple[int, int]:
        """Return messages and octets of a mailbox, over all its folders."""
        with self._databases.store(postoffice_id).reader() as connection:
            sums = connection.tuples(_USAGE, {"po": postoffice_id, "mailbox": mailbox_id})
        messages, octets = sums[0]
        return int(messages), int(octets)

    def remove_mailbox(self, postoffice_id: int, mailbox_id: int) -> None:
        """Delete a mailbox's folders and messages, a thousand a commit."""
        with self._databases.store(postoffice_id).reader() as connection:
            wanted = {"po": postoffice_id, "mailbox": mailbox_id}
            folders = [row.id for row in connection.rows(_FOLDERS, wanted)]
        for folder_id in folders:
            while uids := self._some_uids(postoffice_id, folder_id):
                self.expunge(postoffice_id, folder_id, uids)
            self._drop_folder(postoffice_id, folder_id)

    def remove_postoffice(self, postoffice_id: int) -> None:
        """Remove what is left of a post office whose mailboxes have been removed."""
        self._databases.drop_store(postoffice_id)

    def old_deliveries(
        self, postoffice_id: int, before_us: int, most: int, *, after: str = ""
    ) -> list[str]:
        """Return delivery ids from before a time, in their order.

        Args:
            postoffice_id: whose; on PostgreSQL, where they lie in one table, everybody's.
            before_us: µs.
            most: how many at most.
            after: continue after this id.
        """
        wanted = {"last": after, "before": before_us, "most": most}
        with self._databases.store(postoffice_id).reader() as connection:
            return [row.id for row in connection.rows(_OLD_DELIVERIES, wanted)]

    def forget_deliveries(self, postoffice_id: int, ids: Iterable[str]) -> None:
        """Forget deliveries whose queue entries are closed for good."""
        wanted = [{"delivery": each} for each in ids]
        self._databases.store(postoffice_id).transact(lambda tx: tx.run_many(_FORGET, wanted))

    def sweep(self, postoffice_id: int, *, older_than_s: int) -> int:
        """Unlink content files that no row names and that are older than some time."""
        with self._databases.store(postoffice_id).reader() as connection:
            named = {row.file for row in connection.rows(_FILES, {"po": postoffice_id})}
        limit_s = self._clock.now_us() / MICROSECONDS - older_than_s
        swept = 0
        for path in self.folder(postoffice_id).names():
            if path.name not in named and path.stat().st_ctime < limit_s:
                path.unlink(missing_ok=True)
                swept += 1
        return swept

    def _drop_folder(self, postoffice_id: int, folder_id: int) -> None:
        dropped = {"folder": folder_id}
        self._databases.store(postoffice_id).transact(lambda tx: tx.run(_DROP_FOLDER, dropped))

    def _some_uids(self, postoffice_id: int, folder_id: int) -> list[int]:
        with self._databases.store(postoffice_id).reader() as connection:
            return [row.uid for row in connection.rows(_UIDS, {"folder": folder_id})]


def _link(folder: ContentFolder, deliveries: Sequence[Delivery]) -> dict[str, str]:
    """Link the large contents of some deliveries; returns the files' names by entry id."""
    linked: dict[str, str] = {}
    errors: dict[str, OSError] = {}
    for delivery in deliveries:
        entry_id, path = delivery.entry_id, delivery.content.path
        if path is None or entry_id in linked or entry_id in errors:
            continue
        try:
            folder.link(path, delivery.id)
        except OSError as error:
            errors[entry_id] = error
        else:
            linked[entry_id] = delivery.id
    if errors:
        raise ContentsMissing(errors)
    return linked


def _append(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
    now: int,
) -> None:
    """Write new deliveries: contents once, counters once a mailbox, then the messages."""
    contents = _keep_contents(transaction, postoffice_id, deliveries, files)
    transaction.run_many(
        _INSERT_DELIVERY,
        [
            {"id": each.id, "content_id": contents[each.entry_id], "delivered_at": now}
            for each in deliveries
        ],
    )
    by_mailbox: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        by_mailbox.setdefault(delivery.mailbox_id, []).append(delivery)
    rows: list[dict[str, Any]] = []
    # in one order everywhere: on PostgreSQL two workers would else wait for each other
    for mailbox_id, copies in sorted(by_mailbox.items()):
        sizes = [len(copy.prefix) + copy.content.size for copy in copies]
        wanted = {
            "po": postoffice_id,
            "mailbox": mailbox_id,
            "count": len(copies),
            "added": sum(sizes),
        }
        folder = transaction.row(_APPEND, wanted)
        if folder is None:
            _make_folders(transaction, postoffice_id, mailbox_id, now)
            folder = transaction.row(_APPEND, wanted)
        assert folder is not None
        first = folder.next_uid - len(copies)
        rows.extend(
            {
                "folder_id": folder.id,
                "uid": uid,
                "content_id": contents[copy.entry_id],
                "entry_id": copy.entry_id,
                "prefix": copy.prefix,
                "size": size,
                "flags": 0,
                "modseq": folder.modseq,
                "received_at": now,
            }
            for uid, (copy, size) in enumerate(zip(copies, sizes, strict=True), first)
        )
    transaction.run_many(_INSERT_MESSAGE, rows)


def _keep_contents(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
) -> dict[str, int]:
    """Store each message's content once, also over several calls; returns ids by entry."""
    refs = Counter(delivery.entry_id for delivery in deliveries)
    contents: dict[str, int] = {}
    for delivery in deliveries:
        entry_id = delivery.entry_id
        if entry_id in contents:
            continue
        if delivery.of > refs[entry_id]:  # an earlier call may have stored it
            known = transaction.value(
                _CONTENT_OF_ENTRY,
                {"low": f"{entry_id}.", "high": f"{entry_id}/", "po": postoffice_id},
            )
            shared = {"content": known, "count": -refs[entry_id]}
            if known is not None and transaction.run(_RELEASE_CONTENT, shared):
                contents[entry_id] = known
                continue
        contents[entry_id] = transaction.value(
            _INSERT_CONTENT,
            {
                "postoffice_id": postoffice_id,
                "size": delivery.content.size,
                "refs": refs[entry_id],
                "body": delivery.content.body,
                "file": files.get(entry_id),
                "summary": delivery.summary,
            },
        )
    return contents


def _make_folders(transaction: Transaction, postoffice_id: int, mailbox_id: int, now: int) -> None:
    transaction.run_many(
        _INSERT_FOLDER[transaction.dialect],
        [
            {
                "postoffice_id": postoffice_id,
                "mailbox_id": mailbox_id,
                "name": name,
                "use": use,
                "uid_validity": now // MICROSECONDS,
                "next_uid": 1,
                "messages": 0,
                "unread": 0,
                "octets": 0,
                "modseq": 1,
            }
            for name, use in STANDARD_FOLDERS
        ],
    )


def _release(transaction: Transaction, uses: Counter[int]) -> list[str]:
    """Let contents go; returns the names of files that nothing shows any more."""
    files: list[str] = []
    for content_id, count in sorted(uses.items()):  # in one order, as above
        wanted = {"content": content_id, "count": count}
        dropped = transaction.row(_DROP_CONTENT, wanted)
        if dropped is None:
            transaction.run(_RELEASE_CONTENT, wanted)
            # PostgreSQL: somebody else may have let the last others go at the same moment
            dropped = transaction.row(_DROP_CONTENT, {"content": content_id, "count": 0})
        if dropped is not None and dropped.file is not None:
            files.append(dropped.file)
    return files
