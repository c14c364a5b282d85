"""What the store keeps and gives back: deliveries, folders, messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag, StrEnum
from typing import NamedTuple

from appliance.database.content import Content, ContentFolder
from appliance.mail.digest import Digest
from appliance.mail.headers import Summary


class Use(StrEnum):
    """A folder's special use (RFC 6154)."""

    INBOX = "inbox"
    DRAFTS = "drafts"
    SENT = "sent"
    TRASH = "trash"
    JUNK = "junk"


class Flag(IntFlag):
    """A message's flags, added up in one number (RFC 9051 §2.3.2, RFC 5788 for Forwarded)."""

    SEEN = 1
    FLAGGED = 2
    ANSWERED = 4
    FORWARDED = 8
    DRAFT = 16


NO_FLAGS = Flag(0)


class Order(StrEnum):
    """What a folder is listed by; messages that are equal in it stand by uid.

    `SENDER` is the sender's name or address; where a folder holds one's own mail (Drafts, Sent
    Items) it is the first recipient's. `SUBJECT` leaves out Re: and Fwd:.
    """

    DATE = "date"  # when it was received or filed
    SENDER = "sender"
    SUBJECT = "subject"
    SIZE = "size"


STANDARD_FOLDERS = (
    ("Inbox", Use.INBOX),
    ("Drafts", Use.DRAFTS),
    ("Sent Items", Use.SENT),
    ("Deleted Items", Use.TRASH),
    ("Junk E-mail", Use.JUNK),
)


class Delivery(NamedTuple):
    """One copy of a message for one mailbox.

    Attributes:
        id: `entry id.recipient number`: names this delivery for ever, so that repeating it does
            nothing.
        entry_id: the queue's id of the message; all its copies share one content.
        mailbox_id: whose.
        content: the octets.
        of: how many recipients the message has; copies beyond this call share its content.
        prefix: lines before the content for this copy (Return-Path).
        summary: the header summary as JSON.
    """

    id: str
    entry_id: str
    mailbox_id: int
    content: Content
    of: int
    prefix: bytes
    summary: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with its counters, which are never counted but kept.

    Attributes:
        id: names it for ever.
        name: as people see it.
        use: its special use, a value of `Use`, or empty.
        uid_validity: together with a uid it names a message for ever.
        next_uid: the uid that the next message gets; uids only grow.
        messages: how many there are.
        unread: how many of them are not `SEEN`.
        octets: their sizes added up.
        modseq: grows with every change in the folder (RFC 7162).
    """

    id: int
    name: str
    use: str
    uid_validity: int
    next_uid: int
    messages: int
    unread: int
    octets: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a folder.

    Attributes:
        uid: its number in the folder.
        entry_id: the queue's id of it, or empty.
        size: octets of prefix and content.
        prefix: lines before the content that only this copy has (Return-Path).
        content: the octets it shares with other copies.
        flags: what is remembered of it.
        received_at: when it was received or filed, µs.
    """

    uid: int
    entry_id: str
    size: int
    prefix: bytes
    content: Content
    flags: Flag
    received_at: int

    def chunks(self) -> Iterator[bytes]:
        """Yield prefix and content."""
        yield self.prefix
        yield from self.content.chunks()

    def read(self, limit: int | None = None) -> bytes:
        """Return prefix and content at once, or the first `limit` octets of them."""
        if limit is None:
            return self.prefix + self.content.read()
        return self.prefix[:limit] + self.content.read(max(limit - len(self.prefix), 0))


class Copy(NamedTuple):
    """One message of a folder with no more than POP3 needs, for reading many at a time.

    Attributes:
        uid: its number in the folder.
        entry_id: the queue's id of it, or empty.
        size: octets of prefix and content.
        prefix: lines before the content that only this copy has (Return-Path): our own, they are
            sent as they are.
        body: the content, when it is a small one.
        file: the name of its file otherwise.
        unchanged: whether the body is known to be sent as it is; false where nobody has looked.
    """

    uid: int
    entry_id: str
    size: int
    prefix: bytes
    body: bytes | None
    file: str | None
    unchanged: int

    def content(self, folder: ContentFolder) -> Content:
        """Return the content; a large one lies in the post office's folder."""
        path = None if self.file is None else folder.file(self.file)
        return Content(self.size - len(self.prefix), self.body, path)


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as lists show it.

    Attributes:
        uid: its number in the folder.
        entry_id: the queue's id of it, or empty.
        size: octets.
        flags: what is remembered of it.
        received_at: when it was received or filed, µs.
        modseq: the folder's modseq when it came or its flags changed last.
        summary: of its header.
        digest: of its text and parts.
    """

    uid: int
    entry_id: str
    size: int
    flags: Flag
    received_at: int
    modseq: int
    summary: Summary
    digest: Digest


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a folder's list.

    Attributes:
        messages: in the order that was asked for.
        before: the cursor to hand in as `before` for the page before this one; empty at the
            beginning.
        after: the cursor to hand in as `after` for the page after this one; empty at the end.
    """

    messages: list[Listed]
    before: str
    after: str
