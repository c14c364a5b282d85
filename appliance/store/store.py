"""The store of all post offices: delivering, reading Inboxes, removing, tidying up.

What people do with their mail is in `MailboxStore`.

Owns: postoffices/ID/mail.db and content/. Never: decides who may; asks the queue or the directory.
Failure: `CommitFailed`, `StoreBusy` (temporary): nothing of the call is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from sqlalchemy import delete, select

from appliance.database.content import ContentFolder
from appliance.database.databases import Databases
from appliance.database.orphans import NamedFiles
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.runtime import steps
from appliance.runtime.clock import Clock, first_id
from appliance.store import delivery, reading, removal, tables
from appliance.store.chosen import possible
from appliance.store.contents import content_folder
from appliance.store.folders import COLUMNS, INBOX, Owner
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Copy, Delivery, Folder, Message

_c, _m, _d, _k = tables.contents.c, tables.messages.c, tables.deliveries.c, tables.filings.c

_LISTED_AT_ONCE = 10_000

_STATUS = Statement(select(*COLUMNS).where(*INBOX))
_LISTING = Statement(
    select(_m.uid, _m.size)
    .where(_m.folder_id == param("folder"), _m.uid > param("above"), _m.uid < param("below"))
    .order_by(_m.uid)
    .limit(param("most"))
)
_OLD_DELIVERIES = Statement(  # ids begin with the time of acceptance: younger ones are passed over
    select(_d.id)
    .where(_d.id > param("last"), _d.id < param("younger"), _d.delivered_at < param("before"))
    .order_by(_d.id)
    .limit(param("most"))
)
_FORGET = Statement(delete(tables.deliveries).where(_d.id == param("delivery")))
_OLD_FILING = Statement(select(_k.uid).where(_k.filed_at < param("before")).limit(1))
_FORGET_FILINGS = Statement(delete(tables.filings).where(_k.filed_at < param("before")))
_make_copy: Callable[[tuple[object, ...]], Copy] = partial(tuple.__new__, Copy)
_FILES = Statement(select(_c.file).where(_c.postoffice_id == param("po"), _c.file.is_not(None)))


class Store:
    """Everybody's mail."""

    def __init__(self, databases: Databases, *, clock: Clock) -> None:
        """Take the home's databases."""
        self._databases = databases
        self._clock = clock

    def folder(self, postoffice_id: int) -> ContentFolder:
        """Return where a post office's large contents lie."""
        return content_folder(self._databases.home, postoffice_id)

    def deliver(self, postoffice_id: int, deliveries: Sequence[Delivery]) -> list[bool]:
        """Put copies of messages into mailboxes' Inboxes, all in one commit.

        A delivery that was made before, by a worker that a crash cut off, is left alone.

        Returns:
            For each delivery whether it is new.

        Raises:
            ContentsMissing: files of some messages can't be linked; those without them can be
                delivered by another call.
            CommitFailed: nothing was delivered; it may be tried again.
        """
        now = self._clock.now_us()
        folder = self.folder(postoffice_id)
        linked = delivery.link(folder, deliveries)
        if linked:
            steps.reach("store.content-linked")
        size = sum({each.entry_id: each.content.size for each in deliveries}.values())

        def job(transaction: Transaction) -> list[bool]:
            for name in linked.values():
                folder.check(name)
            return delivery.deliver(transaction, postoffice_id, deliveries, linked, now)

        return self._databases.store(postoffice_id).transact(job, size)

    def mailbox(self, postoffice_id: int, mailbox_id: int) -> MailboxStore:
        """Return one mailbox, to read and file mail in it."""
        return MailboxStore(self._databases, self._clock, postoffice_id, mailbox_id)

    def inbox(self, postoffice_id: int, mailbox_id: int) -> Folder | None:
        """Return a mailbox's Inbox; None when nothing was ever delivered to it."""
        with self._databases.store(postoffice_id).reader() as connection:
            row = connection.row(_STATUS, {"po": postoffice_id, "mailbox": mailbox_id})
        return None if row is None else Folder(*row)

    def listing(self, postoffice_id: int, folder: Folder) -> Iterator[tuple[int, int]]:
        """Yield uid and size of the messages that were there when the status was read.

        Ten thousand are read at a time, so that there may be any number of them.
        """
        wanted = {
            "folder": folder.id,
            "above": 0,
            "below": folder.next_uid,
            "most": _LISTED_AT_ONCE,
        }
        rows: list[tuple[int, int]] = []
        with self._databases.store(postoffice_id).reader(snapshot=True) as connection:
            while not wanted["above"] or len(rows) == _LISTED_AT_ONCE:
                rows = connection.tuples(_LISTING, wanted)
                if not rows:
                    return
                yield from rows
                wanted["above"] = rows[-1][0]

    def message(self, postoffice_id: int, folder_id: int, uid: int) -> Message | None:
        """Return a message; None when it has been deleted."""
        wanted = {"po": postoffice_id, "folder": folder_id, "message_uid": uid}
        with self._databases.store(postoffice_id).reader() as connection:
            return reading.message(
                connection, reading.OF_POSTOFFICE, self.folder(postoffice_id), wanted
            )

    def copies(self, postoffice_id: int, folder_id: int, first: int, last: int) -> list[Copy]:
        """Return the messages of a folder from one uid to another, by uid.

        Args:
            postoffice_id: whose.
            folder_id: from `inbox`, which has seen to it that it is this post office's.
            first: uid of the first one, if it is there.
            last: the same of the last one.
        """
        wanted = {"folder": folder_id, "first": first, "last": last}
        with self._databases.store(postoffice_id).reader() as connection:
            return list(map(_make_copy, connection.tuples(reading.COPIES, wanted)))

    def expunge(
        self, postoffice_id: int, folder_id: int, uids: Iterable[int]
    ) -> list[tuple[int, str]]:
        """Delete messages for good; returns (uid, entry id) of those that were there."""
        database, files = self._databases.store(postoffice_id), self.folder(postoffice_id)
        return removal.expunge(database, files, postoffice_id, folder_id, possible(uids))

    def usage(self, postoffice_id: int, mailbox_id: int) -> tuple[int, int]:
        """Return messages and octets of a mailbox, over all its folders."""
        with self._databases.store(postoffice_id).reader() as connection:
            return reading.usage(connection, Owner(postoffice_id, mailbox_id))

    def usages(self, postoffice_id: int) -> dict[int, tuple[int, int]]:
        """Return messages and octets of a post office's mailboxes that have folders, by id."""
        with self._databases.store(postoffice_id).reader() as connection:
            return reading.usages(connection, postoffice_id)

    def remove_mailbox(self, postoffice_id: int, mailbox_id: int) -> None:
        """Delete a mailbox's folders and messages, a thousand a commit."""
        self._remove_folders(Owner(postoffice_id, mailbox_id))

    def remove_deleted_folders(self, postoffice_id: int) -> int:
        """Finish deleting folders where a crash cut it off; returns how many they were."""
        return self._remove_folders(Owner(postoffice_id, tables.NOBODY))

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
        younger = first_id(before_us + 1000)  # ids know milliseconds
        wanted = {"last": after, "younger": younger, "before": before_us, "most": most}
        with self._databases.store(postoffice_id).reader() as connection:
            return [row.id for row in connection.rows(_OLD_DELIVERIES, wanted)]

    def forget_deliveries(self, postoffice_id: int, ids: Iterable[str]) -> None:
        """Forget deliveries whose queue entries are closed for good."""
        wanted = [{"delivery": each} for each in ids]
        self._databases.store(postoffice_id).transact(lambda tx: tx.run_many(_FORGET, wanted))

    def forget_filings(self, postoffice_id: int, before_us: int) -> int:
        """Forget clients' keys from before a time (µs); returns how many they were."""
        database = self._databases.store(postoffice_id)
        wanted = {"before": before_us}
        with database.reader() as connection:
            if connection.value(_OLD_FILING, wanted) is None:
                return 0
        return database.transact(lambda tx: tx.run(_FORGET_FILINGS, wanted))

    def files(self, postoffice_id: int) -> NamedFiles:
        """Return a post office's content files."""
        database = self._databases.store(postoffice_id)
        return NamedFiles(self.folder(postoffice_id), database, _FILES, {"po": postoffice_id})

    def _remove_folders(self, owner: Owner) -> int:
        database = self._databases.store(owner.postoffice_id)
        return removal.remove_folders(database, self.folder(owner.postoffice_id), owner)
