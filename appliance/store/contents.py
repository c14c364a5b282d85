"""Contents: kept once a post office, let go with the last message that shows them.

Owns: the rows of `contents`; the files' names are theirs. Never: knows a folder.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select, update

from appliance.database.chosen import Chosen
from appliance.database.content import Content, ContentFolder
from appliance.database.database import Database
from appliance.database.errors import DatabaseError
from appliance.database.ids import take_ids
from appliance.database.statement import Connection, Statement, param
from appliance.database.writer import Transaction
from appliance.mail.digest import Digest, digest
from appliance.protocol.smtp_data import travels_unchanged
from appliance.runtime.removals import Removals
from appliance.store import tables

DIGESTED = 256 << 10  # octets of a content that its digest is made of

_c = tables.contents.c
_INSERT = Statement(
    insert(tables.contents),
    ("id", "postoffice_id", "size", "refs", "body", "file", "summary", "unchanged", "crc"),
)
_DROP = Statement(
    delete(tables.contents)
    .where(_c.id == param("content"), _c.refs <= param("count"))
    .returning(_c.file)
)
_DROP_SHOWN_ONCE = Chosen(
    _c.id,
    lambda chosen: delete(tables.contents).where(chosen, _c.refs <= 1).returning(_c.id, _c.file),
)
_RELEASE = Statement(
    update(tables.contents).where(_c.id == param("content")).values(refs=_c.refs - param("count"))
)
_OCTETS = Statement(select(_c.size, _c.body, _c.file).where(_c.id == param("content")))
_KEEP_DIGEST = Statement(
    update(tables.contents).where(_c.id == param("content")).values(digest=param("digest"))
)

_log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def content_folder(home: Path, postoffice_id: int) -> ContentFolder:
    """Return where a post office's large contents lie."""
    folder = home / "postoffices" / str(postoffice_id) / "content"
    return ContentFolder(folder, Removals(home))


def insert_content(
    transaction: Transaction,
    postoffice_id: int,
    *,
    size: int,
    refs: int,
    body: bytes | None,
    file: str | None,
    summary: str,
    crc: int | None,
) -> int:
    """Keep a content; returns its id.

    Args:
        transaction: the one that files the messages.
        postoffice_id: whose.
        size: octets.
        refs: how many messages show it.
        body: the octets of a small one.
        file: the file's name of a large one.
        summary: of its header, as JSON.
        crc: of its octets, if it is known.
    """
    row = {
        "size": size, "refs": refs, "body": body, "file": file, "summary": summary, "crc": crc
    }  # fmt: skip
    return insert_contents(transaction, postoffice_id, [row])[0]


def insert_contents(
    transaction: Transaction, postoffice_id: int, rows: Sequence[Mapping[str, Any]]
) -> Sequence[int]:
    """Keep contents; returns their ids. Each has what `insert_content` takes by name."""
    ids = take_ids(transaction, tables.contents, len(rows))
    transaction.run_many(
        _INSERT,
        [
            {
                "id": content_id,
                "postoffice_id": postoffice_id,
                "unchanged": int(row["body"] is not None and travels_unchanged(row["body"])),
                **row,
            }
            for content_id, row in zip(ids, rows, strict=True)
        ],
    )
    return ids


def retain(transaction: Transaction, uses: Counter[int]) -> bool:
    """Have contents shown by more messages; returns whether all were there."""
    there = [
        transaction.run(_RELEASE, {"content": content_id, "count": -count})
        for content_id, count in sorted(uses.items())  # in one order everywhere
    ]
    return all(there)


def release(transaction: Transaction, uses: Counter[int]) -> list[str]:
    """Let contents go; returns the names of files that nothing shows any more."""
    last = [content_id for content_id, count in sorted(uses.items()) if count == 1]
    dropped_at_once = _DROP_SHOWN_ONCE.rows(transaction, last)
    files = [row.file for row in dropped_at_once if row.file is not None]
    gone = {row.id for row in dropped_at_once}
    for content_id, count in sorted(uses.items()):  # in one order, as above
        if content_id in gone:
            continue
        wanted = {"content": content_id, "count": count}
        dropped = transaction.row(_DROP, wanted)
        if dropped is None:
            transaction.run(_RELEASE, wanted)
            # PostgreSQL: somebody else may have let the last others go at the same moment
            dropped = transaction.row(_DROP, {"content": content_id, "count": 0})
        if dropped is not None and dropped.file is not None:
            files.append(dropped.file)
    return files


class Digests:
    """Digests of the contents of a list; those that nobody has needed before are made now."""

    def __init__(self, connection: Connection, folder: ContentFolder) -> None:
        """Take the connection that reads the list, and where large contents lie."""
        self._connection = connection
        self._folder = folder
        self._made: dict[int, Digest] = {}

    def of(self, content_id: int, kept: str | None) -> Digest:
        """Return a content's digest; `kept` is what its row holds."""
        if kept is not None:
            try:
                return Digest.from_json(kept)
            except ValueError:  # another version's
                pass
        made = self._made.get(content_id)
        if made is None:
            octets = self._beginning(content_id)
            if octets is None:
                return Digest()
            made = self._made[content_id] = digest(octets)
        return made

    def keep(self, database: Database) -> None:
        """Write what was made, lazily; that it can't be written is nobody's trouble."""
        rows = [
            {"content": content_id, "digest": made.to_json()}
            for content_id, made in sorted(self._made.items())
        ]
        if not rows:
            return
        try:
            database.transact(lambda tx: tx.run_many(_KEEP_DIGEST, rows), lazy=True)
        except DatabaseError as error:
            _log.info("%d digests could not be kept: %s", len(rows), error)

    def _beginning(self, content_id: int) -> bytes | None:
        """Return a content's first octets; None when it has gone meanwhile."""
        row = self._connection.row(_OCTETS, {"content": content_id})
        if row is None:
            return None
        path = None if row.file is None else self._folder.file(row.file)
        try:
            return Content(row.size, row.body, path).read(DIGESTED)
        except OSError:
            return None
