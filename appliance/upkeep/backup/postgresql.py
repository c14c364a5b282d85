"""PostgreSQL's part of a backup: one archive of pg_dump, of the moment that is also counted.

Owns: nothing. Never: gives a password to a program as an argument.
Failure: `Clash` when the client programs are missing or say no; `StoreBusy` without a server.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from appliance.database.errors import StoreBusy
from appliance.operations.house import SCHEMAS
from appliance.operations.operation import Clash
from appliance.upkeep.backup.checks import Ask
from appliance.upkeep.backup.files import make_folder, sync

FILE = "database.dump"
LEFT_OUT = ("sessions", "state")  # roles whose tables are kept empty

# What `checks` asks about; the rest of a dump is read, and let go.
_READ = {
    "postoffices": ("deleted_at",),
    "domains": ("deleted_at",),
    "mailboxes": ("deleted_at",),
    "queue_entries": ("id", "content_id"),
    "queue_recipients": ("entry_id",),
    "queue_contents": ("id", "size", "file"),
    "contents": ("id", "postoffice_id", "size", "refs", "file"),
    "folders": ("id", "messages", "octets", "next_uid"),
    "messages": ("folder_id", "uid", "content_id", "size"),
    **{schema.version_table: ("version_num",) for schema in SCHEMAS.values()},
}
_ROWS = 5000


class Moment:
    """The database at one moment, to be asked and dumped."""

    def __init__(self, connection: psycopg.Connection[Any], url: str) -> None:
        """Take a connection with an open REPEATABLE READ transaction."""
        self._connection = connection
        self._url = url
        self._snapshot = str(self.ask("SELECT pg_export_snapshot()")[0][0])

    def ask(self, text: str) -> Sequence[tuple[Any, ...]]:
        """Run a query."""
        return self._connection.execute(text.encode()).fetchall()

    def dump(self, target: Path) -> None:
        """Write the archive, durably.

        Raises:
            Clash: pg_dump is missing, or could not.
        """
        make_folder(target.parent)
        target.touch(0o600)
        empty = (
            f"--exclude-table-data={table.name}"
            for role in LEFT_OUT
            for table in SCHEMAS[role].metadata.sorted_tables
        )
        _run(
            *("pg_dump", "--format=custom", "--no-owner", "--no-privileges"),
            *(f"--snapshot={self._snapshot}", f"--file={target}", *empty),
            url=self._url,
        )
        sync(target)


@contextmanager
def moment(url: str) -> Iterator[Moment]:
    """Hold on to the database as it is now.

    Raises:
        StoreBusy: the server can't be reached.
        Clash: there is no pg_dump.
    """
    _program("pg_dump")
    try:
        with closing(psycopg.connect(url, autocommit=True, connect_timeout=10)) as connection:
            connection.execute("SET idle_in_transaction_session_timeout = 0")
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield Moment(connection, url)
    except psycopg.Error as error:
        raise StoreBusy(f"the PostgreSQL database can't be read: {error}") from error


def version(ask: Ask, table: str) -> str:
    """Return a role's version in the database; empty where it has no tables yet."""
    if not ask(f"SELECT 1 FROM pg_tables WHERE tablename = '{table}'"):  # noqa: S608 - a role's name
        return ""
    return str(ask(f"SELECT version_num FROM {table}")[0][0])  # noqa: S608 - a role's name


def restore(url: str, archive: Path) -> None:
    """Put an archive in place of our tables; repeated after a crash it does the same.

    Raises:
        StoreBusy: the server can't be reached.
        Clash: pg_restore is missing, or could not; the tables are gone then.
    """
    _program("pg_restore")
    drop_tables(url)
    _run(
        *("pg_restore", "--single-transaction", "--exit-on-error", "--clean", "--if-exists"),
        *("--no-owner", "--no-privileges", str(archive)),
        url=url,
    )


def drop_tables(url: str) -> None:
    """Drop all tables of ours, of whatever version, in one transaction."""
    ours = [table.name for each in SCHEMAS.values() for table in each.metadata.sorted_tables]
    names = [*ours, *(schema.version_table for schema in SCHEMAS.values())]
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            for name in names:
                drop = sql.SQL("DROP TABLE IF EXISTS {} CASCADE")
                connection.execute(drop.format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise StoreBusy(f"the PostgreSQL database can't be written: {error}") from error


def has_tables(url: str) -> bool:
    """Tell whether there is anything of ours."""
    with moment(url) as found:
        return any(version(found.ask, schema.version_table) for schema in SCHEMAS.values())


@contextmanager
def opened(archive: Path, scratch: Path) -> Iterator[Ask]:
    """Read a whole archive and have what it says of mail in tables to ask, without any server.

    Args:
        archive: of pg_dump.
        scratch: a folder for the tables, which take a fraction of the archive.

    Raises:
        Clash: pg_restore is missing or can't read the archive.
    """
    make_folder(scratch)
    with (
        tempfile.TemporaryDirectory(dir=scratch, prefix="verify-") as folder,
        closing(sqlite3.connect(Path(folder, "rows.db"), isolation_level=None)) as rows,
    ):
        rows.execute("PRAGMA journal_mode=OFF")
        rows.execute("PRAGMA synchronous=OFF")
        for table, columns in _READ.items():
            rows.execute(f"CREATE TABLE {table} ({', '.join(map(_column, columns))})")
        _load(archive, rows)
        for table, columns in _READ.items():
            for key in {"id", "entry_id", "content_id"}.intersection(columns):
                rows.execute(f"CREATE INDEX {table}_{key} ON {table} ({key})")
        yield lambda text: rows.execute(text).fetchall()


def _column(name: str) -> str:
    return f"{name} {'TEXT' if name in ('file', 'version_num', 'entry_id') else 'NUMERIC'}"


def _load(archive: Path, rows: sqlite3.Connection) -> None:
    command = [_program("pg_restore"), "--file=-", str(archive)]
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=words) as process,
    ):
        assert process.stdout is not None
        rows.execute("BEGIN")
        _take(process.stdout, rows)
        rows.execute("COMMIT")
        process.wait()
        words.seek(0)
        if process.returncode:
            raise Clash(f"pg_restore can't read {archive}: {_last_line(words.read())}")


def _take(script: IO[bytes], rows: sqlite3.Connection) -> None:
    """Take the rows that matter out of a script: those between COPY and the line of a full stop."""
    for line in script:
        if not line.startswith(b"COPY ") or not line.endswith(b" FROM stdin;\n"):
            continue
        name, _, rest = line[5:].decode(errors="replace").partition(" (")
        table = name.rpartition(".")[2].strip('"')
        columns = [each.strip(' "') for each in rest.partition(")")[0].split(",")]
        wanted = _READ.get(table)
        if wanted is None:
            _pass(script)
            continue
        if missing := sorted(set(wanted).difference(columns)):
            raise Clash(f"the archive is damaged: {table} has no column {missing[0]} in it")
        places = [columns.index(each) for each in wanted]
        marks = ", ".join("?" * len(wanted))
        insert = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 - our own tables' names
        batch: list[list[str | None]] = []
        for row in script:
            if row == b"\\.\n":
                break
            fields = row[:-1].split(b"\t")
            batch.append([_value(fields[place]) for place in places])
            if len(batch) >= _ROWS:
                rows.executemany(insert, batch)
                batch.clear()
        rows.executemany(insert, batch)


def _pass(script: IO[bytes]) -> None:
    for row in script:
        if row == b"\\.\n":
            return


def _value(field: bytes) -> str | None:
    return None if field == b"\\N" else field.decode()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Clash(
            f"{name} is not installed: backups of PostgreSQL need its client programs, which are "
            "in the package postgresql-client"
        )
    return found


def _run(name: str, *arguments: str, url: str) -> None:
    """Run a client program on a database; the password goes by its environment."""
    found = conninfo_to_dict(url)
    password = found.pop("password", None)
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    command = [_program(name), f"--dbname={make_conninfo('', **found)}", *arguments]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise Clash(f"{name} could not do it: {_last_line(done.stderr)}")


def _last_line(words: bytes) -> str:
    lines = [line for line in words.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[0] if lines else "it did not say why"
