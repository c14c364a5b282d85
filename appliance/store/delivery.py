"""Deliveries: what the postoffice connector puts into Inboxes, each copy once, all in one commit.

Owns: the rows of `deliveries`. Failure: `ContentsMissing`; nothing of the call is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select, update

from appliance.database.alike import MANY, Alike
from appliance.database.chosen import Chosen
from appliance.database.content import ContentFolder
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.store import folders, tables
from appliance.store.contents import insert_contents, retain
from appliance.store.errors import ContentsMissing
from appliance.store.folders import Owner
from appliance.store.message import Delivery

_c, _f, _d = tables.contents.c, tables.folders.c, tables.deliveries.c

_DELIVERED = Chosen(_d.id, lambda chosen: select(_d.id).where(chosen))
_INSERT_DELIVERIES = Alike(tables.deliveries, ("id",))
_INSERT_COPIES = Alike(tables.messages, ("folder_id", "uid", "modseq"))
_INBOXES = Chosen(  # in one order everywhere: on PostgreSQL two workers would else wait in a ring
    _f.mailbox_id,
    lambda chosen: (
        select(_f.mailbox_id, _f.id, _f.next_uid, _f.modseq)
        .where(_f.postoffice_id == param("po"), chosen, *folders.IS_INBOX)
        .order_by(_f.mailbox_id)
        .with_for_update()
    ),
)
_GROWTH = {
    "next_uid": _f.next_uid + param("count"),
    "messages": _f.messages + param("count"),
    "unread": _f.unread + param("count"),
    "octets": _f.octets + param("added"),
    "modseq": _f.modseq + 1,
}
_APPEND = Statement(update(tables.folders).where(_f.id == param("folder")).values(**_GROWTH))
_APPEND_ALIKE = Chosen(_f.id, lambda chosen: update(tables.folders).where(chosen).values(**_GROWTH))
_CONTENT_OF_ENTRY = Statement(
    select(_d.content_id)
    .join(tables.contents, _c.id == _d.content_id)
    .where(_d.id > param("low"), _d.id < param("high"), _c.postoffice_id == param("po"))
    .limit(1)
)


def link(folder: ContentFolder, deliveries: Sequence[Delivery]) -> dict[str, str]:
    """Link the large contents of some deliveries; returns the files' names by entry id.

    Raises:
        ContentsMissing: some can't be linked.
    """
    linked: dict[str, str] = {}
    errors: dict[str, OSError] = {}
    for delivery in deliveries:
        entry_id, path = delivery.entry_id, delivery.content.path
        if path is None or entry_id in linked or entry_id in errors:
            continue
        try:
            folder.link(path, delivery.id)
        except OSError as error:
            errors[entry_id] = error
        else:
            linked[entry_id] = delivery.id
    if errors:
        raise ContentsMissing(errors)
    return linked


def deliver(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
    now_us: int,
) -> list[bool]:
    """Write what was not delivered before (see `Store.deliver`).

    Args:
        transaction: of the post office's database.
        postoffice_id: whose.
        deliveries: the copies.
        files: names of the large contents by entry id, from `link`.
        now_us: when they are received.
    """
    known = {name for (name,) in _DELIVERED.tuples(transaction, [each.id for each in deliveries])}
    made = [each for each in deliveries if each.id not in known] if known else deliveries
    if made:
        _append(transaction, postoffice_id, made, files, now_us)
    return [each.id not in known for each in deliveries]


def _append(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
    now_us: int,
) -> None:
    """Write new deliveries: contents once, counters once a mailbox, then the messages."""
    contents = _keep_contents(transaction, postoffice_id, deliveries, files)
    by_entry: dict[str, list[tuple[str]]] = {}
    by_mailbox: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        by_entry.setdefault(delivery.entry_id, []).append((delivery.id,))
        by_mailbox.setdefault(delivery.mailbox_id, []).append(delivery)
    _INSERT_DELIVERIES.run(
        transaction,
        [
            ({"content_id": contents[entry_id], "delivered_at": now_us}, ids)
            for entry_id, ids in by_entry.items()
        ],
    )
    inboxes = _inboxes(transaction, postoffice_id, by_mailbox, now_us)
    placed: dict[tuple[str, bytes, int], list[tuple[int, int, int]]] = {}
    grown: dict[tuple[int, int], list[int]] = {}
    for mailbox_id, copies in by_mailbox.items():
        _, folder_id, first, modseq = inboxes[mailbox_id]
        octets = 0
        for uid, copy in enumerate(copies, first):
            size = len(copy.prefix) + copy.content.size
            octets += size
            alike = (copy.entry_id, copy.prefix, size)
            placed.setdefault(alike, []).append((folder_id, uid, modseq + 1))
        grown.setdefault((len(copies), octets), []).append(folder_id)
    _grow(transaction, grown)
    _INSERT_COPIES.run(
        transaction,
        [
            (
                {
                    "content_id": contents[entry_id],
                    "entry_id": entry_id,
                    "prefix": prefix,
                    "size": size,
                    "flags": 0,
                    "received_at": now_us,
                },
                places,
            )
            for (entry_id, prefix, size), places in placed.items()
        ],
    )


def _grow(transaction: Transaction, grown: dict[tuple[int, int], list[int]]) -> None:
    """Add to the counters of locked folders: messages and octets, with the folders' ids."""
    single: list[dict[str, int]] = []
    for (count, added), folder_ids in grown.items():
        if len(folder_ids) < MANY:
            single.extend({"folder": each, "count": count, "added": added} for each in folder_ids)
        else:
            _APPEND_ALIKE.run(transaction, folder_ids, count=count, added=added)
    if single:
        transaction.run_many(_APPEND, single)


def _inboxes(
    transaction: Transaction, postoffice_id: int, mailbox_ids: Collection[int], now_us: int
) -> dict[int, tuple[int, ...]]:
    """Lock Inboxes, made where there is none: (mailbox, folder, next uid, modseq) by mailbox."""

    def lock() -> dict[int, tuple[int, ...]]:
        rows = _INBOXES.tuples(transaction, mailbox_ids, po=postoffice_id)
        return {row[0]: row for row in rows}

    found = lock()
    if len(found) == len(mailbox_ids):
        return found
    for mailbox_id in sorted(set(mailbox_ids).difference(found)):
        folders.make_standard(transaction, Owner(postoffice_id, mailbox_id), now_us)
    return lock()


def _keep_contents(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
) -> dict[str, int]:
    """Store each message's content once, also over several calls; returns ids by entry."""
    refs = Counter(delivery.entry_id for delivery in deliveries)
    contents: dict[str, int] = {}
    new: dict[str, dict[str, Any]] = {}
    for delivery in deliveries:
        entry_id = delivery.entry_id
        if entry_id in contents or entry_id in new:
            continue
        if delivery.of > refs[entry_id]:  # an earlier call may have stored it
            known = transaction.value(
                _CONTENT_OF_ENTRY,
                {"low": f"{entry_id}.", "high": f"{entry_id}/", "po": postoffice_id},
            )
            if known is not None and retain(transaction, Counter({known: refs[entry_id]})):
                contents[entry_id] = known
                continue
        new[entry_id] = {
            "size": delivery.content.size,
            "refs": refs[entry_id],
            "body": delivery.content.body,
            "file": files.get(entry_id),
            "summary": delivery.summary,
            "crc": delivery.content.crc,
        }
    if new:
        ids = insert_contents(transaction, postoffice_id, list(new.values()))
        contents.update(zip(new, ids, strict=True))
    return contents
