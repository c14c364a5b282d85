"""The mailbox of whoever is signed in, and its folders as people know them.

Owns: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from appliance.directory.records import Mailbox
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Folder, Use
from webadmin.context import house, session

_TITLES = {
    Use.INBOX: _l("Inbox"),
    Use.DRAFTS: _l("Drafts"),
    Use.SENT: _l("Sent Items"),
    Use.TRASH: _l("Deleted Items"),
    Use.JUNK: _l("Junk E-mail"),
}
_ICONS = {
    Use.INBOX: "inbox",
    Use.DRAFTS: "draft",
    Use.SENT: "sent",
    Use.TRASH: "trash",
    Use.JUNK: "junk",
}
_KIB = 1024
OWN_MAIL = (Use.DRAFTS, Use.SENT)  # whose sender is always oneself


@dataclass(frozen=True, slots=True)
class Quota:
    """How full a mailbox is.

    Attributes:
        used: octets.
        limit: octets; 0 for none.
    """

    used: int
    limit: int


def owner() -> Mailbox:
    """Return the mailbox of whoever is signed in."""
    found = session().mailbox
    assert found is not None  # webmail is for mailboxes only
    return found


def mailbox() -> MailboxStore:
    """Return the folders and messages of whoever is signed in."""
    mine = owner()
    return house().store.mailbox(mine.postoffice_id, mine.id)


def folders() -> list[Folder]:
    """Return all folders with their counters as they are now."""
    return mailbox().folders()


def special(use: Use) -> Folder:
    """Return the folder of a special use."""
    return mailbox().special(use)


def title(folder: Folder) -> str:
    """Return a folder's name as people see it; special folders are called in their language."""
    return str(_TITLES[Use(folder.use)]) if folder.use else folder.name


def icon(folder: Folder) -> str:
    """Return a folder's symbol."""
    return _ICONS[Use(folder.use)] if folder.use else "folder"


def badge(folder: Folder) -> int:
    """Return the number beside a folder: drafts that wait, unread messages elsewhere."""
    return folder.messages if folder.use == Use.DRAFTS else folder.unread


def quota(found: list[Folder]) -> Quota:
    """Return how full the mailbox is that has these folders."""
    return Quota(sum(folder.octets for folder in found), owner().quota_kb * _KIB)
