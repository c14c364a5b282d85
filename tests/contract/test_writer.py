"""The writer: jobs share commits, fail alone or together, and nobody sees what is not committed."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert, select, update

from appliance.database import writer
from appliance.database.database import Database
from appliance.database.errors import CommitFailed, Conflict, StoreBusy
from appliance.database.postgresql import PostgresEngine
from appliance.database.sqlite import SqliteEngine
from appliance.database.statement import Statement, param
from appliance.database.writer import Engine, Transaction
from appliance.directory.throttle import failures

_PATIENCE_S = 20
_ADD = Statement(insert(failures))
_KEYS = Statement(select(failures.c.key).order_by(failures.c.since))
_KEYS_OF = Statement(select(failures.c.key).where(failures.c.key == param("wanted")))

Gate = Callable[[Callable[[str], None]], None]


def adding(key: str) -> Callable[[Transaction], str]:
    """Make the job that adds a row and returns its key."""

    def add(transaction: Transaction) -> str:
        transaction.run(_ADD, {"key": key, "count": 1, "since": 1})
        return key

    return add


def keys(database: Database) -> set[str]:
    with database.reader() as connection:
        return {row.key for row in connection.rows(_KEYS)}


def spoil_commit(transaction: Transaction) -> None:
    """Do what both databases find wrong at the commit only: a deferred foreign key."""
    for text in (
        "CREATE TABLE parent (id INTEGER PRIMARY KEY)",
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO child VALUES (1)",
    ):
        transaction.script(text)


@contextmanager
def held_up(database: Database, *, lazy: bool = False) -> Iterator[None]:
    """Keep the writer busy with one batch, while jobs for the next one gather."""
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: Transaction) -> None:
        begun.set()
        assert go_on.wait(_PATIENCE_S)

    busy = database.lazy_writer if lazy else database.writer
    busy.post(wait)
    assert begun.wait(_PATIENCE_S)
    try:
        yield
    finally:
        go_on.set()


@pytest.fixture
def commits(gate: Gate) -> list[str]:
    """The commits since the test began."""
    found: list[str] = []

    def count(label: str) -> None:
        if label == "state.commit.before":
            found.append(label)

    gate(count)
    return found


def test_jobs_of_many_threads_share_a_commit(database: Database, commits: list[str]) -> None:
    before = len(commits)

    def hand_in(name: str) -> None:
        for number in range(10):
            key = f"{name}.{number}"
            database.writer.post(adding(key))

    with held_up(database):
        threads = [threading.Thread(target=hand_in, args=(str(each),)) for each in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE_S)
    database.writer.close()
    assert len(keys(database)) == 80
    assert len(commits) - before == 2  # the one that held them up, and one for all


def test_every_caller_gets_the_result_of_its_own_job(database: Database) -> None:
    results: dict[int, str] = {}

    def call(number: int) -> None:
        for turn in range(20):
            key = f"{number}.{turn}"
            assert database.transact(adding(key)) == key
            results[number] = key

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert results == {number: f"{number}.19" for number in range(8)}
    assert len(keys(database)) == 160


def test_batch_has_at_most_256_jobs(database: Database, commits: list[str]) -> None:
    before = len(commits)
    with held_up(database):
        for number in range(600):
            database.writer.post(adding(str(number)))
    database.writer.close()
    assert len(keys(database)) == 600
    assert len(commits) - before == 1 + 3  # 256 + 256 + 88


def test_batch_ends_with_the_job_that_makes_it_8_mib(
    database: Database, commits: list[str]
) -> None:
    before = len(commits)
    with held_up(database):
        for number in range(5):
            database.writer.post(adding(str(number)), size=4 << 20)
    database.writer.close()
    assert len(keys(database)) == 5
    assert len(commits) - before == 1 + 3  # two, two, one


def test_failing_job_rolls_back_alone_and_gets_its_own_error(database: Database) -> None:
    def fail(transaction: Transaction) -> None:
        adding("half-done")(transaction)
        raise LookupError("its own error")

    async def together() -> list[Any]:
        with held_up(database):
            futures: list[asyncio.Future[Any]] = [
                database.commit(adding("before")),
                database.commit(fail),
                database.commit(adding("after")),
            ]
        return await asyncio.gather(*futures, return_exceptions=True)

    first, error, last = asyncio.run(together())
    assert (first, last) == ("before", "after")
    assert isinstance(error, LookupError)
    assert str(error) == "its own error"
    assert keys(database) == {"before", "after"}


def add_all(transaction: Transaction, items: Sequence[str]) -> list[str]:
    calls.append(list(items))
    for item in items:
        if item.startswith("bad"):
            raise LookupError(item)
        adding(item)(transaction)
    return list(items)


calls: list[list[str]] = []


def test_jobs_that_are_alike_are_run_by_one_call(database: Database) -> None:
    async def write() -> None:
        calls.clear()
        with held_up(database):
            alike = [database.commit_alike(add_all, str(number)) for number in range(20)]
            other = database.commit(adding("other"))
        results = await asyncio.gather(*alike, other)
        assert results == [*map(str, range(20)), "other"]

    asyncio.run(write())
    assert calls == [[str(number) for number in range(20)]]
    assert keys(database) >= {"other", *map(str, range(20))}


def test_of_jobs_that_are_alike_only_the_failing_one_fails(database: Database) -> None:
    async def write() -> list[object]:
        with held_up(database):
            alike = [database.commit_alike(add_all, each) for each in ("a", "bad", "b")]
            other = database.commit(adding("other"))
        return list(await asyncio.gather(*alike, other, return_exceptions=True))

    a, bad, b, other = asyncio.run(write())
    assert (a, b, other) == ("a", "b", "other")
    assert isinstance(bad, LookupError)
    assert keys(database) >= {"a", "b", "other"}
    assert "bad" not in keys(database)


def test_what_an_event_loop_hands_in_is_written_on_its_own_thread_where_that_takes_no_time(
    database: Database,
) -> None:
    writers: list[str] = []

    def note(transaction: Transaction, items: Sequence[str]) -> list[str]:
        writers.append(threading.current_thread().name)
        return add_all(transaction, items)

    async def write() -> None:
        await database.commit_alike(note, "opens")  # by the writer's thread: that takes time
        writers.clear()
        both = await asyncio.gather(*(database.commit_alike(note, each) for each in ("a", "b")))
        assert both == ["a", "b"]

    asyncio.run(write())
    here = "MainThread" if database.dialect == "sqlite" else "writer"
    assert set(writers) == {here}
    assert keys(database) == {"opens", "a", "b"}


def test_an_event_loop_does_not_wait_for_another_process_that_writes(database: Database) -> None:
    async def write() -> str:
        await database.commit_alike(add_all, "opens")
        with database.engine.exclusive():
            future = database.commit_alike(add_all, "waits")
            for _ in range(10):  # the loop goes round
                await asyncio.sleep(0)
            assert database.dialect != "sqlite" or not future.done()
        return await future

    assert asyncio.run(write()) == "waits"


def test_of_what_an_event_loop_writes_only_the_failing_one_fails(database: Database) -> None:
    async def write(*items: str) -> list[object]:
        await database.commit_alike(add_all, items[0] + ".opens")
        each = (database.commit_alike(add_all, item) for item in items)
        return list(await asyncio.gather(*each, return_exceptions=True))

    a, bad, b = asyncio.run(write("a", "bad", "b"))
    assert (a, b) == ("a", "b")
    assert isinstance(bad, LookupError)
    (alone,) = asyncio.run(_alone(database))
    assert isinstance(alone, LookupError)
    assert keys(database) == {"a.opens", "a", "b"}


async def _alone(database: Database) -> list[object]:
    return list(await asyncio.gather(database.commit_alike(add_all, "bad"), return_exceptions=True))


def test_a_failed_commit_of_what_an_event_loop_wrote_is_told_and_the_next_goes_on(
    database: Database, gate: Gate
) -> None:
    async def write() -> None:
        await database.commit_alike(add_all, "opens")
        failures_left = ["once"]

        def fail(label: str) -> None:
            if label == "state.commit.before" and failures_left:
                failures_left.pop()
                raise OSError("no space")

        gate(fail)
        with pytest.raises(CommitFailed, match="no space"):
            await database.commit_alike(add_all, "lost")
        assert await database.commit_alike(add_all, "kept") == "kept"

    asyncio.run(write())
    assert keys(database) == {"opens", "kept"}


def test_event_loops_and_threads_that_write_at_once_lose_nothing_and_wait_for_nobody(
    database: Database,
) -> None:
    def by_thread(name: str) -> None:
        for number in range(40):
            database.transact(adding(f"{name}.{number}"), lazy=number % 2 == 1)

    async def by_loop() -> None:
        threads = [asyncio.to_thread(by_thread, f"thread{each}") for each in range(3)]
        rounds = [_rounds(database, f"loop{each}") for each in range(10)]
        await asyncio.wait_for(asyncio.gather(*threads, *rounds), 60)

    asyncio.run(by_loop())
    assert len(keys(database)) == 3 * 40 + 10 * 40


async def _rounds(database: Database, name: str) -> None:
    for number in range(40):
        item = f"{name}.{number}"
        assert await database.commit_alike(add_all, item) == item
        if number % 10 == 0:
            await database.commit(lambda _: None)


def test_close_finishes_what_an_event_loop_has_just_handed_in(database: Database) -> None:
    async def write() -> list[str]:
        await database.commit_alike(add_all, "opens")
        futures = [database.commit_alike(add_all, each) for each in ("a", "b")]
        database.writer.close()
        return list(await asyncio.gather(*futures))

    assert asyncio.run(write()) == ["a", "b"]
    assert asyncio.run(write_again(database)) == "on another loop"


async def write_again(database: Database) -> str:
    return await database.commit_alike(add_all, "on another loop")


def test_a_batch_waits_for_what_is_on_its_way(
    database: Database, commits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_PATIENCE_S", 3600.0)

    async def write() -> None:
        await database.commit_alike(add_all, "opens")
        commits.clear()
        arrive, give_up = database.expect(), database.expect()
        first = database.commit_alike(add_all, "first")
        for _ in range(10):  # the loop goes round
            await asyncio.sleep(0)
        assert not first.done()
        give_up()
        arrive()
        second = database.commit_alike(add_all, "second")
        assert [*await asyncio.wait_for(asyncio.gather(first, second), 60)] == ["first", "second"]

    asyncio.run(write())
    assert len(commits) == 1


def test_nobody_is_waited_for_twice(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write() -> None:
        await database.commit_alike(add_all, "opens")
        arrive = database.expect()
        await database.commit_alike(add_all, "has waited")
        monkeypatch.setattr(writer, "_PATIENCE_S", 3600.0)
        await asyncio.wait_for(database.commit_alike(add_all, "does not wait"), 60)
        arrive()  # late
        await asyncio.wait_for(database.commit_alike(add_all, "late"), 60)

    asyncio.run(write())
    assert keys(database) == {"opens", "has waited", "does not wait", "late"}


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_an_event_loop_commits_itself_where_several_wait_and_commits_take_no_time(
    database: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    committers: list[str] = []

    def note(label: str) -> None:
        if label == "state.commit.before":
            committers.append(threading.current_thread().name)

    async def write() -> None:
        monkeypatch.setattr(writer, "_QUICK_S", 3600.0)
        await database.commit_alike(add_all, "opens")
        gate(note)
        await database.commit_alike(add_all, "alone")
        await asyncio.gather(*(database.commit_alike(add_all, each) for each in ("a", "b")))
        monkeypatch.setattr(writer, "_QUICK_S", 0.0)  # the disk has become slow
        await asyncio.gather(*(database.commit_alike(add_all, each) for each in ("c", "d")))

    asyncio.run(write())
    assert committers == ["writer", "MainThread", "writer"]


def test_job_that_fails_alone_is_run_once_and_leaves_nothing(database: Database) -> None:
    runs: list[int] = []

    def fail(transaction: Transaction) -> None:
        runs.append(1)
        adding("half")(transaction)
        raise LookupError

    with pytest.raises(LookupError):
        database.transact(fail)
    assert runs == [1]
    assert keys(database) == set()


def test_row_that_is_there_already_is_a_conflict_for_its_caller_alone(database: Database) -> None:
    database.transact(adding("taken"))

    async def together() -> list[str | BaseException]:
        with held_up(database):
            futures = [database.commit(adding(key)) for key in ("a", "taken")]
        return await asyncio.gather(*futures, return_exceptions=True)

    fine, error = asyncio.run(together())
    assert fine == "a"
    assert isinstance(error, Conflict)
    assert keys(database) == {"a", "taken"}


def test_statement_the_database_refuses_is_a_temporary_error_for_its_caller(
    database: Database,
) -> None:
    with pytest.raises(StoreBusy):
        database.transact(lambda transaction: transaction.script("SELECT nonsense FROM nowhere"))
    database.transact(adding("later"))
    assert keys(database) == {"later"}


def test_failed_commit_is_told_to_every_caller_and_nothing_is_visible(database: Database) -> None:
    async def together() -> list[Any]:
        with held_up(database):
            futures: list[asyncio.Future[Any]] = [
                database.commit(adding("before")),
                database.commit(spoil_commit),
                database.commit(adding("after")),
            ]
        return await asyncio.gather(*futures, return_exceptions=True)

    errors = asyncio.run(together())
    assert [type(error) for error in errors] == [CommitFailed] * 3
    assert keys(database) == set()


def test_failed_commit_is_told_to_a_waiting_thread(database: Database) -> None:
    with pytest.raises(CommitFailed):
        database.transact(spoil_commit)


def test_writer_goes_on_after_a_failed_commit(database: Database) -> None:
    with pytest.raises(CommitFailed):
        database.transact(spoil_commit)
    assert database.transact(adding("next")) == "next"
    assert keys(database) == {"next"}


def test_error_just_before_the_commit_fails_the_batch(database: Database, gate: Gate) -> None:
    def fail(label: str) -> None:
        if label == "state.commit.before":
            raise OSError("no space left on device")

    gate(fail)
    with pytest.raises(CommitFailed, match="no space left"):
        database.transact(adding("lost"))
    gate(lambda label: None)
    assert keys(database) == set()


def test_action_after_the_commit_finds_the_change_committed(database: Database) -> None:
    seen: list[set[str]] = []

    def job(transaction: Transaction) -> None:
        transaction.after_commit(lambda: seen.append(keys(database)))
        adding("row")(transaction)
        assert seen == []

    database.transact(job)
    assert seen == [{"row"}]


def test_actions_of_a_failed_job_are_not_done(database: Database) -> None:
    done: list[str] = []

    def fail(transaction: Transaction) -> None:
        transaction.after_commit(lambda: done.append("failed"))
        raise LookupError

    def succeed(transaction: Transaction) -> None:
        transaction.after_commit(lambda: done.append("succeeded"))

    with pytest.raises(LookupError):
        database.transact(fail)
    database.transact(succeed)
    assert done == ["succeeded"]


def test_no_action_is_done_after_a_failed_commit(database: Database) -> None:
    done: list[str] = []

    def job(transaction: Transaction) -> None:
        transaction.after_commit(lambda: done.append("done"))
        spoil_commit(transaction)

    with pytest.raises(CommitFailed):
        database.transact(job)
    database.transact(adding("next"))
    assert done == []


def test_action_that_fails_is_logged_and_the_others_are_done(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def job(transaction: Transaction) -> str:
        transaction.after_commit(lambda: done.append("first"))
        transaction.after_commit(lambda: [].index(1))  # type: ignore[arg-type]
        transaction.after_commit(lambda: done.append("last"))
        return "committed"

    assert database.transact(job) == "committed"
    assert done == ["first", "last"]
    assert "an action after a commit failed" in caplog.text


def test_future_is_resolved_after_the_commit(database: Database) -> None:
    async def wait() -> set[str]:
        assert await database.commit(adding("row")) == "row"
        return keys(database)

    assert asyncio.run(wait()) == {"row"}


def test_commit_goes_on_when_its_caller_is_cancelled(database: Database) -> None:
    async def give_up() -> str:
        with held_up(database):
            future = database.commit(adding("kept"))
            future.cancel()
        return await database.commit(adding("next"))

    assert asyncio.run(give_up()) == "next"
    assert keys(database) == {"kept", "next"}


def test_commit_goes_on_when_its_event_loop_has_ended(database: Database) -> None:
    async def leave() -> None:
        database.commit(adding("kept"))

    with held_up(database):
        asyncio.run(leave())
    database.writer.close()
    assert keys(database) == {"kept"}


def test_error_of_a_job_that_nobody_waits_for_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.writer.post(lambda transaction: int("no number"))
    database.writer.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "no number" in caplog.text


def test_close_finishes_what_was_handed_in_and_the_next_job_opens_again(
    database: Database,
) -> None:
    with held_up(database):
        for number in range(20):
            database.writer.post(adding(str(number)))
    database.writer.close()
    assert len(keys(database)) == 20
    database.writer.close()  # twice is once
    database.transact(adding("again"))
    assert len(keys(database)) == 21


def test_release_ends_the_threads_and_the_database_opens_when_it_is_needed(
    database: Database,
) -> None:
    before = set(threading.enumerate())
    database.writer.post(adding("durable"))
    database.lazy_writer.post(adding("lazy"))
    assert {thread.name for thread in set(threading.enumerate()) - before} == {"writer"}
    database.release()
    assert set(threading.enumerate()) <= before
    assert keys(database) == {"durable", "lazy"}
    database.transact(adding("again"))


def test_readers_see_nothing_uncommitted(database: Database) -> None:
    def job(transaction: Transaction) -> set[str]:
        adding("uncommitted")(transaction)
        assert transaction.value(_KEYS_OF, {"wanted": "uncommitted"}) == "uncommitted"
        return keys(database)

    assert database.transact(job) == set()
    assert keys(database) == {"uncommitted"}


def test_snapshot_sees_one_moment_and_the_next_reader_the_present(database: Database) -> None:
    with database.reader(snapshot=True) as connection:
        assert connection.rows(_KEYS) == []
        database.transact(adding("later"))
        assert connection.rows(_KEYS) == []
    assert keys(database) == {"later"}


def test_snapshot_ends_with_an_error_inside_it(database: Database) -> None:
    with pytest.raises(LookupError), database.reader(snapshot=True):
        raise LookupError
    database.transact(adding("later"))
    assert keys(database) == {"later"}


def test_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StoreBusy), database.reader() as connection:
        connection.run(_ADD, {"key": "row", "count": 1, "since": 1})
    assert keys(database) == set()


def test_readers_in_many_threads_have_connections_of_their_own(database: Database) -> None:
    database.transact(adding("row"))
    together = threading.Barrier(12, timeout=_PATIENCE_S)
    found: list[set[str]] = []

    def read() -> None:
        with database.reader() as connection:
            together.wait()
            found.append({row.key for row in connection.rows(_KEYS)})

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert found == [{"row"}] * 12


def test_lazy_and_durable_writer_of_one_process_lose_nothing(database: Database) -> None:
    def write(name: str, *, lazy: bool) -> None:
        for number in range(100):
            key = f"{name}.{number}"
            database.transact(adding(key), lazy=lazy)

    threads = [
        threading.Thread(target=write, args=(name,), kwargs={"lazy": name.startswith("lazy")})
        for name in ("lazy", "durable", "lazy too", "durable too")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert len(keys(database)) == 400


def test_unreachable_database_is_a_temporary_error(dialect: str, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    engine: Engine = SqliteEngine(nowhere / "state.db")
    if dialect == "postgresql":
        engine = PostgresEngine(f"postgresql://nobody@/nothing?host={nowhere}")
    database = Database(engine, name="state")
    with pytest.raises(StoreBusy):
        database.transact(lambda transaction: None)
    with pytest.raises(StoreBusy), database.reader():
        pass
    with pytest.raises(StoreBusy):
        asyncio.run(_await_commit(database))
    database.release()


async def _await_commit(database: Database) -> None:
    await database.commit(lambda transaction: None)


class TestServerThatHangsUp:
    """PostgreSQL ends a connection: a restart, a failover."""

    @pytest.fixture
    def database(self, postgresql: str) -> Iterator[Database]:
        database = Database(PostgresEngine(postgresql), name="state")
        yield database
        database.release()

    @pytest.fixture
    def hang_up(self, postgresql: str) -> Callable[[], None]:
        def end_all() -> None:
            with psycopg.connect(postgresql, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

        return end_all

    def test_connection_lost_while_idle_is_opened_again_before_a_job(
        self, database: Database, hang_up: Callable[[], None]
    ) -> None:
        database.transact(adding("before"))
        hang_up()
        database.transact(adding("after"))
        assert keys(database) == {"before", "after"}

    def test_job_whose_connection_is_lost_fails_and_the_next_one_connects_again(
        self, database: Database, hang_up: Callable[[], None]
    ) -> None:
        def job(transaction: Transaction) -> None:
            adding("lost")(transaction)
            hang_up()

        with pytest.raises((StoreBusy, CommitFailed)):
            database.transact(job)
        database.transact(adding("after"))
        assert keys(database) == {"after"}

    @pytest.mark.parametrize("snapshot", [False, True])
    def test_connection_lost_while_idle_is_opened_again_before_a_read(
        self, database: Database, hang_up: Callable[[], None], snapshot: bool
    ) -> None:
        database.transact(adding("row"))
        assert keys(database) == {"row"}
        hang_up()
        with database.reader(snapshot=snapshot) as connection:
            assert len(connection.rows(_KEYS)) == 1

    def test_connection_lost_inside_a_snapshot_is_a_temporary_error(
        self, database: Database, hang_up: Callable[[], None]
    ) -> None:
        with pytest.raises(StoreBusy), database.reader(snapshot=True):
            hang_up()
        assert keys(database) == set()


def test_batch_that_lost_a_deadlock_is_run_again(postgresql: str) -> None:
    # PostgreSQL ends a deadlock by rolling one of the two back; its callers need not know
    databases = [Database(PostgresEngine(postgresql), name="state") for _ in range(2)]
    databases[0].transact(adding("a"))
    databases[0].transact(adding("b"))
    count = Statement(
        update(failures).where(failures.c.key == param("wanted")).values(count=failures.c.count + 1)
    )
    holds = (threading.Event(), threading.Event())
    runs: list[str] = []
    acted: list[str] = []

    def work(number: int) -> None:
        mine, others = ("a", "b") if number == 0 else ("b", "a")

        def job(transaction: Transaction) -> None:
            runs.append(mine)
            transaction.after_commit(lambda: acted.append(mine))
            transaction.run(count, {"wanted": mine})
            holds[number].set()
            assert holds[1 - number].wait(_PATIENCE_S)
            transaction.run(count, {"wanted": others})

        databases[number].transact(job)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    with databases[0].reader() as connection:
        counts = connection.tuples(select(failures.c.key, failures.c.count))
    assert dict(counts) == {"a": 3, "b": 3}
    assert len(runs) == 3
    assert sorted(acted) == ["a", "b"]
    for database in databases:
        database.release()


# ── a disk that fails ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_after_a_failed_sync_nothing_is_put_behind_what_may_be_lost(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes pages for written whose sync has failed: a log that holds them ends."""
    database.transact(adding("before"))
    assert keys(database) == {"before"}  # a reader keeps the log open
    log = tmp_path / "state.db-wal"
    held = log.stat().st_size
    script = Transaction.script

    def fail(self: Transaction, text: str) -> None:
        script(self, text)
        if text == "COMMIT":  # it is in the log, and the disk said no
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error

    with monkeypatch.context() as broken:
        broken.setattr(Transaction, "script", fail)
        with pytest.raises(CommitFailed):
            database.transact(adding("lost?"))
    assert log.stat().st_size > held
    with monkeypatch.context() as broken:  # the disk fails still
        broken.setattr(SqliteEngine, "renew", _refuse)
        for _ in range(2):
            with pytest.raises(CommitFailed):
                database.transact(adding("refused"))
    assert database.transact(adding("after")) == "after"
    assert log.stat().st_size <= held, "the log was begun anew"
    assert keys(database) >= {"before", "after"}
    assert "refused" not in keys(database)


def _refuse(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_what_a_crash_left_in_the_log_is_made_durable_before_anything_is_put_behind_it(
    database: Database, new_engine: Callable[[], Engine], tmp_path: Path
) -> None:
    database.transact(adding("left"))
    (tmp_path / "copy").mkdir()
    for name in ("state.db", "state.db-wal"):  # as after a crash: nobody has it open
        (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    again = Database(SqliteEngine(tmp_path / "copy" / "state.db"), name="state")
    log = tmp_path / "copy" / "state.db-wal"
    left = log.stat().st_size
    again.transact(adding("after"))
    assert log.stat().st_size < left + 1
    assert keys(again) >= {"left", "after"}
    again.release()
