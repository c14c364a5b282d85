"""Content files and the rows that name them; files that none names are left over by a crash.

Owns: nothing. Never: unlinks a file that a row names, or that somebody is about to name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.database.content import ContentFolder
from appliance.database.database import Database
from appliance.database.statement import Connection, Statement
from appliance.database.writer import Transaction

ORPHAN_S = 3600  # a younger file may belong to a commit under way


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """The content files of one folder.

    Attributes:
        folder: where they lie.
        database: whose rows name them.
        query: returns the names.
        params: what the query wants.
    """

    folder: ContentFolder
    database: Database
    query: Statement
    params: Mapping[str, Any] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Return the names that rows name."""
        with self.database.reader() as connection:
            return self._names(connection)

    def orphans(self, before_s: float) -> list[Path]:
        """Return files that no row names and that are older than a time (s since 1970)."""
        old = [path for path in self.folder.names() if _changed_before(path, before_s)]
        if not old:
            return []
        named = self.names()  # after the files, which are there before their rows
        return [path for path in old if path.name not in named]

    def sweep(self, before_s: float) -> int:
        """Unlink such files; returns how many.

        It is done while nobody else writes, and who names a file looks then whether it is there
        (`ContentFolder.check`): a clock that jumps makes an old file of one that has just come.
        """
        orphans = self.orphans(before_s)
        return self.database.transact(lambda tx: self._unlink(tx, orphans)) if orphans else 0

    def _unlink(self, transaction: Transaction, orphans: list[Path]) -> int:
        named = self._names(transaction)
        found = [path for path in orphans if path.name not in named]
        for path in found:
            path.unlink(missing_ok=True)
        return len(found)

    def _names(self, connection: Connection) -> set[str]:
        return {name for (name,) in connection.tuples(self.query, self.params)}


def _changed_before(path: Path, limit_s: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ctime < limit_s
    return False
