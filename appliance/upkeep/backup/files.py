"""Files of a backup: linked where the file system allows it, else cloned, else copied.

Files that never change once they have their name (contents, copies in bad mail) are linked: a
further name costs nothing. What is copied is synced.

Owns: nothing. Failure: OSError, as when the disk is full.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.database.content import CHUNK
from appliance.runtime.files import sync_folder

# What is going on, and how much of it is done, of how much: for whoever waits.
Progress = Callable[[str, int, int], None]

_FICLONE = 0x40049409  # ioctl_ficlone(2)


def silent(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def link(source: Path, target: Path, *, earlier: Path | None = None) -> bool:
    """Put a file that never changes at another place; returns whether no octets were copied.

    Args:
        source: the file.
        target: where; nothing is there.
        earlier: the same file in an earlier backup, for backups on a file system of their own.

    Raises:
        FileNotFoundError: there is no such file.
    """
    make_folder(target.parent)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, another's file, or too many names
        if earlier is not None and _is_alike(source, earlier):
            try:
                os.link(earlier, target)
            except OSError:
                pass
            else:
                return True
        copy(source, target)
        return False
    return True


def make_folder(path: Path) -> None:
    """Make a folder and those above it, all for their owner only."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _is_alike(source: Path, earlier: Path) -> bool:
    """Tell whether two files of one name that never change are the same one."""
    try:
        found, known = source.stat(), earlier.stat()
    except FileNotFoundError:
        return False
    return (found.st_size, found.st_mtime_ns) == (known.st_size, known.st_mtime_ns)


def copy(source: Path, target: Path) -> None:
    """Copy a file durably, with its time; on file systems that can, its octets are shared."""
    make_folder(target.parent)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with source.open("rb") as octets, os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        try:
            fcntl.ioctl(file.fileno(), _FICLONE, octets.fileno())
        except OSError:
            shutil.copyfileobj(octets, file, CHUNK)
        file.flush()
        os.fsync(file.fileno())
        found = os.fstat(octets.fileno())
        os.utime(file.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))


def sync(path: Path) -> None:
    """Make a file's octets durable that somebody else has written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(root: Path) -> None:
    """Make all names below a folder durable, and its own."""
    for path, _, _ in os.walk(root):
        sync_folder(Path(path))
    sync_folder(root.parent)


def files_of(root: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, from there, in an order of their own."""
    for path, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            yield os.path.relpath(os.path.join(path, name), root)  # noqa: PTH118 - of many thousands


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths are names of one file."""
    try:
        return one.samefile(other)
    except FileNotFoundError:
        return False


def remove(folder: Path) -> None:
    """Remove a folder with all in it; its manifest first, so that half of it is no backup."""
    for name in ("manifest.json", ".manifest.json.new"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder)
