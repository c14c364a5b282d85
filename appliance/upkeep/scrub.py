"""A scrub: reads all that is kept, says what is damaged or does not agree, mends what can be.

Services may run meanwhile. Mail is read as any reader reads it; what is mended is mended in one
transaction for each rule, for which writers wait. What nobody can know any more (a content that is
damaged, a message without one) is told, never guessed: a backup has it.

Owns: `scrub.json` in the home, what the last one found.
Failure: none for what it finds; OSError when its report can't be written.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select, text, update

from appliance.database.content import CHUNK, ContentFolder
from appliance.database.database import Database
from appliance.database.databases import PATHS
from appliance.database.errors import DatabaseError
from appliance.database.orphans import ORPHAN_S, NamedFiles
from appliance.database.statement import SQLITE, Statement, param
from appliance.database.writer import Transaction
from appliance.operations.health import SCRUB_REPORT
from appliance.operations.house import House
from appliance.operations.operation import Action
from appliance.queue import tables as queue_tables
from appliance.queue.desk import Desk
from appliance.rules.access import Permission
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.files import write_whole
from appliance.runtime.removals import Removals
from appliance.store import tables as store_tables
from appliance.upkeep.agreement import RULES, TABLES, Rule
from appliance.upkeep.backup.files import Progress, silent

_AT_ONCE = 64  # contents: 8 MiB at most
_EXAMPLES = 10
_DAMAGES = 100  # sentences of SQLite's own check
_INDEX = re.compile(r"(?:missing from|entries in|entry in) index (\w+)")

_STORE_CONTENTS, _QUEUE_CONTENTS = store_tables.contents, queue_tables.contents
_READ = {
    role: Statement(
        select(*(table.c.id, table.c.size, table.c.body, table.c.file, table.c.crc), *more)
        .where(table.c.id > param("after"))
        .order_by(table.c.id)
        .limit(_AT_ONCE)
    )
    for role, table, more in (
        ("store", _STORE_CONTENTS, (_STORE_CONTENTS.c.postoffice_id,)),
        ("queue", _QUEUE_CONTENTS, ()),
    )
}
_IS_THERE = {
    role: Statement(select(table.c.id).where(table.c.id == param("content")))
    for role, table in (("store", _STORE_CONTENTS), ("queue", _QUEUE_CONTENTS))
}
_KEEP_CRC = {
    role: Statement(
        update(table)
        .where(table.c.id == param("content"), table.c.crc.is_(None))
        .values(crc=param("crc"))
    )
    for role, table in (("store", _STORE_CONTENTS), ("queue", _QUEUE_CONTENTS))
}
_m, _f, _e = store_tables.messages.c, store_tables.folders.c, queue_tables.entries.c
_SHOWN_BY = Statement(
    select(_f.postoffice_id, _f.mailbox_id, _f.name, _m.uid, _m.entry_id)
    .select_from(store_tables.messages.join(store_tables.folders, _f.id == _m.folder_id))
    .where(_m.content_id == param("content"))
    .limit(_EXAMPLES)
)
_QUEUED_BY = Statement(select(_e.id).where(_e.content_id == param("content")).limit(_EXAMPLES))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be, or was not.

    Attributes:
        database: which: queue, `store demo` …
        kind: a word for programs: a rule's name, damaged-page, damaged-content …
        text: for people, a sentence.
        count: how many there were.
        left: how many there are still.
        examples: which, the first of them.
    """

    database: str
    kind: str
    text: str
    count: int
    left: int
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """What a scrub found.

    Attributes:
        at: when it began, µs.
        seconds: how long it took.
        contents: how many messages' contents were read and compared.
        octets: of them.
        unknown: contents that had no checksum to compare with.
        findings: what was not as it should be.
    """

    at: int
    seconds: float = 0.0
    contents: int = 0
    octets: int = 0
    unknown: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def left(self) -> list[Finding]:
        """What is still not as it should be."""
        return [each for each in self.findings if each.left]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrub(Action[Report]):
    """Look at everything that a home keeps.

    Attributes:
        mend: mend what can be mended, and give contents that have none their checksum.
        quick: look only whether large contents are there, without reading them.
        progress: told what is going on.
    """

    name = "scrub"
    permission = Permission.SERVER_CHANGE
    mend: bool = False
    quick: bool = False
    progress: Progress = field(default=silent, repr=False, compare=False)

    def carry_out(self, house: House) -> Report:
        """Look, and keep what was found for `diagnose`."""
        began_us = house.clock.now_us()
        work = _Work(house, self, Report(began_us))
        work.run()
        work.report.seconds = round((house.clock.now_us() - began_us) / MICROSECONDS, 1)
        found = json.dumps(asdict(work.report), ensure_ascii=False, indent=1)
        write_whole(house.home / SCRUB_REPORT, [f"{found}\n".encode()])
        return work.report


class _Work:
    def __init__(self, house: House, wanted: Scrub, report: Report) -> None:
        self.report = report
        self._house = house
        self._mend = wanted.mend
        self._reads = not wanted.quick
        self._progress = wanted.progress
        self._logins: dict[int, str] | None = None

    def run(self) -> None:
        house = self._house
        for role in PATHS:
            self._database(role, role, lambda role=role: house.databases.get(role))  # type: ignore[misc] # mypy does not see the default
        try:
            postoffices = house.directory.postoffices()
        except DatabaseError as error:
            self._find("directory", "unreadable", f"The post offices can't be read: {error}.")
            return
        for number, each in enumerate(postoffices):
            if number and house.databases.url:  # PostgreSQL keeps all tenants in one
                break
            name = "store" if house.databases.url else f"store {each.name}"
            self._database("store", name, lambda each=each: house.databases.store(each.id))  # type: ignore[misc] # the same
        self._orphans("queue", Desk(house.queue).files)
        for each in postoffices:
            self._orphans(f"store {each.name}", partial(house.store.files, each.id))

    def _database(self, role: str, name: str, open_it: Callable[[], Database]) -> None:
        self._progress(f"checking {name}", 0, 0)
        try:
            database = open_it()
            if database.dialect == SQLITE:
                self._pages(name, database)
            for rule in RULES.get(role, ()):
                self._rule(name, database, role, rule)
            if role in _READ:
                self._contents(role, name, database)
        except DatabaseError as error:
            self._find(
                name, "unreadable", f"The {name} database can't be read: {error}. Restore a backup."
            )

    # pages and indexes

    def _pages(self, name: str, database: Database) -> None:
        """Have SQLite check its pages; an index that is damaged is made again from its table."""
        found = _damages(database)
        if not found:
            return
        indexes = sorted({index for each in found for index in _INDEX.findall(each)})
        left = found
        if self._mend and indexes:
            for index in indexes:
                database.transact(lambda tx, index=index: tx.script(f'REINDEX "{index}"'))  # type: ignore[misc] # the same
            left = _damages(database)
        if indexes:
            self._find(
                name,
                "damaged-index",
                f"Indexes of the {name} database are damaged: {', '.join(indexes)}.",
                count=len(indexes),
                left=len({index for each in left for index in _INDEX.findall(each)}),
                examples=found,
            )
        pages = [each for each in left if not _INDEX.search(each)]
        if pages:
            self._find(
                name,
                "damaged-page",
                f"The {name} database's file is damaged. Stop the services and restore a backup.",
                count=len(pages),
                examples=pages,
            )

    # what must agree

    def _rule(self, name: str, database: Database, role: str, rule: Rule) -> None:
        with database.reader() as connection:
            broken = connection.tuples(text(rule.broken))
        if not broken:
            return
        left = len(broken)
        if self._mend and rule.mend:
            left = database.transact(lambda tx: _mended(tx, role, rule))
        self._find(
            name,
            rule.name,
            f"In the {name} database, {rule.what.format(len(broken))}.",
            count=len(broken),
            left=left,
            examples=[" ".join(map(str, row)) for row in broken],
        )

    # contents

    def _contents(self, role: str, name: str, database: Database) -> None:
        """Compare each content with its size and checksum; mend missing checksums."""
        kinds: dict[str, list[str]] = {}
        after = 0
        while True:
            with database.reader() as connection:
                rows = connection.rows(_READ[role], {"after": after})
            if not rows:
                break
            after = rows[-1].id
            sums = []
            for row in rows:
                kind, crc = self._compare(role, row)
                if kind and self._is_there(role, database, row.id):
                    kinds.setdefault(kind, []).append(self._named(role, database, row))
                if crc is not None and row.crc is None:
                    self.report.unknown += 1
                    sums.append({"content": row.id, "crc": crc})
            if self._mend and sums:
                database.transact(lambda tx, sums=sums: tx.run_many(_KEEP_CRC[role], sums))  # type: ignore[misc] # the same
            self._progress(f"reading contents of {name}", self.report.contents, 0)
        for kind, found in kinds.items():
            self._find(
                name,
                kind,
                f"{_SENTENCES[kind].format(len(found), name)} A backup may have them.",
                count=len(found),
                examples=found,
            )

    def _compare(self, role: str, row: Any) -> tuple[str, int | None]:  # noqa: ANN401 - a row
        """Return what is wrong with a content, or nothing, and its checksum where it was read."""
        crc: int | None = None
        try:
            if row.body is not None:
                size, crc = len(row.body), zlib.crc32(row.body)
            elif row.file is None:
                return "content-nowhere", None
            else:
                path = self._folder(role, row).file(row.file)
                size, crc = _read(path) if self._reads else (path.stat().st_size, None)
        except FileNotFoundError:
            return "missing-file", None
        except OSError:
            return "unreadable-file", None
        self.report.contents += 1
        self.report.octets += size
        if size != row.size or (crc is not None and row.crc not in (None, crc)):
            return "damaged-content", None
        return "", crc

    def _folder(self, role: str, row: Any) -> ContentFolder:  # noqa: ANN401 - a row
        house = self._house
        return house.queue.folder if role == "queue" else house.store.folder(row.postoffice_id)

    def _is_there(self, role: str, database: Database, content_id: int) -> bool:
        """Whether a content is still named: people and agents go on meanwhile."""
        with database.reader() as connection:
            return connection.value(_IS_THERE[role], {"content": content_id}) is not None

    def _named(self, role: str, database: Database, row: Any) -> str:  # noqa: ANN401 - a row
        """Say whose content it is."""
        wanted = {"content": row.id}
        with database.reader() as connection:
            if role == "queue":
                ids = [each.id for each in connection.rows(_QUEUED_BY, wanted)]
                return f"content {row.id}, of the message {', '.join(ids) or 'nobody'}"
            shown = connection.rows(_SHOWN_BY, wanted)
        places = [f"{self._login(each.mailbox_id)} {each.name} uid {each.uid}" for each in shown]
        return f"content {row.id}, in {', '.join(places) or 'no folder'}"

    def _login(self, mailbox_id: int) -> str:
        if self._logins is None:
            self._logins = {each.id: each.login for each in self._house.directory.mailboxes()}
        return self._logins.get(mailbox_id, f"mailbox {mailbox_id}")

    # files that nothing names

    def _orphans(self, name: str, find: Callable[[], NamedFiles]) -> None:
        """Find files without a row."""
        limit_s = self._house.clock.now_us() / MICROSECONDS - ORPHAN_S
        try:
            files = find()
            orphans = files.orphans(limit_s)
            left = len(orphans)
            if orphans and self._mend:
                with Removals(self._house.home).allowed() as may:
                    left = max(0, left - files.sweep(limit_s)) if may else left
        except DatabaseError:
            return  # told already
        if not orphans:
            return
        self._find(
            name,
            "orphaned-file",
            f"{len(orphans)} content files are named by nothing in the {name} database.",
            count=len(orphans),
            left=left,
            examples=[str(path.relative_to(self._house.home)) for path in orphans],
        )

    def _find(
        self,
        database: str,
        kind: str,
        text: str,
        *,
        count: int = 1,
        left: int | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        self.report.findings.append(
            Finding(
                database=database,
                kind=kind,
                text=text,
                count=count,
                left=count if left is None else left,
                examples=tuple(examples[:_EXAMPLES]),
            )
        )


_SENTENCES = {
    "content-nowhere": "In the {1} database, contents neither in a row nor in a file: {0}.",
    "missing-file": "In the {1} database, contents that have lost their file: {0}.",
    "unreadable-file": "In the {1} database, contents that can't be read from their files: {0}.",
    "damaged-content": "In the {1} database, contents other than what was written: {0}.",
}


def _damages(database: Database) -> list[str]:
    """Return what SQLite's own check finds, in its words."""
    with database.reader() as connection:
        connection.script(f"PRAGMA integrity_check({_DAMAGES})")
        found = [str(row[0]) for row in connection.raw_cursor().fetchall()]
    return [] if found == ["ok"] else [line for each in found for line in each.splitlines()]


def _mended(transaction: Transaction, role: str, rule: Rule) -> int:
    """Mend what a rule is about; returns how many break it still."""
    if transaction.dialect != SQLITE:
        tables = ", ".join(TABLES[role])
        transaction.script(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
    for statement in rule.mend:
        transaction.script(statement)
    return len(transaction.tuples(text(rule.broken)))


def _read(path: Path) -> tuple[int, int]:
    """Read a file; returns its octets and their checksum."""
    size = crc = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
    return size, crc
