"""SQLite as an engine: one file a database, one writer at a time by a lock file.

Owns: nothing; opens connections with the pragmas that PERFORMANCE's measurements chose.
Failure: `UnsafeHome` on a network file system, `StoreBusy` when the file can't be opened.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from appliance.database.errors import StoreBusy, UnsafeHome
from appliance.database.statement import SQLITE

_NETWORK_TYPES = ("nfs", "cifs", "smb", "ceph", "fuse.sshfs", "glusterfs", "9p", "afs", "lustre")
CACHE_KB = 4096  # of pages in memory, a connection
_BUSY_TIMEOUT_S = 10.0
_BUSY_PAUSE_S = 0.005


class SqliteEngine:
    """One SQLite database file.

    WAL with `synchronous=FULL` makes a commit durable before it returns; a lazy connection uses
    NORMAL, whose last commits a power cut may take back (never a crash of the process).
    """

    dialect = SQLITE
    begin = "BEGIN IMMEDIATE"
    begin_snapshot = "BEGIN"
    lost_errors: tuple[type[Exception], ...] = ()
    victim_errors: tuple[type[Exception], ...] = ()
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)
    conflicts: tuple[type[Exception], ...] = (sqlite3.IntegrityError,)

    def __init__(self, path: Path, *, cache_kb: int = CACHE_KB) -> None:
        """Name the file; it is created when it is first written.

        Args:
            path: the file.
            cache_kb: how many KiB of its pages a connection may keep in memory.
        """
        self.path = path
        self._cache_kb = cache_kb
        self._lock_path = path.with_name(path.name + ".lock")
        self._lock_fd = -1
        self._lock_pid = 0
        self._has_written = False
        self._one_thread = threading.Lock()  # the lock file keeps out processes, not threads

    def connect(self, *, writes: bool, lazy: bool = False) -> Any:
        """Open a connection in autocommit mode.

        Raises:
            StoreBusy: the file can't be opened.
        """
        left = writes and not self._has_written and self._log_is_left()
        try:
            raw = sqlite3.connect(
                self.path,
                timeout=_BUSY_TIMEOUT_S,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
            run = raw.execute
            run("PRAGMA page_size=16384")
            # a statement that may fail keeps the way back in memory, and creates no file for it
            run("PRAGMA temp_store=MEMORY")
            # Debian's SQLite writes what is deleted once more, as zeros
            run("PRAGMA secure_delete=FAST")
            if writes:
                self._use_wal(raw)
                run(f"PRAGMA synchronous={'NORMAL' if lazy else 'FULL'}")
                run("PRAGMA wal_autocheckpoint=2000")
                if left:  # by a crash, or by others who are at work: those keep it
                    run("PRAGMA busy_timeout=0")
                    run("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    run(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000:.0f}")
                self._has_written = True
                run("PRAGMA foreign_keys=ON")
            else:
                run("PRAGMA query_only=ON")
            run(f"PRAGMA cache_size=-{self._cache_kb}")
        except sqlite3.Error as error:
            raise StoreBusy(f"{self.path} can't be opened: {error}") from error
        return raw

    def _log_is_left(self) -> bool:
        with suppress(FileNotFoundError):
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size > 0
        return False

    def _use_wal(self, raw: sqlite3.Connection) -> None:
        """Switch a new file to WAL; SQLite does not wait for others there, so this does."""
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while raw.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                raw.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE_S)

    def is_lost(self, raw: Any) -> bool:  # noqa: ARG002 - PostgreSQL's are
        """Return False: a file does not hang up."""
        return False

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the database's write lock: waits its turn without polling, unlike SQLite's own."""
        self.acquire(wait=True)
        try:
            yield
        finally:
            self.let_go()

    def acquire(self, *, wait: bool) -> bool:
        """Take the write lock; returns whether it is held, which waiting ensures."""
        if not self._one_thread.acquire(blocking=wait):
            return False
        try:
            if self._lock_pid != os.getpid():  # opened after the fork, or parent and child share it
                self._lock_fd = self._open_lock()
                self._lock_pid = os.getpid()
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BaseException as error:
            self._one_thread.release()
            if isinstance(error, BlockingIOError):
                return False
            raise
        return True

    def let_go(self) -> None:
        """Let go of the write lock; any thread may, for the one that has taken it."""
        fcntl.flock(self._lock_fd, fcntl.LOCK_UN)
        self._one_thread.release()

    def _open_lock(self) -> int:
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        try:
            return os.open(self._lock_path, flags, 0o600)
        except OSError as error:
            raise StoreBusy(f"{self._lock_path} can't be opened: {error.strerror}") from error

    def settle(self) -> None:
        """Make lazy commits durable: a checkpoint syncs the log before anything else."""
        raw = self.connect(writes=True)
        try:
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            raw.close()

    def has_lost(self, error: Exception) -> bool:
        """Tell whether a commit failed with the disk."""
        code: int = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code == sqlite3.SQLITE_IOERR

    def renew(self, raw: Any) -> None:
        """Build on nothing that may not be on the disk: begin a new log.

        After a sync that failed the kernel takes pages for written that are not. What the log holds
        is written once more, into the database and synced there, before anything is put behind it.

        Raises:
            StoreBusy: somebody reads for long, and keeps the log.
            sqlite3.Error: the disk fails still.
        """
        is_busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise StoreBusy(f"{self.path} was not written, and is being read: try again")

    def release(self) -> None:
        """Close the lock file, once nobody of this process holds it."""
        with self._one_thread:
            if self._lock_fd >= 0 and self._lock_pid == os.getpid():
                os.close(self._lock_fd)
            self._lock_fd, self._lock_pid = -1, 0


def refuse_network_home(home: Path) -> None:
    """Check that a home is on a local file system, as SQLite's locks and WAL need.

    Raises:
        UnsafeHome: it is on a network file system; a cluster keeps its data in PostgreSQL.
    """
    kind = _file_system_type(home)
    if kind.startswith(_NETWORK_TYPES):
        raise UnsafeHome(
            f"the home {home} lies on a network file system ({kind}), where SQLite's locks don't "
            "hold: put it on a local disk, or set database.url to a PostgreSQL database"
        )


def _file_system_type(path: Path) -> str:
    """Find the type of the file system a path is on (`/proc/self/mountinfo`, longest prefix)."""
    wanted = path.resolve()
    best, kind = -1, ""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(left.split()[4].encode().decode("unicode_escape"))
        if wanted.is_relative_to(mount) and len(mount.parts) > best:
            best, kind = len(mount.parts), right.split()[0]
    return kind
