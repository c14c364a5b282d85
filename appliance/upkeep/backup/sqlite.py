"""SQLite's part of a backup: each database copied in one read transaction, while others write.

Owns: the copies. Failure: `StoreBusy` when a database can't be read; OSError.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from appliance.database.errors import StoreBusy
from appliance.upkeep.backup.checks import Ask
from appliance.upkeep.backup.files import Progress, make_folder, sync

_PAGES = 512  # a step, between which progress is told
_BUSY_S = 30.0


def copy(source: Path, target: Path, *, what: str, progress: Progress) -> None:
    """Copy a database that may be in use, as it is at one moment.

    The read transaction is begun before the copy, which then runs in it: it sees that moment to the
    end, and neither waits for writers nor makes them wait.

    Raises:
        FileNotFoundError: there is no such database.
        StoreBusy: it can't be read.
    """
    make_folder(target.parent)
    target.touch(0o600)
    try:
        with closing(_connect(source, "rw")) as found, closing(sqlite3.connect(target)) as made:
            found.execute("PRAGMA query_only=ON")
            made.execute("PRAGMA synchronous=OFF")  # synced below, once
            found.execute("BEGIN")
            found.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            found.backup(
                made, pages=_PAGES, progress=lambda _, left, of: progress(what, of - left, of)
            )
        with closing(sqlite3.connect(target)) as made:
            # one file again, that is read without a log beside it
            made.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if not source.exists():
            raise FileNotFoundError(str(source)) from None
        raise StoreBusy(f"{source} can't be copied: {error}") from error
    sync(target)


@contextmanager
def opened(path: Path) -> Iterator[Ask]:
    """Open a database of a backup to ask it; nothing is written, not even beside it.

    Raises:
        sqlite3.Error: it is no database, or a damaged one.
    """
    with closing(_connect(path, "ro", "immutable=1")) as connection:
        yield lambda text: connection.execute(text).fetchall()


def version(ask: Ask, table: str) -> str:
    """Return a database's version; empty for one without tables."""
    if not ask(f"SELECT 1 FROM sqlite_master WHERE name = '{table}'"):  # noqa: S608 - a role's name
        return ""
    return str(ask(f"SELECT version_num FROM {table}")[0][0])  # noqa: S608 - a role's name


def damage(ask: Ask) -> str:
    """Return what SQLite finds wrong with a database, in its own words; empty when it is sound."""
    found = [str(row[0]) for row in ask("PRAGMA integrity_check(3)")]
    return "" if found == ["ok"] else "; ".join(found)


def _connect(path: Path, mode: str, *options: str) -> sqlite3.Connection:
    query = "&".join([f"mode={mode}", *options])
    uri = f"file:{quote(str(path.absolute()))}?{query}"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
