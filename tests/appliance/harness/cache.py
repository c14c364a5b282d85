"""Folders that are dear to make, kept outside the clone under a hash of what they are made from.

Owns: ~/.cache/posthouse/images/KIND/HASH. A folder is made under a temporary name and renamed, so
what has its name is whole. Whoever uses one holds a shared lock on it until the process ends, so
nobody prunes it under a running host.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path

from tests.appliance.harness.machine import caches, remove

_KEEP = 4  # of a kind: this branch's, main's, and those before them

_held: list[TextIOWrapper] = []


def cached(kind: str, made_from: Iterable[str | bytes], make: Callable[[Path], None]) -> Path:
    """The folder of this kind made from these things; if there is none, `make` fills a new one."""
    shelf = caches() / "images" / kind
    shelf.mkdir(parents=True, exist_ok=True)
    key = _key(made_from)
    folder = shelf / key
    lock = (shelf / f"{key}.lock").open("a")
    _held.append(lock)
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not folder.exists():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():  # nobody made it while we waited
            _make(folder, make)
        fcntl.flock(lock, fcntl.LOCK_SH)
    os.utime(shelf / f"{key}.lock")
    _prune(shelf)
    return folder


def _key(made_from: Iterable[str | bytes]) -> str:
    digest = hashlib.sha256()
    for thing in made_from:
        octets = thing.encode() if isinstance(thing, str) else thing
        digest.update(len(octets).to_bytes(8, "big") + octets)
    return digest.hexdigest()[:16]


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    _remove_unfinished(folder)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    unfinished.chmod(0o755)  # it may become the root of a file system
    try:
        make(unfinished)
        unfinished.rename(folder)
    finally:
        _remove_unfinished(folder)


def _remove_unfinished(folder: Path) -> None:
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        remove(leftover)


def _prune(shelf: Path) -> None:
    """Remove what was not used for longest, unless somebody uses it at this moment."""
    locks = sorted(shelf.glob("*.lock"), key=lambda lock: lock.stat().st_mtime, reverse=True)
    for path in locks[_KEEP:]:
        with path.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            folder = path.with_suffix("")
            if folder.exists():
                remove(folder)
            _remove_unfinished(folder)
