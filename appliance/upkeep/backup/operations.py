"""Backups as operations: who may, and what the audit keeps of it.

They stand here and not on the operations' floor, because they keep the house: they put processes,
files and client programs to work. For the same reason the command line alone asks for them.

Failure: `Clash`, `Invalid`, `NotFound`; OSError, as when the disk is full.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from appliance.operations.house import House
from appliance.operations.operation import Action, Clash, Invalid, NotFound, Question
from appliance.operations.services import running
from appliance.operations.upgrade import PlanUpgrade, Step, UpgradeDatabases, check_stopped
from appliance.rules.access import Permission
from appliance.settings import backup as settings
from appliance.upkeep.backup import files, manifest
from appliance.upkeep.backup.create import alone, backups_of, create
from appliance.upkeep.backup.files import Progress
from appliance.upkeep.backup.manifest import Manifest, NoBackup
from appliance.upkeep.backup.restore import Restored, restore
from appliance.upkeep.backup.verify import Verdict, verify


@dataclass(frozen=True, slots=True)
class Created:
    """A new backup.

    Attributes:
        manifest: what is in it.
        folder: where it is.
        problems: what its verification has found.
        removed: older ones that were removed, by name.
    """

    manifest: Manifest
    folder: Path
    problems: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A backup in the home.

    Attributes:
        name: its name.
        manifest: what is in it; None for one that was cut off, or can't be read.
        trouble: why it can't be read.
    """

    name: str
    manifest: Manifest | None
    trouble: str = ""


def _find(house: House, name: str) -> Path:
    """Return a backup's folder, by its name or, elsewhere, by its path."""
    folder = Path(name).absolute() if "/" in name else backups_of(house.home) / name
    if ("/" in name or manifest.is_name(name)) and folder.is_dir():
        return folder
    raise NotFound(f"there is no backup {name!r}; see `posthouse backup list`")


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfBackup:
    """What all operations on one backup share.

    Attributes:
        backup: its name, or the path of its folder.
        progress: told what is going on.
    """

    backup: str
    progress: Progress = field(default=files.silent, repr=False, compare=False)

    def object(self) -> str:
        """Return what it is about."""
        return f"backup {Path(self.backup).name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBackup(Action[Created]):
    """Make a backup, verify it, and remove the oldest beyond `backup.keep`.

    Attributes:
        label: what the operator calls it; part of its name.
        toml: the configuration file, where it lies outside the home.
        progress: told what is going on.
    """

    name = "backup.create"
    permission = Permission.SERVER_CHANGE
    label: str = ""
    toml: Path | None = None
    progress: Progress = field(default=files.silent, repr=False, compare=False)

    def carry_out(self, house: House) -> Created:
        """Make it; one whose verification finds something is kept, and so are all others."""
        label = _checked(self.label)
        house.live.refresh()  # of another version: said before anything is copied
        made = create(
            house.config,
            at_us=house.clock.now_us(),
            label=label,
            toml=self.toml,
            progress=self.progress,
        )
        folder = backups_of(house.home) / made.name
        found = verify(folder, scratch=house.home / "scratch", hashes=False, progress=self.progress)
        removed = [] if found.problems else _remove_surplus(house)
        return Created(made, folder, tuple(found.problems), tuple(removed))


def _checked(label: str) -> str:
    try:
        return manifest.check_label(label)
    except ValueError as error:
        raise Invalid(str(error), field="label") from None


def _remove_surplus(house: House) -> list[str]:
    backups = backups_of(house.home)
    with alone(house.home):
        finished = [folder.name for folder in manifest.complete(backups)]
        surplus = manifest.surplus(finished, house.settings[settings.keep])
        for name in surplus:
            files.remove(backups / name)
    return surplus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBackups(Question[list[Listed]]):
    """The backups in the home, the oldest first."""

    name = "backup.list"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[Listed]:
        """Return them, also those that were cut off."""
        backups = backups_of(house.home)
        names = [*manifest.complete(backups), *manifest.unfinished(backups)]
        return [_listed(folder) for folder in sorted(names)]


def _listed(folder: Path) -> Listed:
    try:
        return Listed(folder.name, manifest.read(folder))
    except NoBackup as trouble:
        return Listed(folder.name, None, str(trouble))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBackup(_OfBackup, Question[Verdict]):
    """What is wrong with a backup."""

    name = "backup.verify"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> Verdict:
        """Read all of it again."""
        folder = _find(house, self.backup)
        try:
            return verify(folder, scratch=house.home / "scratch", progress=self.progress)
        except NoBackup as trouble:
            raise Invalid(str(trouble), field="backup") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreBackup(_OfBackup, Action[Restored]):
    """Have a home be what a backup holds; what is there is put aside."""

    name = "backup.restore"
    permission = Permission.SERVER_CHANGE

    def carry_out(self, house: House) -> Restored:
        """Restore it; the house opens again on what was restored, and the audit goes there."""
        folder = _find(house, self.backup)
        services = ", ".join(sorted({process.service for process in running(house)}))
        if services:
            raise Clash(f"stop the services first: {services} still run on this home")
        house.close()
        try:
            return restore(folder, house.config, at_us=house.clock.now_us(), progress=self.progress)
        except NoBackup as trouble:
            raise Invalid(str(trouble), field="backup") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBackup(_OfBackup, Action[None]):
    """Delete a backup of the home, also one that was cut off."""

    name = "backup.delete"
    permission = Permission.SERVER_CHANGE

    def carry_out(self, house: House) -> None:
        """Delete it."""
        if "/" in self.backup:
            raise Invalid(
                f"{self.backup!r} is a path: only backups in the home are deleted, by their name",
                field="backup",
            )
        with alone(house.home):
            files.remove(_find(house, self.backup))


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeWithBackup(Action[tuple[Manifest | None, list[Step]]]):
    """Make a backup, then migrate every database that is of an earlier version.

    Attributes:
        toml: the configuration file, where it lies outside the home.
        progress: told what is going on.
    """

    name = "upgrade.with_backup"
    permission = Permission.SERVER_CHANGE
    toml: Path | None = None
    progress: Progress = field(default=files.silent, repr=False, compare=False)

    def carry_out(self, house: House) -> tuple[Manifest | None, list[Step]]:
        """Do both; returns the backup, and what was migrated. None of both: nothing was to do."""
        if not PlanUpgrade().answer(house):
            return None, []
        check_stopped(house)
        made = create(
            house.config,
            at_us=house.clock.now_us(),
            label="before-upgrade",
            toml=self.toml,
            progress=self.progress,
        )
        folder = backups_of(house.home) / made.name
        found = verify(folder, scratch=house.home / "scratch", hashes=False, progress=self.progress)
        if found.damages:
            raise Invalid(f"the backup {made.name} can't be restored: {found.damages[0]}")
        return made, UpgradeDatabases().carry_out(house)
