"""Deliveries: what the postoffice connector puts into Inboxes, each copy once, all in one commit.

Owns: the rows of `deliveries`. Failure: `ContentsMissing`; nothing of the call is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update

from appliance.database.content import ContentFolder
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.store import folders, tables
from appliance.store.changes import INSERT_MESSAGES
from appliance.store.contents import insert_content, retain
from appliance.store.errors import ContentsMissing
from appliance.store.folders import INBOX, Owner
from appliance.store.message import Delivery

_c, _f, _d = tables.contents.c, tables.folders.c, tables.deliveries.c

_IS_DELIVERED = Statement(select(_d.id).where(_d.id == param("delivery")))
_INSERT_DELIVERY = Statement(insert(tables.deliveries))
_APPEND = Statement(
    update(tables.folders)
    .where(*INBOX)
    .values(
        next_uid=_f.next_uid + param("count"),
        messages=_f.messages + param("count"),
        unread=_f.unread + param("count"),
        octets=_f.octets + param("added"),
        modseq=_f.modseq + 1,
    )
    .returning(_f.id, _f.next_uid, _f.modseq)
)
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
    new = [
        transaction.value(_IS_DELIVERED, {"delivery": delivery.id}) is None
        for delivery in deliveries
    ]
    made = [delivery for delivery, is_new in zip(deliveries, new, strict=True) if is_new]
    if made:
        _append(transaction, postoffice_id, made, files, now_us)
    return new


def _append(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
    now_us: int,
) -> None:
    """Write new deliveries: contents once, counters once a mailbox, then the messages."""
    contents = _keep_contents(transaction, postoffice_id, deliveries, files)
    transaction.run_many(
        _INSERT_DELIVERY,
        [
            {"id": each.id, "content_id": contents[each.entry_id], "delivered_at": now_us}
            for each in deliveries
        ],
    )
    by_mailbox: dict[int, list[Delivery]] = {}
    for delivery in deliveries:
        by_mailbox.setdefault(delivery.mailbox_id, []).append(delivery)
    rows: list[dict[str, Any]] = []
    # in one order everywhere: on PostgreSQL two workers would else wait for each other
    for mailbox_id, copies in sorted(by_mailbox.items()):
        sizes = [len(copy.prefix) + copy.content.size for copy in copies]
        wanted = {
            "po": postoffice_id,
            "mailbox": mailbox_id,
            "count": len(copies),
            "added": sum(sizes),
        }
        folder = transaction.row(_APPEND, wanted)
        if folder is None:
            folders.make_standard(transaction, Owner(postoffice_id, mailbox_id), now_us)
            folder = transaction.row(_APPEND, wanted)
        assert folder is not None
        first = folder.next_uid - len(copies)
        rows.extend(
            {
                "folder_id": folder.id,
                "uid": uid,
                "content_id": contents[copy.entry_id],
                "entry_id": copy.entry_id,
                "prefix": copy.prefix,
                "size": size,
                "flags": 0,
                "modseq": folder.modseq,
                "received_at": now_us,
            }
            for uid, (copy, size) in enumerate(zip(copies, sizes, strict=True), first)
        )
    transaction.run_many(INSERT_MESSAGES, rows)


def _keep_contents(
    transaction: Transaction,
    postoffice_id: int,
    deliveries: Sequence[Delivery],
    files: dict[str, str],
) -> dict[str, int]:
    """Store each message's content once, also over several calls; returns ids by entry."""
    refs = Counter(delivery.entry_id for delivery in deliveries)
    contents: dict[str, int] = {}
    for delivery in deliveries:
        entry_id = delivery.entry_id
        if entry_id in contents:
            continue
        if delivery.of > refs[entry_id]:  # an earlier call may have stored it
            known = transaction.value(
                _CONTENT_OF_ENTRY,
                {"low": f"{entry_id}.", "high": f"{entry_id}/", "po": postoffice_id},
            )
            if known is not None and retain(transaction, Counter({known: refs[entry_id]})):
                contents[entry_id] = known
                continue
        contents[entry_id] = insert_content(
            transaction,
            postoffice_id,
            size=delivery.content.size,
            refs=refs[entry_id],
            body=delivery.content.body,
            file=files.get(entry_id),
            summary=delivery.summary,
        )
    return contents
