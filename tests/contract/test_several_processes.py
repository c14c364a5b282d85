"""Several processes and threads write into one home at once, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.database.database import Database
from appliance.database.postgresql import PostgresEngine
from appliance.database.schema import ensure, version
from appliance.database.sqlite import SqliteEngine
from appliance.database.writer import Engine
from appliance.operations.house import SCHEMAS, House
from appliance.queue.desk import Desk
from appliance.runtime.clock import SystemClock
from tests.support.clock import SetClock
from tests.support.processes import Worker
from tests.support.town import claim_all

_PATIENCE_S = 20


def test_what_two_processes_submit_at_once_is_all_there(
    open_house: Callable[[], House], database_url: str, tmp_path: Path
) -> None:
    arguments = {"home": str(tmp_path / "home"), "url": database_url, "count": 60, "size": 3000}
    with Worker("submit", **arguments) as one, Worker("submit", **arguments) as other:
        both = (one, other)
        assert [each.hear() for each in both] == ["ready", "ready"]
        for each in both:
            each.go_on()
        said = [message_id for each in both for message_id in each.end()]
    assert len(set(said)) == 120
    queued = Desk(open_house().queue).messages(most=1000)
    assert {message.id for message in queued} == set(said)


def test_what_a_killed_process_said_is_durable_is_there(
    open_house: Callable[[], House], database_url: str, tmp_path: Path
) -> None:
    with Worker(
        "submit", home=str(tmp_path / "home"), url=database_url, count=10_000, size=200_000
    ) as other:
        other.hear()
        other.go_on()
        said = {other.hear() for _ in range(10)}
        other.kill()
    house = open_house()
    assert said <= {message.id for message in Desk(house.queue).messages(most=1000)}
    for claimed in claim_all(house):
        assert len(house.queue.content_of(claimed).read()) == claimed.size == 200_017


def test_what_two_processes_count_lazily_adds_up(
    open_house: Callable[[], House], database_url: str, tmp_path: Path, clock: SetClock
) -> None:
    arguments = {"home": str(tmp_path / "home"), "url": database_url, "count": 100}
    with Worker("fail_logins", **arguments) as one, Worker("fail_logins", **arguments) as other:
        both = (one, other)
        assert [each.hear() for each in both] == ["ready", "ready"]
        for each in both:
            each.go_on()
        for each in both:
            each.end()
    house = open_house()
    clock.at_us = SystemClock().now_us()  # the other processes have the machine's clock
    assert house.throttle.failures("login alice@alpha", within_s=10_000) == 200


def test_write_lock_keeps_out_the_other_writer_of_the_same_process(tmp_path: Path) -> None:
    # The durable and the lazy writer of a database are two threads that share one engine.
    engine = SqliteEngine(tmp_path / "queue.db")
    inside, entered, leave = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with engine.exclusive():
            inside.set()
            assert leave.wait(_PATIENCE_S)

    def second() -> None:
        with engine.exclusive():
            entered.set()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(_PATIENCE_S)
    threads[1].start()
    kept_out = not entered.wait(0.1)
    leave.set()
    assert entered.wait(_PATIENCE_S)
    for thread in threads:
        thread.join(_PATIENCE_S)
    engine.release()
    assert kept_out


@pytest.mark.parametrize("role", sorted(SCHEMAS))
def test_two_processes_that_make_the_tables_at_once_both_succeed(
    role: str, dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    new_engine = _engines(dialect, tmp_path, request)
    errors: list[BaseException] = []
    together = threading.Barrier(4, timeout=_PATIENCE_S)

    def make() -> None:
        database = Database(new_engine(), name=role)
        try:
            together.wait()
            ensure(database, SCHEMAS[role])
            assert version(database, SCHEMAS[role]) == SCHEMAS[role].head
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)
        finally:
            database.release()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_S)
    assert errors == []


def _engines(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[], Engine]:
    if dialect == "sqlite":
        return lambda: SqliteEngine(tmp_path / "new.db")
    url = request.getfixturevalue("new_postgresql")()
    return lambda: PostgresEngine(url)
