"""Verifying a backup: every file is what it was, every database is sound, and all counts agree.

Neither a home nor a server is needed: an archive of PostgreSQL is read by its client program.

Owns: a scratch folder while an archive is read. Never: writes into the backup.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from appliance.database.databases import PATHS
from appliance.operations.house import SCHEMAS
from appliance.operations.operation import Clash, Invalid
from appliance.operations.upgrade import check_known
from appliance.upkeep.backup import checks, files, manifest, postgresql
from appliance.upkeep.backup import sqlite as sqlite_files
from appliance.upkeep.backup.checks import Ask
from appliance.upkeep.backup.files import Progress
from appliance.upkeep.backup.manifest import Manifest

_EVERY = 100
_MOST = 20  # sentences about files; a backup that lost a folder has thousands


@dataclass(slots=True)
class Verdict:
    """What was found.

    Attributes:
        manifest: what the backup says it holds.
        problems: a sentence each; none for a sound backup.
        damages: those that stand in the way of restoring it.
    """

    manifest: Manifest
    problems: list[str] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)

    def damage(self, sentence: str) -> None:
        """Note what stands in the way of a restore."""
        self.problems.append(sentence)
        self.damages.append(sentence)


def verify(
    folder: Path, *, scratch: Path, hashes: bool = True, progress: Progress = files.silent
) -> Verdict:
    """Check a backup.

    Args:
        folder: the backup.
        scratch: where an archive of PostgreSQL may be taken apart.
        hashes: read all files again; without it only their sizes are compared.
        progress: told what is going on.

    Raises:
        NoBackup: it is none.
        Clash: pg_restore is missing.
    """
    found = Verdict(manifest.read(folder))
    try:
        check_versions(found.manifest)
    except Invalid as error:
        found.damage(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return found
    _files(folder, found, hashes=hashes, progress=progress)
    counted: Counter[str] = Counter()
    named: set[str] = set()
    for names, opened in _databases(folder, found.manifest, scratch):
        progress(f"checking {names[0]}", 0, 0)
        try:
            with opened as ask:
                for name in names:
                    _database(ask, name, found, counted, named)
        except (sqlite3.Error, Clash, Invalid) as error:
            which = names[0] if len(names) == 1 else "PostgreSQL"
            found.damage(f"The {which} database can't be used: {error}.")
    _counts(found, counted)
    for path in found.manifest.missing:
        if path in named:
            found.problems.append(
                f"{path} was missing in the home already when the backup was made."
            )
    return found


def check_versions(known: Manifest) -> None:
    """Check that this program can read a backup's databases, or bring them along.

    Raises:
        Invalid: a newer program made it.
    """
    for name, version in known.schemas.items():
        schema = SCHEMAS.get(name.partition(" ")[0])
        if schema is None:
            raise Invalid(
                f"the backup {known.name} has a database {name!r}, which this program does not "
                f"know: it was made by {known.version}, use that"
            )
        check_known(name, schema, version)


def _files(folder: Path, found: Verdict, *, hashes: bool, progress: Progress) -> None:
    known = found.manifest.files
    wrong = []
    for number, (path, (size, digest)) in enumerate(sorted(known.items())):
        if not number % _EVERY:
            progress("files", number, len(known))
        try:
            actual = (folder / path).stat().st_size
            if actual != size:
                wrong.append(f"{path} has {actual} octets; it had {size}.")
            elif hashes and files.digest(folder / path) != digest:
                wrong.append(f"{path} has changed: its SHA-256 is another one.")
        except FileNotFoundError:
            wrong.append(f"{path} is missing.")
        except OSError as error:
            wrong.append(f"{path} can't be read: {error.strerror}.")
    for sentence in wrong[:_MOST]:
        found.damage(sentence)
    if len(wrong) > _MOST:
        found.damage(f"{len(wrong) - _MOST} further files are missing or have changed.")


def _databases(
    folder: Path, known: Manifest, scratch: Path
) -> Iterator[tuple[list[str], AbstractContextManager[Ask]]]:
    """Yield the names of the databases that are opened together, and what opens them."""
    if known.database == manifest.POSTGRESQL:
        yield list(known.schemas), postgresql.opened(folder / postgresql.FILE, scratch)
        return
    for name in known.schemas:
        yield [name], _sound(folder / path_of(name))


@contextmanager
def _sound(path: Path) -> Iterator[Ask]:
    with sqlite_files.opened(path) as ask:
        broken = sqlite_files.damage(ask)
        if broken:
            raise sqlite3.DatabaseError(broken)
        yield ask


def path_of(name: str) -> str:
    """Return where a database of a name lies: `queue`, `store 7`."""
    role, _, number = name.partition(" ")
    return f"postoffices/{number}/mail.db" if number else PATHS[role]


def _database(ask: Ask, name: str, found: Verdict, counted: Counter[str], named: set[str]) -> None:
    role, version = name.partition(" ")[0], found.manifest.schemas[name]
    schema = SCHEMAS[role]
    is_version = str(ask(f"SELECT version_num FROM {schema.version_table}")[0][0])  # noqa: S608 - a role's name
    if is_version != version:
        found.damage(f"The {name} database is of version {is_version}, not {version}.")
    counted.update(checks.count(role, ask))
    for sentence in checks.disagreements(role, ask):
        found.problems.append(f"In the {name} database, {sentence}.")
    known = found.manifest.files
    for path, size in checks.content_files(role, ask):
        named.add(path)
        if path not in known:
            if path not in found.manifest.missing:
                found.damage(f"{path} is named by the {name} database, and not in the backup.")
        elif known[path][0] != size:
            found.problems.append(
                f"{path} has {known[path][0]} octets; the {name} database says {size}."
            )


def _counts(found: Verdict, counted: Counter[str]) -> None:
    for what, said in asdict(found.manifest.counts).items():
        if counted[what] != said and not found.damages:
            found.damage(f"There are {counted[what]} {what}; the manifest says {said}.")
