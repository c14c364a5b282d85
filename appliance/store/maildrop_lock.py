"""The lock that gives one POP3 session the whole maildrop (RFC 1939 §3).

On SQLite an open-file-description lock on `run/pop/MAILBOX-ID`, on PostgreSQL an advisory lock:
both are gone with the process that held them, so a crashed session locks nobody out.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path
from typing import Protocol

from sqlalchemy import func, select

from appliance.database.database import Database
from appliance.database.statement import POSTGRESQL, Connection, Statement

_ADVISORY_CLASS = 0x706F70  # "pop": keeps our numbers apart from anybody else's
# struct flock: l_type, l_whence, l_start, l_len, l_pid
_WRITE_LOCK = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class MaildropLocks(Protocol):
    """Locks of mailboxes."""

    def acquire(self, mailbox_id: int) -> bool:
        """Lock a mailbox; False when another session has it."""

    def release(self, mailbox_id: int) -> None:
        """Unlock a mailbox that this process has locked."""

    def close(self) -> None:
        """Unlock all that this process has locked."""


class FileLocks:
    """Locks of one server, as files."""

    def __init__(self, directory: Path) -> None:
        """Keep the lock files in a directory, made if need be."""
        directory.mkdir(parents=True, exist_ok=True)
        self._prefix = f"{directory}/"
        self._held: dict[int, int] = {}

    def acquire(self, mailbox_id: int) -> bool:
        """Lock a mailbox; False when another session has it."""
        if mailbox_id in self._held:
            return False
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
        descriptor = os.open(f"{self._prefix}{mailbox_id}", flags, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WRITE_LOCK)
        except OSError:
            os.close(descriptor)
            return False
        self._held[mailbox_id] = descriptor
        return True

    def release(self, mailbox_id: int) -> None:
        """Unlock a mailbox that this process has locked."""
        descriptor = self._held.pop(mailbox_id, None)
        if descriptor is not None:
            os.close(descriptor)

    def close(self) -> None:
        """Unlock all that this process has locked."""
        for mailbox_id in list(self._held):
            self.release(mailbox_id)


class AdvisoryLocks:
    """Locks of a cluster, in PostgreSQL, all on one connection of this process."""

    def __init__(self, database: Database) -> None:
        """Take the store's database."""
        self._database = database
        self._connection: Connection | None = None
        self._held: set[int] = set()
        self._guard = threading.Lock()

    def acquire(self, mailbox_id: int) -> bool:
        """Lock a mailbox; False when another session has it."""
        with self._guard:
            connection, engine = self._connection, self._database.engine
            if connection is not None and engine.is_lost(connection.raw):
                self._disconnect()
            if mailbox_id in self._held or not self._ask(func.pg_try_advisory_lock, mailbox_id):
                return False
            self._held.add(mailbox_id)
            return True

    def release(self, mailbox_id: int) -> None:
        """Unlock a mailbox that this process has locked."""
        with self._guard:
            if mailbox_id in self._held:
                self._held.remove(mailbox_id)
                self._ask(func.pg_advisory_unlock, mailbox_id)

    def close(self) -> None:
        """Unlock all that this process has locked."""
        with self._guard:
            self._disconnect()

    def _ask(self, function: object, mailbox_id: int) -> bool:
        """Run a lock function; a lost connection has lost its locks, which is said by False."""
        engine = self._database.engine
        try:
            if self._connection is None:
                raw = engine.connect(writes=False)
                self._connection = Connection(raw, self._database.dialect)
            asked = Statement(select(function(_ADVISORY_CLASS, mailbox_id)))  # type: ignore[operator] # a Core function
            return bool(self._connection.value(asked))
        except engine.errors:
            self._disconnect()
            return False

    def _disconnect(self) -> None:
        """Close the connection, and with it all its locks."""
        if self._connection is not None:
            self._connection.raw.close()
        self._connection = None
        self._held.clear()


def maildrop_locks(database: Database, home: Path) -> MaildropLocks:
    """Return the kind of lock that fits the store's database."""
    if database.dialect == POSTGRESQL:
        return AdvisoryLocks(database)
    return FileLocks(home / "run" / "pop")
