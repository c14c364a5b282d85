"""A database as the rest of the house sees it: readers that take no lock, and the writer.

Owns: idle read connections, two writers (durable and lazy).
Failure: `StoreBusy`, `CommitFailed` (temporary both).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Protocol, TypeVar

from appliance.database.errors import StoreBusy
from appliance.database.statement import Connection
from appliance.database.writer import Engine, Transaction, Writer

T = TypeVar("T")
Item = TypeVar("Item")

_IDLE_READERS = 8


class Database:
    """One database: a SQLite file, or the whole of PostgreSQL."""

    def __init__(self, engine: Engine, *, name: str) -> None:
        """Take an engine; nothing is opened before it is needed.

        Args:
            engine: SQLite or PostgreSQL.
            name: the role (directory, queue, store, journey, state).
        """
        self.engine = engine
        self.name = name
        self.dialect = engine.dialect
        self.writer = Writer(engine, name=name)
        self.lazy_writer = Writer(engine, name=name, lazy=True)
        self._idle: deque[Connection] = deque()
        self._pid = os.getpid()

    def reader(self, *, snapshot: bool = False) -> Reader:
        """Borrow a read connection: `with database.reader() as connection`.

        Args:
            snapshot: all queries inside see one moment.
        """
        return Reader(self, snapshot=snapshot)

    def transact(self, job: Callable[[Transaction], T], size: int = 0, *, lazy: bool = False) -> T:
        """Run a job in the writer and wait until it is committed (see `Writer.run`)."""
        return (self.lazy_writer if lazy else self.writer).run(job, size)

    def commit(self, job: Callable[[Transaction], T], size: int = 0) -> asyncio.Future[T]:
        """Run a job in the writer; a future for the event loop (see `Writer.commit`)."""
        return self.writer.commit(job, size)

    def commit_alike(
        self, job: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item, size: int = 0
    ) -> asyncio.Future[T]:
        """Run a job for many callers' items at once (see `Writer.commit_alike`)."""
        return self.writer.commit_alike(job, item, size)

    def expect(self) -> Callable[[], None]:
        """Hear of an item that will be handed in soon (see `Writer.expect`)."""
        return self.writer.expect()

    def release(self) -> None:
        """Close all connections; they open again when needed."""
        self.writer.close()
        self.lazy_writer.close()
        while self._idle:
            self._idle.pop().raw.close()
        self.engine.release()

    def borrow(self) -> Connection:
        """Take a read connection out of the pool, or open one."""
        if self._pid != os.getpid():  # connections never cross a fork
            self._idle.clear()
            self._pid = os.getpid()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return Connection(self.engine.connect(writes=False), self.dialect)
            if not self.engine.is_lost(connection.raw):
                return connection
            connection.raw.close()

    def give_back(self, connection: Connection) -> None:
        """Put a read connection back, or close it when enough are idle."""
        if len(self._idle) < _IDLE_READERS:
            self._idle.append(connection)
        else:
            connection.raw.close()


class Source(Protocol):
    """Where reads come from: a database, or a transaction that is under way."""

    def reader(self, *, snapshot: bool = False) -> AbstractContextManager[Connection]:
        """Return a connection for the time of a `with` block."""


class Within:
    """Reads inside a transaction, so that a change sees its own writes and nobody's later ones."""

    def __init__(self, transaction: Transaction) -> None:
        """Take the transaction."""
        self._transaction = transaction

    def reader(self, *, snapshot: bool = False) -> AbstractContextManager[Connection]:  # noqa: ARG002 - a transaction sees one moment anyway
        """Return the transaction itself."""
        return nullcontext(self._transaction)


class Reader:
    """A read connection for the time of a `with` block."""

    __slots__ = ("_connection", "_database", "_snapshot")

    def __init__(self, database: Database, *, snapshot: bool) -> None:
        """Remember where to borrow."""
        self._database = database
        self._snapshot = snapshot
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        """Borrow the connection."""
        connection = self._connection = self._database.borrow()
        if self._snapshot:
            try:
                connection.script(self._database.engine.begin_snapshot)
            except self._database.engine.errors as error:
                raise self._lost(connection, error) from error
        return connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back; after a database error it is closed instead, and the error is temporary."""
        connection = self._connection
        assert connection is not None
        errors = self._database.engine.errors
        if self._snapshot and not isinstance(error, errors):
            try:
                connection.script("COMMIT")
            except errors as late:
                raise self._lost(connection, late) from late
        if isinstance(error, errors):
            raise self._lost(connection, error) from error
        self._database.give_back(connection)

    def _lost(self, connection: Connection, error: BaseException) -> StoreBusy:
        connection.raw.close()
        return StoreBusy(f"the {self._database.name} database can't be read: {error}")
