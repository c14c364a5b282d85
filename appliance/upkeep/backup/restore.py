"""Restoring a backup: a home that is as it was, with what was there put aside.

All that can fail is done beside the home first. Then a mark is written, and everything is put in
place by steps that can be taken again: with the mark a home does not start, and restoring once more
goes on where it was cut off.

Owns: `restore-unfinished.json`, `scratch/restore-*`, `scratch/before-restore-*` of the home.
Failure: `Clash`, `Invalid`, `StoreBusy`, OSError before the mark: the home is as it was.
    `HomeError` afterwards: the restore is unfinished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import update

from appliance.database.databases import Databases
from appliance.database.errors import DatabaseError
from appliance.database.statement import Statement
from appliance.operations.house import RESTORE_UNFINISHED, SCHEMAS, Config, HomeError
from appliance.operations.operation import Clash, Invalid, OperationError
from appliance.operations.services import expected
from appliance.operations.upgrade import migrate
from appliance.queue.tables import recipients
from appliance.runtime.files import sync_folder, write_whole
from appliance.runtime.locks import ProcessLock
from appliance.store.tables import folders
from appliance.upkeep.backup import files, manifest, postgresql
from appliance.upkeep.backup.create import alone
from appliance.upkeep.backup.files import Progress
from appliance.upkeep.backup.manifest import Manifest
from appliance.upkeep.backup.verify import check_versions, verify

# Numbers that were given out since the backup are not given out again: a POP3 client that has
# seen UIDL 57 would take tomorrow's message 57 for one it knows (RFC 1939 §7).
_GAP = 1_000_000

_FOLDERS = ("config", "queues", "postoffices", "badmail")  # put in place as a whole
_SINGLE = ("ca.pem", "demo.json")
_LINKED = ("content/", "badmail/")  # files that never change
_SPARE = 64 << 20
_EVERY = 100

_LEAVE_GAP = Statement(
    update(folders).values(next_uid=folders.c.next_uid + _GAP, modseq=folders.c.modseq + _GAP)
)
# Workers of that time had recipients in hand, and are gone.
_LET_GO = Statement(update(recipients).values(lease_until=0))


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has done.

    Attributes:
        manifest: of the backup.
        aside: where lies what was in the home before.
        went_on: it finished a restore that was cut off.
    """

    manifest: Manifest
    aside: Path
    went_on: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is being put in place, as `restore-unfinished.json` has it; paths are the home's."""

    name: str
    staged: str
    aside: str


def restore(
    folder: Path, config: Config, *, at_us: int, progress: Progress = files.silent
) -> Restored:
    """Restore a backup into a home whose services are stopped.

    Args:
        folder: the backup.
        config: the home's, which need not be the one it was made of.
        at_us: the time.
        progress: told what is going on.

    Raises:
        NoBackup: it is none.
        Clash: services run, or what is needed is missing.
        Invalid: it does not fit this home or this program, or is damaged.
        HomeError: it was begun and could not be finished.
    """
    home = config.home
    with _nobody_works(home):
        known = manifest.read(folder)
        mark = _unfinished(home)
        went_on = mark is not None
        if mark is None:
            _check(folder, known, config, progress)
            mark = _prepare(folder, known, config, at_us, progress)
        elif mark.name != known.name:
            raise HomeError(
                f"the restore of the backup {mark.name} was cut off: restore that one again first"
            )
        try:
            _finish(mark, config, progress)
        except (OperationError, DatabaseError, OSError) as error:
            raise HomeError(
                f"the restore of {mark.name} is unfinished: {error}. Restore it again; what was "
                f"there before is in {home / mark.aside}"
            ) from error
    return Restored(known, home / mark.aside, went_on)


@contextmanager
def _nobody_works(home: Path) -> Iterator[None]:
    """Keep services and other backups away.

    Raises:
        Clash: some run.
    """
    with ExitStack() as stack:
        stack.enter_context(alone(home))
        for name in ("serve", *expected()):
            lock = ProcessLock(home / "run" / "locks" / name)
            stack.callback(lock.release)
            if not lock.try_acquire():
                raise Clash(
                    f"stop the services first: {name} (process {lock.holder()}) runs on this home"
                )
        yield


def _check(folder: Path, known: Manifest, config: Config, progress: Progress) -> None:
    wanted = manifest.POSTGRESQL if config.database_url else manifest.SQLITE
    if known.database != wanted:
        raise Invalid(
            f"the backup {known.name} is of {known.database}, and this home keeps its data in "
            f"{wanted}: it is restored where database_url is of the same kind"
        )
    check_versions(known)
    found = verify(folder, scratch=config.home / "scratch", progress=progress)
    if found.damages:
        rest = f", and {len(found.damages) - 1} more" if len(found.damages) > 1 else ""
        raise Invalid(f"the backup {known.name} is damaged: {found.damages[0]}{rest}")
    needed = _SPARE + sum(size for path, (size, _) in known.files.items() if not _is_linked(path))
    free = shutil.disk_usage(config.home).free
    if free < needed:
        raise Clash(
            f"restoring takes about {needed >> 20} MiB beside what is there, and {free >> 20} MiB "
            f"are free on the disk of {config.home}"
        )


def _prepare(
    folder: Path, known: Manifest, config: Config, at_us: int, progress: Progress
) -> _Mark:
    """Make everything ready beside the home; afterwards the mark stands."""
    home, scratch = config.home, config.home / "scratch"
    for left in scratch.glob("restore-*"):  # of one that was cut off before its mark
        shutil.rmtree(left)
    time = manifest.make_name(at_us, "", {path.name[-16:] for path in scratch.glob("before-*")})
    staged, aside = scratch / f"restore-{time}", scratch / f"before-restore-{time}"
    for path in (*(staged / name for name in _FOLDERS), aside):
        files.make_folder(path)
    try:
        _stage(folder, known, staged, progress)
        if not config.database_url:
            _bring_along(Databases(staged, "", SCHEMAS), staged, progress)
        elif postgresql.has_tables(config.database_url):
            progress("putting the database aside", 0, 0)
            with postgresql.moment(config.database_url) as moment:
                moment.dump(aside / postgresql.FILE)
        files.sync_folders(staged)
        files.sync_folders(aside)
        sync_folder(scratch.parent)
        mark = _Mark(known.name, str(staged.relative_to(home)), str(aside.relative_to(home)))
        _write_mark(home, mark)
    except BaseException:
        if not (home / RESTORE_UNFINISHED).exists():
            shutil.rmtree(staged)
            shutil.rmtree(aside)
        raise
    return mark


def _stage(folder: Path, known: Manifest, staged: Path, progress: Progress) -> None:
    wanted = [
        path
        for path in known.files
        if path.partition("/")[0] in _FOLDERS or path in (*_SINGLE, postgresql.FILE)
    ]
    for number, path in enumerate(wanted):
        if not number % _EVERY:
            progress("files put ready", number, len(wanted))
        if _is_linked(path):
            files.link(folder / path, staged / path)
        else:
            files.copy(folder / path, staged / path)


def _is_linked(path: str) -> bool:
    return any(each in path for each in _LINKED)


def _bring_along(databases: Databases, home: Path, progress: Progress) -> None:
    """Migrate databases of an earlier version; let go of leases, leave a gap in numbers."""
    progress("databases", 0, 0)
    try:
        migrate(databases, really=True)
        if databases.url:
            stores = [0]
        else:
            paths = home.glob("postoffices/*/mail.db")
            stores = [int(path.parent.name) for path in paths if path.parent.name.isdecimal()]
        databases.get("queue").transact(lambda tx: tx.run(_LET_GO))
        for postoffice_id in stores:
            databases.store(postoffice_id).transact(lambda tx: tx.run(_LEAVE_GAP))
    finally:
        databases.release()


def _finish(mark: _Mark, config: Config, progress: Progress) -> None:
    """Put everything in place: each step is one rename, or can be repeated."""
    home = config.home
    staged, aside = home / mark.staged, home / mark.aside
    if config.database_url and (staged / postgresql.FILE).exists():
        progress("database", 0, 0)
        postgresql.restore(config.database_url, staged / postgresql.FILE)
        _bring_along(Databases(home, config.database_url, SCHEMAS), home, progress)
    for name in (*_FOLDERS, *_SINGLE):
        if not (staged / name).exists():  # in place already, or not in the backup
            continue
        if (home / name).exists():
            (home / name).rename(_free(aside / name))
        (staged / name).rename(home / name)
    _place_key(config, aside)
    for path in (aside, staged, home):
        if path.exists():
            sync_folder(path)
    (home / RESTORE_UNFINISHED).unlink()
    sync_folder(home)
    shutil.rmtree(staged, ignore_errors=True)


def _place_key(config: Config, aside: Path) -> None:
    """Put the sealing key where the configuration wants it, when that is outside the home."""
    restored = config.home / "config" / "key"
    if config.key_file.absolute() == restored.absolute() or not restored.exists():
        return
    if config.key_file.exists():
        if config.key_file.read_bytes() == restored.read_bytes():
            return
        files.copy(config.key_file, _free(aside / "key"))
    draft = config.key_file.with_name(f".{config.key_file.name}.new")
    draft.unlink(missing_ok=True)
    files.copy(restored, draft)
    draft.replace(config.key_file)
    sync_folder(config.key_file.parent)


def _free(path: Path) -> Path:
    """Return a path that nothing lies at yet."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}.{number}")
    return found


def _write_mark(home: Path, mark: _Mark) -> None:
    write_whole(home / RESTORE_UNFINISHED, [json.dumps(asdict(mark)).encode()])


def _unfinished(home: Path) -> _Mark | None:
    try:
        return _Mark(**json.loads((home / RESTORE_UNFINISHED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
