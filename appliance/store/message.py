"""What the store keeps and gives back: deliveries, folders, messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntFlag, StrEnum

from appliance.database.content import Content


class Use(StrEnum):
    """A folder's special use (RFC 6154)."""

    INBOX = "inbox"
    DRAFTS = "drafts"
    SENT = "sent"
    TRASH = "trash"
    JUNK = "junk"


class Flag(IntFlag):
    """A message's flags."""

    SEEN = 1


class ContentsMissing(Exception):
    """Contents of deliveries can't be taken over; nothing of the call was written.

    Attributes:
        errors: what went wrong, by entry id.
    """

    def __init__(self, errors: Mapping[str, OSError]) -> None:
        """Take what went wrong, by entry id."""
        super().__init__("; ".join(f"{entry_id}: {error}" for entry_id, error in errors.items()))
        self.errors = errors


STANDARD_FOLDERS = (
    ("Inbox", Use.INBOX),
    ("Drafts", Use.DRAFTS),
    ("Sent Items", Use.SENT),
    ("Deleted Items", Use.TRASH),
    ("Junk E-mail", Use.JUNK),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
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
class FolderStatus:
    """A folder with its counters, which are never counted but kept."""

    id: int
    uid_validity: int
    next_uid: int
    messages: int
    unread: int
    octets: int
    modseq: int


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a folder."""

    uid: int
    entry_id: str
    size: int
    prefix: bytes
    content: Content

    def chunks(self) -> Iterator[bytes]:
        """Yield prefix and content."""
        yield self.prefix
        yield from self.content.chunks()

    def read(self) -> bytes:
        """Return prefix and content at once."""
        return self.prefix + self.content.read()
