"""A backup's name and its manifest: what is in it, as JSON that is written last.

A backup is the folder `backups/NAME/` of a home. Without a manifest it is unfinished, and counts
for nothing.

Owns: `manifest.json`. Failure: `NoBackup` for a folder that is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.files import sync_folder, write_whole

FORMAT = 1
FILE = "manifest.json"
SQLITE, POSTGRESQL = "sqlite", "postgresql"

_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-([a-z0-9][a-z0-9._-]{0,39}))?")
_LABEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class NoBackup(Exception):
    """A folder is no backup that this program can read; the text says why."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of what people ask about."""

    postoffices: int = 0
    domains: int = 0
    mailboxes: int = 0
    messages: int = 0
    queued: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is in a backup.

    Attributes:
        name: the folder's.
        label: the operator's word for it, or empty.
        at: when it was begun, µs.
        version: of the program that made it.
        node: the machine it was made on.
        database: sqlite or postgresql.
        schemas: version of each database, by its name.
        counts: how much there is.
        added: octets that were not in the home or an earlier backup already: copied, not linked.
        missing: content files that a row named and that were not there.
        files: path in the folder to size and SHA-256.
        format: of this manifest.
    """

    name: str
    label: str
    at: int
    version: str
    node: str
    database: str
    schemas: Mapping[str, str]
    counts: Counts
    added: int
    missing: tuple[str, ...]
    files: Mapping[str, tuple[int, str]]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Octets of all files, linked or not."""
        return sum(size for size, _ in self.files.values())


def make_name(at_us: int, label: str, taken: Collection[str] = ()) -> str:
    """Name a backup after its time, and its label; of several in a second each has its own."""
    at_s = at_us // MICROSECONDS
    while True:
        name = f"{datetime.fromtimestamp(at_s, UTC):%Y%m%dT%H%M%SZ}{label and f'-{label}'}"
        if name not in taken:
            return name
        at_s += 1


def check_label(label: str) -> str:
    """Check what an operator calls a backup.

    Raises:
        ValueError: it can't be part of a folder's name.
    """
    if label and not _LABEL.fullmatch(label):
        raise ValueError(
            f"the label {label!r} can't be part of a folder's name; use up to 40 of a-z, 0-9, "
            "dot, hyphen and underscore, beginning with a letter or digit"
        )
    return label


def is_name(name: str) -> bool:
    """Tell whether a backup can be called so."""
    return _NAME.fullmatch(name) is not None


def surplus(names: Collection[str], keep: int) -> list[str]:
    """Return the oldest backups beyond the number that is kept; 0 keeps all."""
    return sorted(names)[:-keep] if keep else []


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, durably: from then on the folder is a backup."""
    text = json.dumps(asdict(manifest), ensure_ascii=False, separators=(",", ":"))
    write_whole(folder / FILE, [text.encode()])
    sync_folder(folder.parent)


def read(folder: Path) -> Manifest:
    """Read a backup's manifest.

    Raises:
        NoBackup: there is none, or one that this program can't read.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return _parse(found)
    except (FileNotFoundError, NotADirectoryError):
        raise NoBackup(f"{folder} is no backup: there is no {FILE} in it") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoBackup(f"{folder / FILE} can't be read: {error}") from None


def _parse(found: dict[str, Any]) -> Manifest:
    if found["format"] != FORMAT:
        raise NoBackup(
            f"the backup {found['name']} has the format {found['format']}, this program knows "
            f"{FORMAT}: use the version {found['version']} that made it"
        )
    known = {field.name for field in fields(Manifest)}
    values = {name: value for name, value in found.items() if name in known}
    values["counts"] = Counts(**found["counts"])
    values["missing"] = tuple(found["missing"])
    values["files"] = {
        _checked_path(path): (int(size), str(digest))
        for path, (size, digest) in found["files"].items()
    }
    return Manifest(**values)


def _checked_path(path: str) -> str:
    """Refuse a path that leads out of the folder."""
    parts = Path(path).parts
    if not parts or Path(path).is_absolute() or ".." in parts:
        raise ValueError(f"{path!r} leads out of the backup")
    return path


def complete(backups: Path) -> Iterator[Path]:
    """Yield the folders of finished backups, the oldest first."""
    for folder in _folders(backups):
        if (folder / FILE).exists():
            yield folder


def unfinished(backups: Path) -> Iterator[Path]:
    """Yield folders of backups that were cut off."""
    for folder in _folders(backups):
        if not (folder / FILE).exists():
            yield folder


def _folders(backups: Path) -> list[Path]:
    if not backups.is_dir():
        return []
    return sorted(each for each in backups.iterdir() if is_name(each.name) and each.is_dir())
