"""One mailbox: its folders, and listing, flagging, moving, filing and deleting its messages.

Every folder id is looked for in this mailbox only: somebody else's is not found.

Owns: nothing; writes through the post office's database. Never: decides who may.
Failure: `StoreError` with a text for people; `CommitFailed`, `StoreBusy` (temporary): nothing of
the call, or of its last thousand messages, is durable.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from appliance.database.content import ContentWriter
from appliance.database.database import Database
from appliance.database.databases import Databases
from appliance.database.errors import DatabaseError
from appliance.database.statement import Row
from appliance.database.writer import Transaction
from appliance.mail import headers
from appliance.runtime.clock import Clock
from appliance.store import changes, folders, listing, reading, removal
from appliance.store.chosen import AT_ONCE, pieces, possible
from appliance.store.contents import content_folder, insert_content
from appliance.store.folders import Owner
from appliance.store.message import (
    NO_FLAGS,
    STANDARD_FOLDERS,
    Flag,
    Folder,
    Listed,
    Message,
    Order,
    Page,
    Use,
)

T = TypeVar("T")

_log = logging.getLogger(__name__)


class MailboxStore:
    """The store as the owner of one mailbox sees it."""

    def __init__(
        self, databases: Databases, clock: Clock, postoffice_id: int, mailbox_id: int
    ) -> None:
        """Take what `Store.mailbox` hands over."""
        self.postoffice_id = postoffice_id
        self.mailbox_id = mailbox_id
        self._databases = databases
        self._clock = clock
        self._owner = Owner(postoffice_id, mailbox_id)
        self._files = content_folder(databases.home, postoffice_id)

    # folders

    def folders(self) -> list[Folder]:
        """Return the folders: the special ones in their usual order, then the others by name.

        The special ones are made when there are none yet.
        """
        with self._database.reader() as connection:
            found = folders.everything(connection, self._owner)
        if not {use for _, use in STANDARD_FOLDERS} <= {folder.use for folder in found}:
            now_us = self._clock.now_us()
            self._database.transact(lambda tx: folders.make_standard(tx, self._owner, now_us))
            with self._database.reader() as connection:
                found = folders.everything(connection, self._owner)
        return found

    def folder(self, folder_id: int) -> Folder:
        """Return a folder with its counters.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        with self._database.reader() as connection:
            row = folders.find(connection, self._owner, folder_id)
        return folders.folder(row)

    def special(self, use: Use) -> Folder:
        """Return the folder of a special use; it is made when there is none yet."""
        return next(folder for folder in self.folders() if folder.use == use)

    def create_folder(self, name: str) -> Folder:
        """Make a folder.

        Args:
            name: one line of 1 to 100 characters without "/"; white space around it is cut off.

        Raises:
            BadFolderName: it is no such name.
            FolderExists: there is one of that name, whatever its capitals.
            TooManyFolders: the mailbox is full of folders.
        """
        now_us = self._clock.now_us()
        return self._database.transact(lambda tx: folders.create(tx, self._owner, name, now_us))

    def rename_folder(self, folder_id: int, name: str) -> Folder:
        """Give a folder another name; ids, uids and messages stay.

        Raises:
            FolderNotFound: the mailbox has none of that id.
            FolderProtected: it has a special use.
            BadFolderName: see `create_folder`.
            FolderExists: another one has that name.
        """
        now_us = self._clock.now_us()
        return self._database.transact(
            lambda tx: folders.rename(tx, self._owner, folder_id, name, now_us)
        )

    def delete_folder(self, folder_id: int, *, only_empty: bool = False) -> None:
        """Delete a folder with its messages, for good.

        It is gone at once; its messages follow, a thousand a commit, and what a crash leaves of
        them housekeeping removes.

        Args:
            folder_id: which.
            only_empty: not while there is a message in it.

        Raises:
            FolderNotFound: the mailbox has none of that id.
            FolderProtected: it has a special use.
            FolderNotEmpty: there is a message in it.
        """
        self._database.transact(
            lambda tx: folders.disown(tx, self._owner, folder_id, only_empty=only_empty)
        )
        try:
            removal.remove_folder(self._database, self._files, self.postoffice_id, folder_id)
        except DatabaseError as error:
            _log.warning("a deleted folder's messages are left to housekeeping: %s", error)

    def usage(self) -> tuple[int, int]:
        """Return messages and octets of all folders together."""
        with self._database.reader() as connection:
            return reading.usage(connection, self._owner)

    # reading

    def page(
        self,
        folder_id: int,
        *,
        order: Order = Order.DATE,
        descending: bool = True,
        after: str = "",
        before: str = "",
        most: int = 50,
    ) -> Page:
        """List a piece of a folder; it costs the same however many messages the folder has.

        The first listing by sender, subject or size sorts the folder (seconds for 100,000
        messages); later ones add what has come since.

        Args:
            folder_id: which.
            order: what to list by.
            descending: newest, largest or last in the alphabet first.
            after: list what follows this cursor of an earlier page of the same order.
            before: list what precedes this cursor instead.
            most: how many messages, 1 to 1,000.

        Raises:
            FolderNotFound: the mailbox has none of that id.
            BadCursor: `after` or `before` is no cursor of this order, or both are given.
        """
        return listing.page(
            *(self._database, self._files, self._owner, folder_id),
            order=order,
            descending=descending,
            after=after,
            before=before,
            most=min(max(most, 1), AT_ONCE),
        )

    def listed(self, folder_id: int, uids: Iterable[int]) -> list[Listed]:
        """List some messages, in the order of the uids given; those that are gone are left out.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        database, files = self._database, self._files
        return listing.listed(database, files, self._owner, folder_id, list(uids))

    def every(self, folder_id: int, *, after_uid: int = 0, most: int = 1000) -> list[Listed]:
        """List messages by uid, a piece a call.

        Args:
            folder_id: which.
            after_uid: begin after this uid.
            most: how many messages, 1 to 1,000.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        return listing.every(
            *(self._database, self._files, self._owner, folder_id),
            after_uid=after_uid,
            most=min(max(most, 1), AT_ONCE),
        )

    def marks(
        self, folder_id: int, *, after_uid: int = 0, most: int = 1000
    ) -> list[tuple[int, Flag]]:
        """Return uid and flags of messages by uid, a piece a call: for what is done to all of them.

        Args:
            folder_id: which.
            after_uid: begin after this uid.
            most: how many messages, 1 to 1,000.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        return listing.marks(
            *(self._database, self._owner, folder_id),
            after_uid=after_uid,
            most=min(max(most, 1), AT_ONCE),
        )

    def message(self, folder_id: int, uid: int) -> Message | None:
        """Return a message; None when it is not there.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        if possible([folder_id]) and possible([uid]):
            wanted = self._owner.params(folder=folder_id, message_uid=uid)
            with self._database.reader() as connection:
                found = reading.message(connection, reading.OF_MAILBOX, self._files, wanted)
            if found is not None:
                return found
        self.folder(folder_id)
        return None

    # changing

    def flag(
        self,
        folder_id: int,
        uids: Iterable[int],
        *,
        add: Flag = NO_FLAGS,
        remove: Flag = NO_FLAGS,
    ) -> int:
        """Set and clear flags, a thousand messages a commit.

        Returns:
            How many messages changed by it; the others keep their modseq.

        Raises:
            FolderNotFound: the mailbox has none of that id.
            ValueError: a flag is to be set and cleared.
        """
        if add & remove:
            raise ValueError(f"{(add & remove)!r} is to be set and cleared")

        def job(piece: list[int], transaction: Transaction) -> int:
            folder = folders.lock(transaction, self._owner, folder_id)[folder_id]
            return changes.flag(transaction, folder, piece, add=add, remove=remove)

        return sum(self._in_pieces(uids, job))

    def move(self, folder_id: int, uids: Iterable[int], to_folder_id: int) -> dict[int, int]:
        """Move messages to another folder, a thousand a commit; each is always in one of the two.

        Flags and time stay. A move to the folder they are in changes nothing.

        Returns:
            Their new uids by the old ones; those that were gone are left out.

        Raises:
            FolderNotFound: the mailbox has not both folders.
        """
        return self._carry(changes.move, folder_id, uids, to_folder_id)

    def copy(self, folder_id: int, uids: Iterable[int], to_folder_id: int) -> dict[int, int]:
        """Copy messages to a folder, a thousand a commit; the content is not doubled.

        Returns:
            The copies' uids by those of the originals; those that were gone are left out.

        Raises:
            FolderNotFound: the mailbox has not both folders.
        """
        return self._carry(changes.copy, folder_id, uids, to_folder_id)

    def expunge(self, folder_id: int, uids: Iterable[int]) -> list[tuple[int, str]]:
        """Delete messages for good, a thousand a commit.

        Returns:
            Uid and entry id of those that were there.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """

        def job(piece: list[int], transaction: Transaction) -> list[tuple[int, str]]:
            folder = folders.lock(transaction, self._owner, folder_id)[folder_id]
            return changes.expunge(transaction, self._files, folder, piece)

        return [each for gone in self._in_pieces(uids, job) for each in gone]

    def empty(self, folder_id: int, *, below: int | None = None) -> int:
        """Delete all messages that a folder has at the beginning of the call.

        Args:
            folder_id: which.
            below: only those with a lower uid: what was there when somebody looked.

        Returns:
            How many they were.

        Raises:
            FolderNotFound: the mailbox has none of that id.
        """
        end = self.folder(folder_id).next_uid
        below = end if below is None else min(below, end)
        database, files = self._database, self._files
        return removal.empty(database, files, self.postoffice_id, folder_id, below=below)

    # filing

    def content(self) -> ContentWriter:
        """Begin a message's content; hand it to `append`, or else `abandon` it."""
        return ContentWriter(self._files, secrets.token_hex(16))

    def append(
        self,
        folder_id: int,
        content: ContentWriter,
        *,
        flags: Flag = NO_FLAGS,
        key: str = "",
        replaces: int | None = None,
        entry_id: str = "",
    ) -> int:
        """File a message; it is durable when this returns.

        After an error the same content can be handed in again, with a key for certainty. A content
        that was handed in is never to be abandoned: housekeeping removes what nothing names.

        Args:
            folder_id: where.
            content: the message, from `content`.
            flags: what it is filed with.
            key: the client's name for this call. Made again with the same key and folder it files
                nothing and returns the first uid, for seven days.
            replaces: a message of the folder that is deleted in the same commit (the former version
                of a draft); it may be gone already.
            entry_id: the queue's id of it, for one that was sent, so that its journey is found.

        Returns:
            Its uid.

        Raises:
            FolderNotFound: the mailbox has none of that id.
            OSError: the content can't be written.
        """
        now_us = self._clock.now_us()
        content.sync()
        summary = headers.scan(content.beginning()).to_json()

        def job(transaction: Transaction) -> int:
            folder = folders.lock(transaction, self._owner, folder_id)[folder_id]
            known = changes.filed(transaction, folder, key) if key else None
            if known is not None:  # a file of this content is that message's, or will be swept
                return known
            if replaces is not None:
                changes.expunge(transaction, self._files, folder, possible([replaces]))
            content.check()
            content_id = insert_content(
                transaction,
                self.postoffice_id,
                size=content.size,
                refs=1,
                body=content.body(),
                file=content.file_name(),
                summary=summary,
                crc=content.crc,
            )
            uid = changes.file(
                *(transaction, folder, content_id),
                size=content.size,
                flags=flags,
                entry_id=entry_id,
                now_us=now_us,
            )
            if key:
                changes.remember(transaction, folder, key, uid, now_us)
            return uid

        return self._database.transact(job, content.size)

    @property
    def _database(self) -> Database:
        return self._databases.store(self.postoffice_id)

    def _in_pieces(
        self, uids: Iterable[int], job: Callable[[list[int], Transaction], T]
    ) -> list[T]:
        """Run a job on a thousand messages at a time, each in a transaction of its own."""
        return [
            self._database.transact(partial(job, piece))
            for piece in list(pieces(uids)) or [[]]  # without any, for the folders' sake
        ]

    def _carry(
        self,
        change: Callable[[Transaction, Row, Row, list[int]], dict[int, int]],
        folder_id: int,
        uids: Iterable[int],
        to_folder_id: int,
    ) -> dict[int, int]:
        """Move or copy messages; returns new uids by the old ones."""

        def job(piece: list[int], transaction: Transaction) -> dict[int, int]:
            both = folders.lock(transaction, self._owner, folder_id, to_folder_id)
            return change(transaction, both[folder_id], both[to_folder_id], piece)

        return {old: new for some in self._in_pieces(uids, job) for old, new in some.items()}
