"""The maildrop's lock: one session at a time, in all processes, and gone with the one that had it.

RFC 1939 §3: the server acquires an exclusive-access lock on the maildrop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from appliance.operations.house import House
from appliance.store.maildrop_lock import MaildropLocks, maildrop_locks
from tests.support.processes import Worker

ALICE, CAROL = 11, 12


@pytest.fixture
def make_locks(open_house: Callable[[], House]) -> Iterator[Callable[[], MaildropLocks]]:
    """Make the locks of one more process."""
    made: list[MaildropLocks] = []

    def make() -> MaildropLocks:
        house = open_house()
        made.append(maildrop_locks(house.databases.store(1), house.home))
        return made[-1]

    yield make
    for locks in made:
        locks.close()


@pytest.fixture
def arguments(database_url: str, tmp_path: Path) -> dict[str, Any]:
    return {"home": str(tmp_path / "home"), "url": database_url, "mailbox": ALICE}


def test_maildrop_is_locked_once_until_it_is_released(
    make_locks: Callable[[], MaildropLocks],
) -> None:
    locks = make_locks()
    assert locks.acquire(ALICE)
    assert not locks.acquire(ALICE)
    assert locks.acquire(CAROL)
    locks.release(ALICE)
    assert locks.acquire(ALICE)
    assert not locks.acquire(CAROL)


def test_release_of_what_is_not_held_does_nothing(
    make_locks: Callable[[], MaildropLocks],
) -> None:
    one, other = make_locks(), make_locks()
    assert one.acquire(ALICE)
    other.release(ALICE)
    assert not other.acquire(ALICE)


def test_closed_locks_hold_nothing_and_can_be_used_again(
    make_locks: Callable[[], MaildropLocks],
) -> None:
    one, other = make_locks(), make_locks()
    assert one.acquire(ALICE)
    assert one.acquire(CAROL)
    one.close()
    assert other.acquire(ALICE)
    assert not one.acquire(ALICE)
    assert one.acquire(CAROL)


def test_of_many_threads_one_gets_the_lock(make_locks: Callable[[], MaildropLocks]) -> None:
    locks = make_locks()
    together = threading.Barrier(8, timeout=20)
    got: list[bool] = []

    def try_it() -> None:
        together.wait()
        got.append(locks.acquire(ALICE))

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(got) == [False] * 7 + [True]


def test_other_process_finds_the_maildrop_locked(
    make_locks: Callable[[], MaildropLocks], arguments: dict[str, Any]
) -> None:
    locks = make_locks()
    assert locks.acquire(ALICE)
    with Worker("lock", **arguments) as other:
        assert other.hear() == "taken"
    locks.release(ALICE)
    with Worker("lock", **arguments) as other:
        assert other.hear() == "locked"
        assert not locks.acquire(ALICE)
        assert locks.acquire(CAROL)
        other.go_on()
        assert other.hear() == "released"
        assert locks.acquire(ALICE)


def test_lock_of_a_killed_process_is_gone(
    make_locks: Callable[[], MaildropLocks], arguments: dict[str, Any], database_url: str
) -> None:
    locks = make_locks()
    with Worker("lock", **arguments) as other:
        assert other.hear() == "locked"
        assert not locks.acquire(ALICE)
        other.kill()
        if database_url:  # the server notices the closed connection a moment later
            _await_end_of_lock(database_url)
        assert locks.acquire(ALICE)


def _await_end_of_lock(url: str) -> None:
    """Wait for the lock as whoever comes next would, at most some seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        for function in ("pg_advisory_lock", "pg_advisory_unlock"):
            connection.execute(f"SELECT {function}(%s, %s)", (0x706F70, ALICE))


def test_locks_lost_with_their_connection_are_not_held_any_more(
    postgresql: str, make_locks: Callable[[], MaildropLocks], database_url: str
) -> None:
    if not database_url:
        return  # files have no connection to lose
    locks = make_locks()
    assert locks.acquire(ALICE)
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    other = make_locks()
    assert other.acquire(ALICE)
    assert not locks.acquire(ALICE)
    assert locks.acquire(CAROL)  # the connection has been opened again
    assert not locks.acquire(ALICE)
