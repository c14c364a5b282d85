"""Deliveries to test the store with, and a recount of what it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select

from appliance.database.content import Content
from appliance.mail.headers import scan
from appliance.operations.house import House
from appliance.store import tables
from appliance.store.message import Delivery

_f, _m, _c = tables.folders.c, tables.messages.c, tables.contents.c


def delivery(
    entry_id: str,
    mailbox_id: int,
    *,
    number: int = 0,
    of: int = 1,
    octets: bytes = b"Subject: hello\r\n\r\nHello.\r\n",
    prefix: bytes = b"",
    file: Path | None = None,
) -> Delivery:
    """Make a copy of a message for a mailbox; `file` holds the octets of a large one."""
    if file is not None:
        file.write_bytes(octets)
    return Delivery(
        id=f"{entry_id}.{number}",
        entry_id=entry_id,
        mailbox_id=mailbox_id,
        content=Content(len(octets), None if file else octets, file),
        of=of,
        prefix=prefix,
        summary=scan(octets).to_json(),
    )


def entry(number: int) -> str:
    """Make an id as the queue makes them."""
    return f"06BQ886W{number:08d}"


def mails(house: House, postoffice_id: int, mailbox_id: int) -> dict[int, bytes]:
    """Read a whole Inbox, by uid."""
    status = house.store.inbox(postoffice_id, mailbox_id)
    if status is None:
        return {}
    found: dict[int, bytes] = {}
    for uid, size in house.store.listing(postoffice_id, status):
        message = house.store.message(postoffice_id, status.id, uid)
        assert message is not None
        found[uid] = message.read()
        assert len(found[uid]) == size == message.size
        assert b"".join(message.chunks()) == found[uid]
    return found


def query(house: House, postoffice_id: int, text: Select[Any]) -> list[tuple[Any, ...]]:
    with house.databases.store(postoffice_id).reader() as connection:
        return connection.tuples(text)


def files(house: House, postoffice_id: int) -> set[str]:
    return {path.name for path in house.store.folder(postoffice_id).names()}


def named_files(house: House, postoffice_id: int) -> set[str]:
    rows = query(
        house,
        postoffice_id,
        select(_c.file).where(_c.postoffice_id == postoffice_id, _c.file.is_not(None)),
    )
    return {row[0] for row in rows}


def check_counters(house: House, postoffice_id: int) -> None:
    """Hold every kept number against a count: folders' counters, contents' references."""
    counted = (
        select(
            _m.folder_id,
            func.count().label("messages"),
            func.sum(1 - _m.flags % 2).label("unread"),
            func.sum(_m.size).label("octets"),
        )
        .group_by(_m.folder_id)
        .subquery()
    )
    rows = query(
        house,
        postoffice_id,
        select(
            *(_f.messages, _f.unread, _f.octets),
            *(
                func.coalesce(counted.c[name], 0).label(f"counted_{name}")
                for name in ("messages", "unread", "octets")
            ),
        ).select_from(tables.folders.outerjoin(counted, counted.c.folder_id == _f.id)),
    )
    for row in rows:
        assert row[:3] == tuple(map(int, row[3:]))
    uses = (
        select(_m.content_id, func.count().label("uses")).group_by(_m.content_id).subquery("uses")
    )
    rows = query(
        house,
        postoffice_id,
        select(_c.refs, func.coalesce(uses.c.uses, 0).label("used")).select_from(
            tables.contents.outerjoin(uses, uses.c.content_id == _c.id)
        ),
    )
    assert all(refs == used > 0 for refs, used in rows)
    orphans = select(_m.uid).where(_m.content_id.not_in(select(_c.id)))
    assert query(house, postoffice_id, orphans) == []
