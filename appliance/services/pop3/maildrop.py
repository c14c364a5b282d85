"""A mailbox's Inbox as one POP3 session sees it.

Login, STAT and QUIT need the folder's counters only; the listing is loaded by the first command
that needs it, and kept for later sessions as long as the folder has not changed. It is two numbers
a message, never an object a message, and what it says is made some thousand lines at a time.

Standards: RFC 1939 §5, §7 (unique-ids).
Owns: listings of recently read folders, a bounded number of octets of them.
Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto

from appliance.protocol.pop3_events import LINES_A_PIECE
from appliance.store.message import Folder
from appliance.store.store import Store

_KEPT = 64  # listings
_KEPT_OCTETS = 32 << 20  # of all of them, with their texts
_TEXT_OCTETS = 8 << 20  # of a text that is kept
_MANY = 20_000  # messages whose listing takes longer to load than others may be kept waiting


class Text(Enum):
    """What is said of each message."""

    LIST = auto()
    UIDL = auto()


class Listing:
    """The messages of a folder at one moment.

    Attributes:
        uids: of each message in order.
        sizes: octets of each.
        texts: what was rendered of it and is kept, in pieces.
        is_kept: texts may be kept too.
    """

    __slots__ = ("_uid_validity", "is_kept", "sizes", "texts", "uids")

    def __init__(self, rows: Iterable[tuple[int, int]], uid_validity: int) -> None:
        """Take uid and size of each message in order."""
        self.uids = array("q")
        self.sizes = array("q")
        self.texts: dict[Text, list[bytes]] = {}
        self.is_kept = False
        self._uid_validity = uid_validity
        add_uid, add_size = self.uids.append, self.sizes.append
        for uid, size in rows:
            add_uid(uid)
            add_size(size)

    @property
    def octets(self) -> int:
        """How much memory it takes."""
        texts = sum(len(piece) for pieces in self.texts.values() for piece in pieces)
        return len(self.uids) * (self.uids.itemsize + self.sizes.itemsize) + texts

    def uid_text(self, number: int) -> str:
        """Return a message's unique-id: never given to another message."""
        return f"{self._uid_validity}.{self.uids[number - 1]}"

    def render(self, text: Text) -> Iterator[bytes]:
        """Make what is said of all messages, piece by piece (see `protocol.pop3_events`)."""
        prefix = "" if text is Text.LIST else f"{self._uid_validity}."
        values = self.sizes if text is Text.LIST else self.uids
        for begin in range(0, len(values), LINES_A_PIECE):
            some = values[begin : begin + LINES_A_PIECE]
            lines = [f"{n} {prefix}{value}\r\n" for n, value in enumerate(some, begin + 1)]
            yield "".join(lines).encode()


class Listings:
    """Listings of the folders read last, by what they were loaded at."""

    def __init__(self, store: Store) -> None:
        """Take the store."""
        self._store = store
        self._kept: OrderedDict[tuple[int, int], tuple[int, Listing]] = OrderedDict()

    @property
    def octets(self) -> int:
        """How much memory those take that are kept."""
        return sum(listing.octets for _, listing in self._kept.values())

    def known(self, postoffice_id: int, folder: Folder) -> Listing | None:
        """Return a folder's listing as of its status, if it is kept."""
        key = (postoffice_id, folder.id)
        kept = self._kept.get(key)
        if kept is None or kept[0] != folder.modseq:
            return None
        self._kept.move_to_end(key)
        return kept[1]

    def load(self, postoffice_id: int, folder: Folder) -> Listing:
        """Read a folder's listing; on any thread."""
        return Listing(self._store.listing(postoffice_id, folder), folder.uid_validity)

    def keep(self, postoffice_id: int, folder: Folder, listing: Listing) -> None:
        """Keep a listing for later sessions, as long as there is room."""
        known = self._kept.pop((postoffice_id, folder.id), None)
        if known is not None:
            _let_go(known[1])
        self._kept[postoffice_id, folder.id] = (folder.modseq, listing)
        listing.is_kept = True
        self._trim()

    def pieces(self, listing: Listing, text: Text) -> Iterator[bytes]:
        """Return what is said of all messages; it is kept when it is not too long."""
        kept = listing.texts.get(text)
        return self._render(listing, text) if kept is None else iter(kept)

    def _render(self, listing: Listing, text: Text) -> Iterator[bytes]:
        made: list[bytes] = []
        octets = 0
        for piece in listing.render(text):
            octets += len(piece)
            if octets > _TEXT_OCTETS:
                made.clear()
            else:
                made.append(piece)
            yield piece
        if octets <= _TEXT_OCTETS and listing.is_kept:
            listing.texts[text] = made
            self._trim()

    def _trim(self) -> None:
        """Let the listings go that were used longest ago, until the others fit."""
        octets = self.octets
        while len(self._kept) > _KEPT or octets > _KEPT_OCTETS:
            _, (_, listing) = self._kept.popitem(last=False)
            octets -= listing.octets
            _let_go(listing)


def _let_go(listing: Listing) -> None:
    """Leave a listing to the sessions that have it."""
    listing.is_kept = False
    listing.texts.clear()


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
        sizes = (self._loaded or self.listing()).sizes
        return sizes[number - 1] if 1 <= number <= len(sizes) else None

    def uid(self, number: int) -> str | None:
        """The unique-id of a message; None if there is none."""
        listing = self.listing()
        return listing.uid_text(number) if 1 <= number <= len(listing.uids) else None

    def list_pieces(self) -> Iterator[bytes]:
        """All of LIST."""
        return self._listings.pieces(self.listing(), Text.LIST)

    def uidl_pieces(self) -> Iterator[bytes]:
        """All of UIDL."""
        return self._listings.pieces(self.listing(), Text.UIDL)

    def uids(self, numbers: Sequence[int]) -> list[int]:
        """Return the uids of some numbers."""
        uids = self.listing().uids
        return [uids[number - 1] for number in numbers]

    def listing(self) -> Listing:
        """Return the listing; it is loaded now if need be."""
        if self._loaded is None and not self._finds():
            self.take(self.load())
        assert self._loaded is not None
        return self._loaded

    def takes_long(self) -> bool:
        """Tell whether the listing is too long to be loaded while others wait."""
        return self._loaded is None and not self._finds() and self.count > _MANY

    def load(self) -> Listing:
        """Read the listing, on any thread; hand it to `take`."""
        assert self._folder is not None
        return self._listings.load(self.postoffice_id, self._folder)

    def take(self, listing: Listing) -> None:
        """Use a listing that was loaded, and keep it for later sessions."""
        assert self._folder is not None
        self._loaded = listing
        self._listings.keep(self.postoffice_id, self._folder, listing)

    def _finds(self) -> bool:
        """Take the listing of an earlier session, if it is kept."""
        if self._folder is None:
            self._loaded = Listing([], 0)
        else:
            self._loaded = self._listings.known(self.postoffice_id, self._folder)
        return self._loaded is not None
