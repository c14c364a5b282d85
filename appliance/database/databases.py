"""Which databases a home has, and where: the one place that knows SQLite's files from PostgreSQL.

Owns: the open databases. Tenants' files are bounded: the least recently used closes.
Failure: see `Database` and `schema.ensure`.
"""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from appliance.database.database import Database
from appliance.database.errors import DatabaseError
from appliance.database.schema import Schema, ensure
from appliance.database.sqlite import CACHE_KB, SqliteEngine, refuse_network_home
from appliance.database.writer import Engine
from appliance.runtime.descriptors import descriptors

PATHS = {
    "directory": "config/directory.db",
    "sessions": "config/sessions.db",
    "queue": "queues/queue.db",
    "journey": "queues/journey.db",
    "state": "run/state.db",
}
_OPEN_STORES = 64
_LEAST_OPEN_STORES = 32
_DESCRIPTORS_EACH = 8  # of an open store: database, log and index of its connections, its lock
_ROOMY_STORES = 64  # may keep CACHE_KB a connection in memory; those opened while there are more:
_SMALL_CACHE_KB = 256  # enough for the pages of one delivery
_OTHER_DESCRIPTORS = 512  # sockets, logs, the server's own databases


class Databases:
    """The databases of one home, opened when they are first asked for."""

    def __init__(self, home: Path, url: str, schemas: Mapping[str, Schema]) -> None:
        """Name the home and, for PostgreSQL, the URL (empty: SQLite files in the home).

        Raises:
            UnsafeHome: SQLite on a network file system.
        """
        self.home = home
        self.url = url
        self.schemas = schemas
        self._lock = threading.Lock()
        self._open: dict[str, Database] = {}
        self._stores: OrderedDict[int, Database] = OrderedDict()
        self._made: set[int] = set()
        self._most_stores = _OPEN_STORES
        if not url:
            refuse_network_home(home)

    def get(self, role: str) -> Database:
        """Return a server-wide database: directory, sessions, queue, journey or state."""
        database = self._open.get(role)
        if database is None:
            with self._lock:
                database = self._open.get(role)
                if database is None:
                    database = self._make(role, self.home / PATHS[role])
                    _ensure(database, self.schemas[role])
                    self._open[role] = database
        return database

    def keep_stores(self, most: int) -> None:
        """Keep so many stores open, instead of 64, as far as descriptors allow."""
        self._most_stores = _fitting_stores(most, descriptors())

    def store(self, postoffice_id: int) -> Database:
        """Return the database that keeps a post office's mail."""
        with self._lock:
            database = self._stores.get(postoffice_id)
            if database is not None:
                self._stores.move_to_end(postoffice_id)
                return database
            if self.url and self._stores:  # PostgreSQL keeps all tenants in one database
                database = self._stores[postoffice_id] = next(iter(self._stores.values()))
                return database
        path = self.home / "postoffices" / str(postoffice_id) / "mail.db"
        opened = self._make("store", path)  # others go on meanwhile
        if self.url or postoffice_id not in self._made:
            _ensure(opened, self.schemas["store"])
        with self._lock:
            self._made.add(postoffice_id)
            known = next(iter(self._stores.values()), opened) if self.url else opened
            database = self._stores.setdefault(postoffice_id, known)
            closing = [] if database is opened else [opened]
            if not self.url and len(self._stores) > self._most_stores:
                closing.append(self._stores.popitem(last=False)[1])
        for each in closing:
            each.release()
        return database

    def drop_store(self, postoffice_id: int) -> None:
        """Remove a post office's folder; in PostgreSQL its rows have been deleted one by one."""
        with self._lock:
            database = self._stores.pop(postoffice_id, None)
            self._made.discard(postoffice_id)
            is_shared = database in self._stores.values()
        if database is not None and not is_shared:
            database.release()
        shutil.rmtree(self.home / "postoffices" / str(postoffice_id), ignore_errors=True)

    def existing(self) -> Iterator[tuple[str, Schema, Database]]:
        """Yield each database there is, of whatever version; the caller closes it."""
        for role, path in PATHS.items():
            if self.url or (self.home / path).exists():
                yield role, self.schemas[role], self._make(role, self.home / path)
        if self.url:
            yield "store", self.schemas["store"], self._make("store", self.home)
            return
        for file in sorted((self.home / "postoffices").glob("*/mail.db")):
            yield f"store {file.parent.name}", self.schemas["store"], self._make("store", file)

    def release(self) -> None:
        """Close everything; needed before a fork."""
        with self._lock:
            databases = [*self._open.values(), *self._stores.values()]
            self._open.clear()
            self._stores.clear()
            self._made.clear()  # what is there when they open again may have been restored
        for database in databases:
            database.release()

    def _make(self, role: str, path: Path) -> Database:
        engine: Engine
        if self.url:
            from appliance.database.postgresql import PostgresEngine  # the driver is large

            engine = PostgresEngine(self.url)
        else:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_one_of_many = role == "store" and len(self._stores) >= _ROOMY_STORES
            engine = SqliteEngine(path, cache_kb=_SMALL_CACHE_KB if is_one_of_many else CACHE_KB)
        return Database(engine, name=role)


def _fitting_stores(wanted: int, limit: int) -> int:
    """Return how many stores may be open where so many descriptors may."""
    fitting = (limit - _OTHER_DESCRIPTORS) // _DESCRIPTORS_EACH
    return min(wanted, max(fitting, _LEAST_OPEN_STORES))


def _ensure(database: Database, schema: Schema) -> None:
    """Make or check the tables; nothing stays open when that fails."""
    try:
        ensure(database, schema)
    except DatabaseError:
        database.release()
        raise
