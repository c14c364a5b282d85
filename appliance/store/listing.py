"""Listing folders: pages in any order, and messages by uid.

A page is found in an index, then its rows are read: it costs the same in a folder of a hundred
messages and in one of a hundred thousand.

Never: takes a lock while it reads. Failure: `BadCursor`; `StoreBusy` (temporary).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Column, select, tuple_

from appliance.database.content import ContentFolder
from appliance.database.database import Database
from appliance.database.statement import Connection, Statement, param
from appliance.mail.headers import Summary
from appliance.store import cursors, folders, orders, tables
from appliance.store.chosen import MAX_UID, Chosen, pieces
from appliance.store.contents import Digests
from appliance.store.cursors import Position
from appliance.store.errors import BadCursor
from appliance.store.folders import Owner
from appliance.store.message import Flag, Listed, Order, Page

_c, _m, _o = tables.contents.c, tables.messages.c, tables.orders.c
_KEYS: dict[Order, Column[int] | Column[bytes]] = {
    Order.DATE: _m.received_at,
    Order.SENDER: _o.sender,
    Order.SUBJECT: _o.subject,
    Order.SIZE: _o.size,
}
_ROWS = Chosen(
    _m.uid,
    lambda chosen: (
        select(
            *(_m.uid, _m.entry_id, _m.size, _m.flags, _m.received_at, _m.modseq),
            *(_m.content_id, _c.summary, _c.digest),
        )
        .join(tables.contents, _c.id == _m.content_id)
        .where(_m.folder_id == param("folder"), chosen)
    ),
)
_MARKS = Statement(
    select(_m.uid, _m.flags)
    .where(_m.folder_id == param("folder"), _m.uid > param("after"))
    .order_by(_m.uid)
    .limit(param("most"))
)
_UIDS = Statement(
    select(_m.uid)
    .where(_m.folder_id == param("folder"), _m.uid > param("after"))
    .order_by(_m.uid)
    .limit(param("most"))
)


def page(
    database: Database,
    files: ContentFolder,
    owner: Owner,
    folder_id: int,
    *,
    order: Order,
    descending: bool,
    after: str,
    before: str,
    most: int,
) -> Page:
    """List a piece of a folder (see `MailboxStore.page`)."""
    if after and before:
        raise BadCursor("a page is after one place in a list or before one, not both")
    start = cursors.read(order, after or before) if after or before else None
    with database.reader() as connection:
        folder = folders.find(connection, owner, folder_id)
    if order is not Order.DATE:
        orders.catch_up(database, owner, folder)
    with database.reader() as connection:
        places = _Places(connection, folder_id, order, upwards=not descending)
        shown, first, last = places.piece(start, most, backwards=bool(before))
        digests = Digests(connection, files)
        messages = _rows(connection, folder_id, [uid for _, uid in shown], digests)
    digests.keep(database)
    return Page(
        messages,
        before=cursors.write(order, first) if first else "",
        after=cursors.write(order, last) if last else "",
    )


def listed(
    database: Database, files: ContentFolder, owner: Owner, folder_id: int, uids: Sequence[int]
) -> list[Listed]:
    """List some messages (see `MailboxStore.listed`)."""
    with database.reader() as connection:
        folders.find(connection, owner, folder_id)
        digests = Digests(connection, files)
        found = _rows(connection, folder_id, uids, digests)
    digests.keep(database)
    return found


def every(
    database: Database,
    files: ContentFolder,
    owner: Owner,
    folder_id: int,
    *,
    after_uid: int,
    most: int,
) -> list[Listed]:
    """List messages by uid (see `MailboxStore.every`)."""
    with database.reader() as connection:
        folders.find(connection, owner, folder_id)
        wanted = {"folder": folder_id, "after": min(max(after_uid, 0), MAX_UID), "most": most}
        uids = [uid for (uid,) in connection.tuples(_UIDS, wanted)]
        digests = Digests(connection, files)
        found = _rows(connection, folder_id, uids, digests)
    digests.keep(database)
    return found


def marks(
    database: Database, owner: Owner, folder_id: int, *, after_uid: int, most: int
) -> list[tuple[int, Flag]]:
    """Return uid and flags of messages by uid (see `MailboxStore.marks`)."""
    with database.reader() as connection:
        folders.find(connection, owner, folder_id)
        wanted = {"folder": folder_id, "after": min(max(after_uid, 0), MAX_UID), "most": most}
        return [(uid, Flag(flags)) for uid, flags in connection.tuples(_MARKS, wanted)]


class _Places:
    """The places of a folder's messages in one order and direction."""

    def __init__(
        self, connection: Connection, folder_id: int, order: Order, *, upwards: bool
    ) -> None:
        self._connection = connection
        self._folder_id = folder_id
        self._order = order
        self._upwards = upwards

    def piece(
        self, start: Position | None, most: int, *, backwards: bool
    ) -> tuple[list[Position], Position | None, Position | None]:
        """Find a page's places.

        Args:
            start: begin beyond this place; None for the beginning.
            most: how many places.
            backwards: the places that precede `start`.

        Returns:
            The places; the one that what precedes them is asked for by, and the one that what
            follows is asked for by, each None where there is nothing.
        """
        found = self._from(start, most + 1, backwards=backwards)
        goes_on = len(found) > most
        found = found[:most]
        # where nothing is left beyond `start`, the way back includes `start` itself
        near = found[0] if found else self._next_to(start, backwards=backwards)
        far = found[-1] if goes_on else None
        if start is None or near is None or not self._from(near, 1, backwards=not backwards):
            near = None
        if backwards:
            return found[::-1], far, near
        return found, near, far

    def _from(self, start: Position | None, most: int, *, backwards: bool) -> list[Position]:
        wanted: dict[str, object] = {"folder": self._folder_id, "most": most}
        if start is not None:
            wanted |= {"from_key": start[0], "from_uid": start[1]}
        statement = _positions(self._order, self._upwards is not backwards, start is not None)
        return self._connection.tuples(statement, wanted)

    def _next_to(self, start: Position | None, *, backwards: bool) -> Position | None:
        """Return the place from which `start` is the first on the way back."""
        if start is None:
            return None
        key, uid = start
        return key, uid + 1 if self._upwards is not backwards else max(uid - 1, 0)


@cache
def _positions(order: Order, upwards: bool, starts: bool) -> Statement:  # noqa: FBT001 - a key of the cache
    """Return the query for places in an order, all of it from one index."""
    key = _KEYS[order]
    table = key.table
    uid = table.c.uid
    found = select(key, uid).where(table.c.folder_id == param("folder"))
    if starts:
        place, start = tuple_(key, uid), tuple_(param("from_key"), param("from_uid"))
        found = found.where(place > start if upwards else place < start)
    directed = (key.asc(), uid.asc()) if upwards else (key.desc(), uid.desc())
    return Statement(found.order_by(*directed).limit(param("most")))


def _rows(
    connection: Connection, folder_id: int, uids: Sequence[int], digests: Digests
) -> list[Listed]:
    """Read some messages, in the order of the uids; those that are gone are left out."""
    rows = {
        row.uid: row
        for piece in pieces(uids)
        for row in _ROWS.rows(connection, piece, folder=folder_id)
    }
    return [
        Listed(
            *(row.uid, row.entry_id, row.size, Flag(row.flags), row.received_at, row.modseq),
            *(Summary.from_json(row.summary), digests.of(row.content_id, row.digest)),
        )
        for uid in dict.fromkeys(uids)
        if (row := rows.get(uid)) is not None
    ]
