"""A folder's messages as a list: what its address asks for, rows, and the days they stand under.

A page is found by a cursor, never by counting, so it costs the same in every folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from appliance.mail.headers import addresses
from appliance.mail.priority import Priority
from appliance.store.errors import BadCursor
from appliance.store.message import Flag, Folder, Listed, Order, Page, Use
from webadmin.formats import element
from webadmin.mail import times
from webadmin.mail.mailbox import OWN_MAIL, mailbox

PAGE_COOKIE = "posthouse-page"
PAGE_SIZES = (25, 50, 100)
_USUAL_SIZE = 50
_MOST_AGAIN = 500  # rows that a list may ask for when it is loaded again as long as it was
_FALLS_BY_ITSELF = (Order.DATE, Order.SIZE)  # newest and largest first; names from A
_UNDIVIDED = "all"  # the key of the only group of a list that is not sorted by date
_NAMES_SHOWN = 3

_SORTS = (
    (Order.DATE, True, _l("Newest first"), _l("Newest")),
    (Order.DATE, False, _l("Oldest first"), _l("Oldest")),
    (Order.SENDER, False, _l("Sender, A to Z"), _l("Sender")),
    (Order.SENDER, True, _l("Sender, Z to A"), _l("Sender")),
    (Order.SUBJECT, False, _l("Subject, A to Z"), _l("Subject")),
    (Order.SUBJECT, True, _l("Subject, Z to A"), _l("Subject")),
    (Order.SIZE, True, _l("Largest first"), _l("Largest")),
    (Order.SIZE, False, _l("Smallest first"), _l("Smallest")),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks of a list.

    Attributes:
        order: what it is sorted by.
        falling: newest, largest or last in the alphabet first.
        after: the cursor after which the page begins; empty for the first page.
        before: the cursor before which it ends instead.
        most: how many messages.
    """

    order: Order = Order.DATE
    falling: bool = True
    after: str = ""
    before: str = ""
    most: int = _USUAL_SIZE

    def sorting(self) -> dict[str, Any]:
        """Return the part of an address that says how the list is sorted; empty for the usual."""
        found: dict[str, Any] = {}
        if self.order is not Order.DATE:
            found["order"] = self.order.value
        if self.falling != (self.order in _FALLS_BY_ITSELF):
            found["way"] = "down" if self.falling else "up"
        return found

    def first(self) -> Asked:
        """Return what asks for the first page."""
        return replace(self, after="", before="")

    def page_after(self, cursor: str) -> Asked:
        """Return what asks for the page after a cursor."""
        return replace(self, after=cursor, before="", most=page_size())

    def page_before(self, cursor: str) -> Asked:
        """Return what asks for the page before a cursor."""
        return replace(self, after="", before=cursor, most=page_size())


@dataclass(frozen=True, slots=True)
class Sort:
    """A way to sort a list.

    Attributes:
        label: its words in a menu.
        short: its words on a button.
        address: of the first page sorted so.
        is_current: the list is sorted so.
    """

    label: str
    short: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A message as a line of the list.

    Attributes:
        uid: its number.
        url: where it is read, or, for a draft, written on.
        is_draft: it opens for writing.
        who: sender, or recipients where all mail is one's own.
        subject: as written; empty for none.
        preview: the beginning of its text.
        at: when it came, µs.
        time: the same as an element, as short as the heading above allows.
        flags: what is remembered of it.
        has_attachments: it has parts to save.
        priority: what its sender says.
        size: octets.
    """

    uid: int
    url: str
    is_draft: bool
    who: str
    subject: str
    preview: str
    at: int
    time: Markup
    flags: Flag
    has_attachments: bool
    priority: Priority
    size: int

    @property
    def is_unread(self) -> bool:
        """Whether it has not been opened."""
        return not self.flags & Flag.SEEN

    @property
    def is_flagged(self) -> bool:
        """Whether it carries the reader's flag."""
        return bool(self.flags & Flag.FLAGGED)

    @property
    def answer(self) -> str:
        """Return what was done about it: `reply`, `forward`, or nothing."""
        if self.flags & Flag.ANSWERED:
            return "reply"
        return "forward" if self.flags & Flag.FORWARDED else ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading.

    Attributes:
        key: names it within the page, and goes on from page to page.
        heading: its words; empty where the list is not sorted by date.
        rows: the messages.
        goes_on: its beginning, with the heading, is in the page before.
    """

    key: str
    heading: str
    rows: list[Row]
    goes_on: bool = False


def asked() -> Asked:
    """Return what the address of the request asks for; what makes no sense is left out."""
    values = request.values
    name = values.get("order", "")
    order = Order(name) if name in Order.__members__.values() else Order.DATE
    way = values.get("way", "")
    falling = way == "down" if way in ("up", "down") else order in _FALLS_BY_ITSELF
    rows = request.args.get("rows", 0, int)
    most = min(max(rows, page_size()), _MOST_AGAIN)
    return Asked(order, falling, values.get("after", ""), values.get("before", ""), most)


def page_size() -> int:
    """Return how many messages this browser wants on a page."""
    wanted = request.cookies.get(PAGE_COOKIE, "")
    return int(wanted) if wanted in map(str, PAGE_SIZES) else _USUAL_SIZE


def address(folder: Folder, wanted: Asked, **more: str) -> str:
    """Return the address of a page of a list."""
    values = wanted.sorting() | more
    if wanted.after or wanted.before:
        values |= {"after": wanted.after} if wanted.after else {"before": wanted.before}
    return url_for("webmail.folder", folder_id=folder.id, **values)


def read_page(folder: Folder, wanted: Asked) -> Page:
    """Read a page; a cursor of another order, or of nobody, leads to the first page."""
    try:
        return mailbox().page(
            folder.id,
            order=wanted.order,
            descending=wanted.falling,
            after=wanted.after,
            before=wanted.before,
            most=wanted.most,
        )
    except BadCursor:
        return read_page(folder, wanted.first())


def groups(folder: Folder, wanted: Asked, messages: list[Listed], *, under: str) -> list[Group]:
    """Return rows under their headings.

    Args:
        folder: where they are.
        wanted: how they are sorted.
        messages: the page.
        under: the key of the last group of the page before; its heading is not said again.
    """
    now = times.today()
    if wanted.order is not Order.DATE:
        said = [(each, times.without_heading(each.received_at, now)) for each in messages]
        rows = [row(folder, wanted, each, time) for each, time in said]
        return [Group(_UNDIVIDED, "", rows, goes_on=under == _UNDIVIDED)] if rows else []
    found = []
    for key, some in groupby(messages, key=lambda each: times.day_key(each.received_at, now)):
        said = [(each, times.below_heading(each.received_at, now)) for each in some]
        rows = [row(folder, wanted, each, time) for each, time in said]
        heading = times.day_heading(rows[0].at, now)
        found.append(Group(key, heading, rows, goes_on=key == under))
    return found


def sorts(folder: Folder, wanted: Asked) -> list[Sort]:
    """Return the ways to sort a folder's list."""
    found = []
    for order, falling, label, short in _SORTS:
        other = Asked(order, falling)
        is_current = (order, falling) == (wanted.order, wanted.falling)
        found.append(Sort(str(label), str(short), address(folder, other), is_current))
    return found


def row(folder: Folder, wanted: Asked, message: Listed, time: str) -> Row:
    """Return a message as a line of a folder's list."""
    is_draft = folder.use == Use.DRAFTS
    if is_draft:
        url = url_for("webmail.draft", uid=message.uid)
    else:
        url = url_for("webmail.message", folder_id=folder.id, uid=message.uid, **wanted.sorting())
    return Row(
        uid=message.uid,
        url=url,
        is_draft=is_draft,
        who=_who(folder, message),
        subject=message.summary.subject,
        preview=message.digest.preview,
        at=message.received_at,
        time=element(message.received_at, time),
        flags=message.flags,
        has_attachments=message.digest.has_attachments,
        priority=message.digest.priority,
        size=message.size,
    )


def _who(folder: Folder, message: Listed) -> str:
    if folder.use in OWN_MAIL:
        names = _names(addresses(message.summary.to_header))
        return names or _("No recipient")
    return _names(addresses(message.summary.from_header)[:1]) or _("No sender")


def _names(people: Iterable[tuple[str, str]]) -> str:
    names = [name or place for name, place in people]
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = len(names) - _NAMES_SHOWN
    return _("%(names)s and %(count)s more", names=shown, count=more) if more > 0 else shown
