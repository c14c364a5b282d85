"""Reading one message, and adding up what mailboxes hold."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from appliance.database.content import Content, ContentFolder
from appliance.database.statement import Connection, Statement, param
from appliance.store import tables
from appliance.store.folders import MAILBOX, Owner
from appliance.store.message import Flag, Message

_c, _f, _m = tables.contents.c, tables.folders.c, tables.messages.c
_MESSAGE = (
    select(
        *(_m.uid, _m.entry_id, _m.size, _m.prefix, _m.flags, _m.received_at),
        *(_c.size.label("content_size"), _c.body, _c.file),
    )
    .select_from(
        tables.messages.join(tables.contents, _c.id == _m.content_id).join(
            tables.folders, _f.id == _m.folder_id
        )
    )
    .where(_m.folder_id == param("folder"), _m.uid == param("message_uid"))
)
OF_POSTOFFICE = Statement(_MESSAGE.where(_f.postoffice_id == param("po")))
OF_MAILBOX = Statement(_MESSAGE.where(*MAILBOX))
COPIES = Statement(
    select(_m.uid, _m.entry_id, _m.size, _m.prefix, _c.body, _c.file, _c.unchanged)
    .select_from(tables.messages.join(tables.contents, _c.id == _m.content_id))
    .where(_m.folder_id == param("folder"), _m.uid.between(param("first"), param("last")))
    .order_by(_m.uid)
)
_SUMS = (func.coalesce(func.sum(_f.messages), 0), func.coalesce(func.sum(_f.octets), 0))
_USAGE = Statement(select(*_SUMS).where(*MAILBOX))
_USAGES = Statement(
    select(_f.mailbox_id, *_SUMS)
    .where(_f.postoffice_id == param("po"), _f.mailbox_id != tables.NOBODY)
    .group_by(_f.mailbox_id)
)


def message(
    connection: Connection, statement: Statement, files: ContentFolder, wanted: Mapping[str, object]
) -> Message | None:
    """Return a message; None when it is not there.

    Args:
        connection: to read with.
        statement: `OF_POSTOFFICE` or `OF_MAILBOX`.
        files: where large contents lie.
        wanted: its parameters: `folder`, `message_uid`, `po`, and `mailbox` for `OF_MAILBOX`.
    """
    row = connection.row(statement, wanted)
    if row is None:
        return None
    path = None if row.file is None else files.file(row.file)
    return Message(
        *(row.uid, row.entry_id, row.size, row.prefix),
        *(Content(row.content_size, row.body, path), Flag(row.flags), row.received_at),
    )


def usage(connection: Connection, owner: Owner) -> tuple[int, int]:
    """Return messages and octets of a mailbox, over all its folders."""
    messages, octets = connection.tuples(_USAGE, owner.params())[0]
    return int(messages), int(octets)


def usages(connection: Connection, postoffice_id: int) -> dict[int, tuple[int, int]]:
    """Return messages and octets of a post office's mailboxes that have folders, by id."""
    rows = connection.tuples(_USAGES, {"po": postoffice_id})
    return {mailbox: (int(messages), int(octets)) for mailbox, messages, octets in rows}
