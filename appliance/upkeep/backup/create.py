"""Making a backup while services run and mail flows.

The order is what makes it consistent (ADR 9): the queue, then the stores, the directory last, and
nothing is removed for good meanwhile. A message that was accepted before lies in the copy of the
queue, or of a store; one that lies in both is delivered once, because the store remembers it.

Owns: the folder that is being made; `run/locks/backup`.
Failure: `Clash`, `StoreBusy`, OSError: what was written is removed again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from appliance import __version__
from appliance.database.databases import PATHS
from appliance.operations.house import SCHEMAS, Config
from appliance.operations.operation import Clash
from appliance.runtime.locks import ProcessLock
from appliance.runtime.removals import Removals
from appliance.upkeep.backup import checks, files, manifest, postgresql, sqlite
from appliance.upkeep.backup.files import Progress
from appliance.upkeep.backup.manifest import Counts, Manifest

_SINGLE = ("ca.pem", "demo.json", "posthouse.toml")  # in the home itself
_SPARE = 64 << 20  # octets that the services may need meanwhile
_EVERY = 100  # files between two reports of progress


def backups_of(home: Path) -> Path:
    """Return the folder that a home's backups lie in."""
    return home / "backups"


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep other backups, deletions and restores of a home away.

    Raises:
        Clash: one is under way.
    """
    lock = ProcessLock(home / "run" / "locks" / "backup")
    try:
        if not lock.try_acquire():
            raise Clash(f"process {lock.holder()} works on the backups of this home already")
        yield
    finally:
        lock.release()


@dataclass(slots=True)
class _Made:
    """What a backup has become so far."""

    home: Path
    folder: Path
    earlier: Path | None
    known: Manifest | None
    progress: Progress
    counts: Counter[str] = field(default_factory=Counter)
    schemas: dict[str, str] = field(default_factory=dict)
    added: int = 0
    missing: list[str] = field(default_factory=list)

    def link(self, path: str) -> bool:
        """Have a file of the home that never changes; False when it is not there."""
        target = self.folder / path
        earlier = None if self.earlier is None else self.earlier / path
        for _ in range(2):  # a delivery under way may put the same file there anew
            try:
                if not files.link(self.home / path, target, earlier=earlier):
                    self.added += target.stat().st_size
            except FileNotFoundError:
                continue
            except FileExistsError:  # linked before
                pass
            return True
        return False

    def copy(self, path: Path, name: str) -> None:
        """Have a file that may change, if it is there."""
        target = self.folder / name
        try:
            files.copy(path, target)
        except FileNotFoundError:
            return
        self.added += target.stat().st_size

    def link_contents(self, found: Iterable[tuple[str, int]], what: str) -> None:
        """Have the content files that rows name."""
        named = list(found)
        for number, (path, _) in enumerate(named):
            if not number % _EVERY:
                self.progress(f"contents of {what}", number, len(named))
            if not self.link(path):
                self.missing.append(path)


def create(
    config: Config,
    *,
    at_us: int,
    label: str = "",
    toml: Path | None = None,
    progress: Progress = files.silent,
) -> Manifest:
    """Make a backup of a home.

    Args:
        config: the home's.
        at_us: the time.
        label: what the operator calls it.
        toml: the configuration file, where it lies outside the home.
        progress: told what is going on.

    Raises:
        Clash: another one is being made; pg_dump is missing or failed; the disk is too full.
        StoreBusy: a database can't be read.
        OSError: it can't be written. Nothing of it is left.
    """
    backups = backups_of(config.home)
    with alone(config.home):
        backups.mkdir(mode=0o700, exist_ok=True)
        for folder in list(manifest.unfinished(backups)):
            files.remove(folder)
        _check_space(config, backups)
        finished = list(manifest.complete(backups))
        name = manifest.make_name(at_us, label, {path.name for path in backups.iterdir()})
        folder = backups / name
        folder.mkdir(mode=0o700)
        try:
            earlier, known = _latest(finished)
            made = _Made(config.home, folder, earlier, known, progress)
            _collect(config, made, toml)
            found = Manifest(
                name=name,
                label=label,
                at=at_us,
                version=__version__,
                node=config.node,
                database=manifest.POSTGRESQL if config.database_url else manifest.SQLITE,
                schemas=made.schemas,
                counts=Counts(**made.counts),
                added=made.added,
                missing=tuple(made.missing),
                files=dict(_hash(made)),
            )
            files.sync_folders(folder)
            manifest.write(folder, found)
        except BaseException:
            with suppress(OSError):
                files.remove(folder)
            raise
    return found


def _collect(config: Config, made: _Made, toml: Path | None) -> None:
    if config.database_url:
        _postgresql(config.database_url, made)
    else:
        _sqlite(made)
    made.copy(config.key_file, "config/key")
    for path in sorted((config.home / "config" / "tls").glob("*")):
        made.copy(path, f"config/tls/{path.name}")
    for name in _SINGLE:
        made.copy(config.home / name, name)
    if toml is not None and not (made.folder / "posthouse.toml").exists():
        with suppress(PermissionError):  # it is for information, and may be root's alone
            made.copy(toml, "posthouse.toml")


def _sqlite(made: _Made) -> None:
    """Copy the databases in the order that ADR 9 gives, and link what they name."""
    with Removals(made.home).held_up():
        _bad_mail(made)
        take_database(made, "queue", "queue", PATHS["queue"])
        # Those that appear from here on keep mail that was accepted later, or is in the queue.
        stores = sorted(made.home.glob("postoffices/*/mail.db"), key=_number)
        for path in stores:
            relative = str(path.relative_to(made.home))
            take_database(made, "store", f"store {path.parent.name}", relative)
        _bad_mail(made)
        take_database(made, "journey", "journey", PATHS["journey"])
        take_database(made, "directory", "directory", PATHS["directory"])


def take_database(made: _Made, role: str, name: str, path: str) -> None:
    """Copy one database, and link the content files that the copy names."""
    target = made.folder / path
    try:
        sqlite.copy(made.home / path, target, what=name, progress=made.progress)
    except FileNotFoundError:  # not made yet
        target.unlink(missing_ok=True)
        return
    with sqlite.opened(target) as ask:
        version = sqlite.version(ask, SCHEMAS[role].version_table)
        if version:
            made.schemas[name] = version
            made.counts.update(checks.count(role, ask))
            made.added += target.stat().st_size
            made.link_contents(checks.content_files(role, ask), name)
    if not version:  # it is being made at this moment: nothing is in it
        target.unlink()


def _postgresql(url: str, made: _Made) -> None:
    """Take one moment of the whole database, and link what it names; then dump it, at leisure."""
    with ExitStack() as stack:
        with Removals(made.home).held_up():
            _bad_mail(made)
            moment = stack.enter_context(postgresql.moment(url))
            for role, schema in SCHEMAS.items():
                version = postgresql.version(moment.ask, schema.version_table)
                made.progress(role, 0, 0)
                if version:
                    made.schemas[role] = version
                    made.counts.update(checks.count(role, moment.ask))
                    made.link_contents(checks.content_files(role, moment.ask), role)
            _bad_mail(made)
        made.progress("database", 0, 0)
        target = made.folder / postgresql.FILE
        moment.dump(target)
        made.added += target.stat().st_size


def _bad_mail(made: _Made) -> None:
    """Link the copies in bad mail.

    Before the queue, because a copy may be put into the queue anew and leave; and after it, because
    what is given up meanwhile comes here.
    """
    folder = made.home / "badmail"
    for record in sorted(folder.glob("*.json")):
        if made.link(f"badmail/{record.stem}.eml"):
            made.link(f"badmail/{record.name}")


def _hash(made: _Made) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield path, size and SHA-256 of each file; those of an earlier backup are known."""
    paths = list(files.files_of(made.folder))
    for number, path in enumerate(paths):
        if not number % _EVERY:
            made.progress("checksums", number, len(paths))
        target = made.folder / path
        known = None if made.known is None else made.known.files.get(path)
        if known is None or made.earlier is None or not files.is_same(made.earlier / path, target):
            known = (target.stat().st_size, files.digest(target))
        yield path, known


def _latest(finished: list[Path]) -> tuple[Path, Manifest] | tuple[None, None]:
    for folder in reversed(finished):
        with suppress(manifest.NoBackup):
            return folder, manifest.read(folder)
    return None, None


def _check_space(config: Config, backups: Path) -> None:
    """Refuse to begin what can't fit: the databases are copied, contents mostly are not."""
    home = config.home
    databases = [*home.glob("postoffices/*/mail.db*"), *home.glob("queues/*.db*")]
    needed = _SPARE + sum(path.stat().st_size for path in databases if path.exists())
    free = shutil.disk_usage(backups).free
    if free < needed:
        raise Clash(
            f"a backup takes about {needed >> 20} MiB, and {free >> 20} MiB are free on the disk "
            f"of {backups}: make room, or let it be a link to a folder on another disk"
        )


def _number(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdecimal() else 0, name)
