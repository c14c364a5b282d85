"""A mailbox's Inbox as one POP3 session sees it.

Login, STAT and QUIT need the folder's counters only; the listing is loaded by the first command
that needs it, and kept for later sessions as long as the folder has not changed.

Standards: RFC 1939 §5, §7 (unique-ids).
Owns: listings of recently read folders. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from functools import cached_property

from appliance.store.message import Folder, Message
from appliance.store.store import Store

_KEPT = 64


class Listing:
    """The messages of a folder at one moment: uids and sizes, and the rendered answers."""

    def __init__(self, rows: list[tuple[int, int]], uid_validity: int) -> None:
        """Take uid and size of each message in order."""
        self.uids = array("q", [row[0] for row in rows])
        self.sizes = array("q", [row[1] for row in rows])
        self._uid_validity = uid_validity

    def uid_text(self, number: int) -> str:
        """Return a message's unique-id: never given to another message."""
        return f"{self._uid_validity}.{self.uids[number - 1]}"

    @cached_property
    def list_text(self) -> bytes:
        """All of LIST."""
        return "".join([f"{n} {size}\r\n" for n, size in enumerate(self.sizes, 1)]).encode()

    @cached_property
    def uidl_text(self) -> bytes:
        """All of UIDL."""
        prefix = self._uid_validity
        return "".join([f"{n} {prefix}.{uid}\r\n" for n, uid in enumerate(self.uids, 1)]).encode()


class Listings:
    """Listings of the folders read last, by what they were loaded at."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store
        self._kept: OrderedDict[tuple[int, int], tuple[int, Listing]] = OrderedDict()

    def get(self, postoffice_id: int, folder: Folder) -> Listing:
        """Return a folder's listing as of its status."""
        key = (postoffice_id, folder.id)
        kept = self._kept.pop(key, None)
        if kept is None or kept[0] != folder.modseq:
            rows = self._store.listing(postoffice_id, folder)
            kept = (folder.modseq, Listing([(row[0], row[1]) for row in rows], folder.uid_validity))
        self._kept[key] = kept
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept[1]


class InboxMaildrop:
    """The maildrop of one session (the port of `protocol.pop3`)."""

    __slots__ = ("_folder", "_listings", "_loaded", "mailbox_id", "postoffice_id")

    def __init__(
        self, postoffice_id: int, mailbox_id: int, folder: Folder | None, listings: Listings
    ) -> None:
        """Take the Inbox's status at login; None when nothing was ever delivered."""
        self.postoffice_id = postoffice_id
        self.mailbox_id = mailbox_id
        self._folder = folder
        self._listings = listings
        self._loaded: Listing | None = None

    @property
    def count(self) -> int:
        """How many messages there are."""
        if self._loaded is not None:
            return len(self._loaded.uids)
        return 0 if self._folder is None else self._folder.messages

    @property
    def octets(self) -> int:
        """Their sizes added up."""
        return 0 if self._folder is None else self._folder.octets

    @property
    def folder_id(self) -> int:
        """The Inbox's id; 0 when there is none yet."""
        return 0 if self._folder is None else self._folder.id

    def size(self, number: int) -> int | None:
        """The octets of a message; None if there is none."""
        sizes = self._listing().sizes
        return sizes[number - 1] if 1 <= number <= len(sizes) else None

    def uid(self, number: int) -> str | None:
        """The unique-id of a message; None if there is none."""
        listing = self._listing()
        return listing.uid_text(number) if 1 <= number <= len(listing.uids) else None

    def list_text(self) -> bytes:
        """All of LIST."""
        return self._listing().list_text

    def uidl_text(self) -> bytes:
        """All of UIDL."""
        return self._listing().uidl_text

    def message(self, number: int, store: Store) -> Message | None:
        """Read a message; None when somebody else has deleted it since."""
        uid = self._listing().uids[number - 1]
        return store.message(self.postoffice_id, self.folder_id, uid)

    def uids(self, numbers: tuple[int, ...]) -> list[int]:
        """Return the uids of some numbers."""
        uids = self._listing().uids
        return [uids[number - 1] for number in numbers]

    def _listing(self) -> Listing:
        if self._loaded is None:
            if self._folder is None:
                self._loaded = Listing([], 0)
            else:
                self._loaded = self._listings.get(self.postoffice_id, self._folder)
        return self._loaded
