"""The writer: one committer a database and process, that commits what has gathered.

While one commit runs, further jobs gather; they are then taken together (bounded), run in one
transaction, committed once, and only then answered. No timer: an idle server answers the first job
at once, a busy one shares each fsync among many. A caller that may block commits on its own thread
when nobody else does: a change of threads costs more than a small commit.

What an event loop hands in by `commit_alike` is written on its own thread, a turn's jobs together,
and only the commit, which waits for the disk, is the writer thread's: a thread that runs statements
beside a busy loop waits for the interpreter's lock at each of them (ADR 19). A batch waits a moment
for what is known to be on its way, and where nothing is, the loop commits itself (ADR 20).

Jobs of one kind are run by one call for all of them (`commit_alike`): a statement for many rows
costs a fraction, and each call into the driver is a turn of the interpreter's lock. When anything
of a batch fails, it is rolled back and run again piece by piece, each in a savepoint of its own.

Owns: the write connection. Never: answers a caller before the commit has returned.
Failure: a job's own error goes to its caller alone; a failed commit goes to all of the batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import func, select

from appliance.database.errors import CommitFailed, Conflict, DatabaseError, StoreBusy
from appliance.database.statement import POSTGRESQL, Connection, Statement, param
from appliance.runtime import steps

T = TypeVar("T")
Item = TypeVar("Item")
Job = Callable[["Transaction"], Any]
Alike = Callable[["Transaction", Sequence[Any]], Sequence[Any]]
Alone = Callable[["Transaction"], Sequence[Any]]

_MAX_JOBS = 256
_MAX_BYTES = 8 << 20
_MAX_BYTES_HERE = 2 << 20  # of a batch that an event loop writes
_PATIENCE_S = 0.002  # that a batch waits for what is on its way
_QUICK_S = 0.005  # a commit that an event loop may carry out itself
_TURNS = 5  # for a batch that the database rolls back in favour of another
_ALONE_CLASS = 0x616C6F  # "alo": keeps our advisory locks apart from anybody else's
_ALONE = Statement(select(func.pg_advisory_xact_lock(_ALONE_CLASS, param("lock"))))

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """What the writer needs of SQLite or PostgreSQL."""

    dialect: str
    begin: str
    begin_snapshot: str
    lost_errors: tuple[type[Exception], ...]
    victim_errors: tuple[type[Exception], ...]
    errors: tuple[type[Exception], ...]
    conflicts: tuple[type[Exception], ...]

    def connect(self, *, writes: bool, lazy: bool = False) -> Any:
        """Open a raw connection in autocommit mode."""

    def is_lost(self, raw: Any) -> bool:
        """Tell whether an idle connection can't be used any more."""

    def exclusive(self) -> Any:
        """Return a context manager that keeps other writers away."""

    def acquire(self, *, wait: bool) -> bool:
        """Keep other writers away; without waiting only where that takes no time."""

    def let_go(self) -> None:
        """Let other writers in again."""

    def settle(self) -> None:
        """Make lazy commits durable."""

    def has_lost(self, error: Exception) -> bool:
        """Tell whether a commit failed with the disk, so that what was written may be lost."""

    def renew(self, raw: Any) -> None:
        """Make sure, after that, that nothing is built on what may be lost."""

    def release(self) -> None:
        """Let go of what `exclusive` keeps open."""


class Transaction(Connection):
    """The connection a job writes through, for the time of the job."""

    __slots__ = ("_after",)

    def __init__(self, raw: Any, dialect: str) -> None:
        """Wrap the writer's raw connection."""
        super().__init__(raw, dialect)
        self._after: list[Callable[[], None]] = []

    def after_commit(self, action: Callable[[], None]) -> None:
        """Have something done once this job is durable: ring a bell, unlink a file."""
        self._after.append(action)

    def alone(self, what: str) -> None:
        """Have others who ask for the same wait until this transaction has ended.

        On SQLite writers take turns anyway; on PostgreSQL it is an advisory lock.
        """
        if self.dialect == POSTGRESQL:
            self.value(_ALONE, {"lock": zlib.crc32(what.encode()) >> 1})

    def take_actions(self) -> list[Callable[[], None]]:
        """Return what is to be done after the commit, and forget it."""
        actions, self._after = self._after, []
        return actions


class _Pending:
    """A job with the way its caller is answered."""

    __slots__ = (
        "actions",
        "alike",
        "done",
        "error",
        "future",
        "item",
        "job",
        "loop",
        "result",
        "size",
    )

    def __init__(
        self, job: Job | None, size: int, alike: Alike | None = None, item: Any = None
    ) -> None:
        self.job = job
        self.size = size
        self.alike = alike  # instead of a job of its own: what runs it together with others
        self.item = item
        self.result: Any = None
        self.error: BaseException | None = None
        self.actions: list[Callable[[], None]] = []
        self.done: threading.Event | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None


class Writer:
    """Commits jobs in batches, on its own thread or that of a caller who waits."""

    def __init__(self, engine: Engine, *, name: str, lazy: bool = False) -> None:
        """Prepare a writer; its thread and connection start with the first job.

        Args:
            engine: where to write.
            name: the database's role, the prefix of its steps' labels.
            lazy: commit without waiting for the disk (`synchronous=NORMAL`).
        """
        self._engine = engine
        self._lazy = lazy
        self._before = f"{name}.mark.before" if lazy else f"{name}.commit.before"
        self._afterwards = f"{name}.mark.after" if lazy else f"{name}.commit.after"
        self._turn = threading.Lock()  # held while committing; taken before `_ready`
        self._ready = threading.Condition()
        self._jobs: list[_Pending] = []
        self._is_called = False  # the thread, to take jobs
        self._asked: asyncio.AbstractEventLoop | None = None  # to write them
        self._written: list[_Pending] = []  # by an event loop; the thread commits
        self._coming = 0  # items that are on their way, of this wave
        self._wave = 0
        self._waiting: asyncio.TimerHandle | None = None  # for them, with jobs that have come
        self._took_s = _QUICK_S  # the last commit of what an event loop had written
        self._closing = False
        self._thread: threading.Thread | None = None
        self._connection: Transaction | None = None
        self._is_doubtful = False  # a commit has failed with the disk

    def run(self, job: Callable[[Transaction], T], size: int = 0) -> T:
        """Run a job and wait until it is committed.

        Args:
            job: writes through the transaction it is given and nowhere else: it is run again when
                the database rolled it back in favour of another (a deadlock on PostgreSQL).
            size: about how many bytes it writes, to bound a batch.

        Raises:
            CommitFailed: nothing of the batch became durable.
            StoreBusy: the database can't be reached.
        """
        pending = _Pending(job, size)
        pending.done = threading.Event()
        if self._turn.acquire(blocking=False):  # nobody commits: this thread does, at once
            try:
                with self._ready:
                    self._jobs.append(pending)
                    batch = self._take()
                self._commit(batch)
            finally:
                self._pass_on()
            _answer(batch)
            if not pending.done.is_set():  # others' jobs filled the batch
                self._call_thread()
                pending.done.wait()
        else:
            self._enqueue(pending)
            pending.done.wait()
        if pending.error is not None:
            raise pending.error
        result: T = pending.result
        return result

    def commit(self, job: Callable[[Transaction], T], size: int = 0) -> asyncio.Future[T]:
        """Run a job; returns a future of the running event loop, resolved after the commit."""
        pending = _Pending(job, size)
        pending.loop = asyncio.get_running_loop()
        pending.future = pending.loop.create_future()
        self._enqueue(pending)
        return pending.future

    def commit_alike(
        self, job: Callable[[Transaction, Sequence[Item]], Sequence[T]], item: Item, size: int = 0
    ) -> asyncio.Future[T]:
        """Run a job for an item, and for others' items of the same batch by the same call.

        Args:
            job: writes all the items it is given and returns a result for each; the same function
                each time, which may be called again with some of them.
            item: this caller's.
            size: about how many bytes the item takes.

        Returns:
            A future of the running event loop, resolved after the commit.
        """
        pending = _Pending(None, size, job, item)
        pending.loop = asyncio.get_running_loop()
        pending.future = pending.loop.create_future()
        with self._ready:
            self._jobs.append(pending)
            if self._written or self._asked is pending.loop:
                return pending.future
            self._asked = pending.loop
        self._ask(pending.loop)
        return pending.future

    def expect(self) -> Callable[[], None]:
        """Hear of an item that the running event loop will hand in soon by `commit_alike`.

        A batch waits for it, 2 ms at most and only once: a slow client holds up nobody's commit for
        long, and nobody's a second time.

        Returns:
            What to call just before it is handed in, or when it won't be.
        """
        self._coming += 1
        return partial(self._arrive, self._wave)

    def post(self, job: Callable[[Transaction], object], size: int = 0) -> None:
        """Run a job without waiting for it; an error is logged."""
        self._enqueue(_Pending(job, size))

    def close(self) -> None:
        """Finish what has been handed in, then close; the next job opens again."""
        with self._ready:
            self._closing = True
            if self._jobs or self._written or self._thread is not None:
                self._start_or_notify()
            thread = self._thread
        if thread is not None:
            thread.join()
        with self._turn:
            self._disconnect()
        with self._ready:
            self._closing = False

    def _enqueue(self, pending: _Pending) -> None:
        with self._ready:
            self._jobs.append(pending)
        self._call_thread()

    def _call_thread(self) -> None:
        with self._ready:
            self._is_called = True
            self._start_or_notify()

    def _start_or_notify(self) -> None:
        """Have the thread look, `_ready` being held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
            self._thread.start()
        else:
            self._ready.notify()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._is_my_turn():
                    self._ready.wait()
                written, batch = self._written, []
                if not written:
                    if not self._jobs:
                        self._thread = None
                        return
                    batch = self._take()
                    self._is_called = False
            if written:
                self._commit_written(written)
                continue
            self._commit(batch)
            self._pass_on()
            _answer(batch)

    def _is_my_turn(self) -> bool:
        """Whether the thread has something to do, or to end; with jobs it then has the turn."""
        if self._written:
            return True
        if self._jobs and (self._is_called or self._closing):
            return self._turn.acquire(blocking=False)
        return self._closing and not self._jobs

    def _arrive(self, wave: int) -> None:
        if wave != self._wave:
            return
        self._coming -= 1
        if not self._coming and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            asyncio.get_running_loop().call_soon(self._write_here)

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        """On an event loop's thread: write soon, with what is on its way."""
        if self._coming and len(self._jobs) < _MAX_JOBS:
            self._waiting = loop.call_later(_PATIENCE_S, self._write_without)
        else:
            loop.call_soon(self._write_here)

    def _write_without(self) -> None:
        """Write without what has not come; the next batches don't wait for that either."""
        self._coming, self._wave = 0, self._wave + 1
        self._write_here()

    def _write_here(self) -> None:
        """Write what has gathered, on an event loop's thread; leave the commit to the writer's.

        Unless several callers wait, nobody is on the way to join them, and commits take no time:
        then the loop has nothing better to do.
        """
        self._waiting = None
        with self._ready:
            self._asked = None
            is_plain = all(each.alike for each in self._jobs)
            if not self._jobs or not self._turn.acquire(blocking=False):
                return  # who has the turn passes it on
        transaction = self._connection
        if transaction is None or self._is_doubtful or not is_plain or not self._is_free():
            self._turn.release()
            self._call_thread()
            return
        with self._ready:
            batch = self._take(_MAX_BYTES_HERE)
        try:
            transaction.script(self._engine.begin)
            is_written = self._run_batch(transaction, batch)
        except Exception as error:  # noqa: BLE001 - see `_fail`
            is_written = False
            self._fail(batch, error)
        if is_written and len(batch) > 1 and not self._coming and self._took_s < _QUICK_S:
            self._commit_written(batch)
            return
        if is_written:
            with self._ready:
                self._written = batch
                self._start_or_notify()
            return
        self._engine.let_go()
        self._pass_on()
        _answer(batch)

    def _is_free(self) -> bool:
        """Keep other writers away, where that takes no time."""
        try:
            return self._engine.acquire(wait=False)
        except DatabaseError:  # the thread says so
            return False

    def _commit_written(self, batch: list[_Pending]) -> None:
        """Commit what an event loop has written, and have it write what has gathered meanwhile."""
        assert self._connection is not None
        began = time.perf_counter()
        try:
            try:
                steps.reach(self._before)
                self._connection.script("COMMIT")
            finally:
                self._engine.let_go()
                self._took_s = time.perf_counter() - began
            steps.reach(self._afterwards)
        except Exception as error:  # noqa: BLE001 - see `_fail`
            self._fail(batch, error)
        else:
            _act(batch)
        with self._ready:
            self._written = []
        self._pass_on()
        _answer(batch)

    def _pass_on(self) -> None:
        """Let go of the turn; somebody sees to the jobs that have come meanwhile."""
        self._turn.release()
        with self._ready:
            if not self._jobs or not (self._asked is None or self._asked.is_closed()):
                return
            if self._is_called or self._closing:
                self._ready.notify()
                return
            self._asked = loop = self._jobs[0].loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(self._ask, loop)
                return
        self._call_thread()

    def _take(self, most_bytes: int = _MAX_BYTES) -> list[_Pending]:
        size = 0
        for count, pending in enumerate(self._jobs, 1):
            size += pending.size
            if count >= _MAX_JOBS or size >= most_bytes:
                batch, self._jobs = self._jobs[:count], self._jobs[count:]
                return batch
        batch, self._jobs = self._jobs, []
        return batch

    def _commit(self, batch: list[_Pending]) -> None:
        """Run a batch; afterwards each job has its result or its error."""
        try:
            for turns_left in range(_TURNS - 1, -1, -1):
                try:
                    self._try(batch)
                    break
                except self._engine.victim_errors:  # the other transaction goes on, and ends
                    self._disconnect()
                    if not turns_left:
                        raise
            steps.reach(self._afterwards)
        except Exception as error:  # noqa: BLE001 - see `_fail`
            self._fail(batch, error)
        else:
            _act(batch)

    def _fail(self, batch: list[_Pending], error: Exception) -> None:
        """Whatever it was that went wrong with the commit: nobody of this batch gets a 250."""
        self._disconnect()
        self._is_doubtful = self._is_doubtful or self._engine.has_lost(error)
        failure = error if isinstance(error, DatabaseError) else CommitFailed(str(error))
        for pending in batch:
            pending.error = failure

    def _try(self, batch: list[_Pending]) -> None:
        known = self._connection
        with self._engine.exclusive():
            opened = self._connect()
            if self._is_doubtful:
                self._engine.renew(opened.raw)
                self._is_doubtful = False
            transaction = self._begin(opened, again=opened is known)
            if self._run_batch(transaction, batch):
                steps.reach(self._before)
                transaction.script("COMMIT")

    def _run_batch(self, transaction: Transaction, batch: list[_Pending]) -> bool:
        """Run a batch in a transaction that has begun; False where it was rolled back."""
        failed = self._run_all(transaction, batch)
        if failed is None:
            return True
        transaction.script("ROLLBACK")
        if len(batch) == 1:
            batch[0].error = failed
            return False
        transaction.script(self._engine.begin)
        for pending in batch:
            self._run_one(transaction, pending)
        return True

    def _begin(self, transaction: Transaction, *, again: bool) -> Transaction:
        """Begin; where a connection opened earlier was lost unnoticed, once more on a new one."""
        try:
            transaction.script(self._engine.begin)
        except self._engine.lost_errors:
            if not again:
                raise
            self._disconnect()
            transaction = self._connect()
            transaction.script(self._engine.begin)
        return transaction

    def _run_all(self, transaction: Transaction, batch: list[_Pending]) -> Exception | None:
        """Run a batch without savepoints; returns the error of the first that fails, if any."""
        try:
            for run, together in _groups(batch):
                results = run(transaction)
                actions = transaction.take_actions()
                for pending, result in zip(together, results, strict=True):
                    pending.error, pending.result, pending.actions = None, result, actions
        except self._engine.victim_errors:
            raise
        except self._engine.lost_errors as error:
            raise StoreBusy(f"the connection to the database was lost: {error}") from error
        except Exception as error:  # noqa: BLE001 - it is its caller's: see `_run_one`
            transaction.take_actions()
            return self._as_ours(error)
        return None

    def _run_one(self, transaction: Transaction, pending: _Pending) -> None:
        pending.error, pending.result, pending.actions = None, None, []  # of an earlier turn
        transaction.script("SAVEPOINT job")
        try:
            if pending.alike is None:
                assert pending.job is not None
                pending.result = pending.job(transaction)
            else:
                (pending.result,) = pending.alike(transaction, [pending.item])
        except self._engine.victim_errors:
            raise
        except self._engine.lost_errors as error:
            raise StoreBusy(f"the connection to the database was lost: {error}") from error
        except Exception as error:  # noqa: BLE001 - it is the caller's: given back, never hidden
            pending.error = self._as_ours(error)
            transaction.take_actions()
            transaction.script("ROLLBACK TO SAVEPOINT job")
        else:
            pending.actions = transaction.take_actions()
        transaction.script("RELEASE SAVEPOINT job")

    def _as_ours(self, error: Exception) -> Exception:
        if isinstance(error, self._engine.conflicts):
            return Conflict(str(error))
        if isinstance(error, self._engine.errors):
            return StoreBusy(str(error))
        return error

    def _connect(self) -> Transaction:
        if self._connection is not None and self._engine.is_lost(self._connection.raw):
            self._disconnect()
        if self._connection is None:
            raw = self._engine.connect(writes=True, lazy=self._lazy)
            self._connection = Transaction(raw, self._engine.dialect)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            try:
                self._connection.raw.close()
            except self._engine.errors:
                _log.warning("a broken database connection could not be closed cleanly")
            self._connection = None


def _groups(batch: list[_Pending]) -> Iterator[tuple[Alone, list[_Pending]]]:
    """Yield what is to be run, with those it is run for: what is alike once, at its first place."""
    together: dict[Alike, list[_Pending]] = {}
    for pending in batch:
        if pending.alike is not None:
            together.setdefault(pending.alike, []).append(pending)
    for pending in batch:
        if pending.job is not None:
            yield partial(_run_alone, pending.job), [pending]
        elif pending.alike in together:
            alike = together.pop(pending.alike)
            yield partial(_run_alike, pending.alike, [each.item for each in alike]), alike


def _run_alone(job: Job, transaction: Transaction) -> Sequence[Any]:
    return (job(transaction),)


def _run_alike(job: Alike, items: list[Any], transaction: Transaction) -> Sequence[Any]:
    return job(transaction, items)


def _act(batch: list[_Pending]) -> None:
    """Do what is to be done once a batch is durable."""
    # the same bell is asked for by many jobs of a batch, and rung once
    for action in dict.fromkeys(each for pending in batch for each in pending.actions):
        try:
            action()
        except Exception:  # noqa: BLE001 - what is durable stays acknowledged
            _log.exception("an action after a commit failed")


def _answer(batch: list[_Pending]) -> None:
    """Give each caller its result; an event loop is woken once for all its callers."""
    loops: dict[asyncio.AbstractEventLoop, list[_Pending]] = {}
    for pending in batch:
        if pending.done is not None:
            pending.done.set()
        elif pending.loop is not None:
            loops.setdefault(pending.loop, []).append(pending)
        elif pending.error is not None:
            _log.error("a write nobody waits for failed: %s", pending.error)
    for loop, waiting in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, waiting)
        except RuntimeError:  # the loop has ended: nobody waits any more
            _log.info("%d callers had gone before their commit", len(waiting))


def _resolve(waiting: list[_Pending]) -> None:
    for pending in waiting:
        future = pending.future
        if future is None or future.done():  # the caller was cancelled
            continue
        if pending.error is not None:
            future.set_exception(pending.error)
        else:
            future.set_result(pending.result)
