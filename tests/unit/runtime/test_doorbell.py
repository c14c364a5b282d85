"""Wake-ups between processes: a ring is a byte, a hint, and never an error."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.runtime.doorbell import Doorbell, Ringer
from tests.support.processes import Worker


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run" / "doorbell"


@pytest.fixture
def bell(directory: Path) -> Iterator[Doorbell]:
    found = Doorbell(directory, "mta")
    yield found
    found.close()


@pytest.fixture
def ringer(directory: Path, bell: Doorbell) -> Iterator[Ringer]:
    found = Ringer(directory)
    yield found
    found.close()


def test_ring_wakes_the_service_it_is_for(bell: Doorbell, ringer: Ringer) -> None:
    assert not bell.wait(0)
    ringer.ring("sender")
    assert not bell.wait(0)
    ringer.ring("mta")
    assert bell.wait(20)
    assert not bell.wait(0)


def test_service_whose_name_begins_alike_is_not_woken(bell: Doorbell, ringer: Ringer) -> None:
    for service in ("m", "mt", "mta2", ""):
        ringer.ring(service)
    assert not bell.wait(0)


def test_many_rings_wake_once(bell: Doorbell, ringer: Ringer) -> None:
    for _ in range(5000):  # more than the socket takes: the rest are dropped, nobody waits
        ringer.ring("mta")
    assert bell.wait(20)
    assert not bell.wait(0)


def test_ring_wakes_who_waits_already(bell: Doorbell, ringer: Ringer) -> None:
    woken: list[bool] = []
    thread = threading.Thread(target=lambda: woken.append(bell.wait(20)))
    thread.start()
    ringer.ring("mta")
    thread.join(20)
    assert woken == [True]


def test_wake_rings_oneself(bell: Doorbell) -> None:
    bell.wake()
    assert bell.wait(20)


def test_drained_bell_is_silent(bell: Doorbell, ringer: Ringer) -> None:
    ringer.ring("mta")
    bell.drain()
    assert not bell.wait(0)
    bell.drain()


def test_closed_bell_leaves_no_socket(directory: Path) -> None:
    bell = Doorbell(directory, "pop3")
    assert bell.path == directory / f"pop3.{os.getpid()}"
    bell.close()
    assert list(directory.iterdir()) == []
    bell.wake()  # a signal may still come


def test_leftover_of_an_earlier_process_with_this_number_is_replaced(
    directory: Path, bell: Doorbell, ringer: Ringer
) -> None:
    directory.joinpath(f"pop3.{os.getpid()}").write_bytes(b"")
    other = Doorbell(directory, "pop3")
    ringer.ring("pop3")
    assert other.wait(20)
    other.close()


def test_ringing_without_anybody_there_is_no_error(tmp_path: Path) -> None:
    ringer = Ringer(tmp_path / "nowhere")
    ringer.ring("mta")
    ringer.close()
    ringer.ring("mta")
    ringer.close()


def test_ring_reaches_every_worker_in_other_processes(directory: Path) -> None:
    arguments = {"directory": str(directory), "service": "sender"}
    with Worker("bell", **arguments) as one, Worker("bell", **arguments) as other:
        assert {one.hear(), other.hear()} == {
            str(directory / f"sender.{each.pid}") for each in (one, other)
        }
        ringer = Ringer(directory)
        ringer.ring("sender")
        assert [one.hear(), other.hear()] == ["rang", "rang"]
        ringer.close()


def test_ring_comes_from_another_process(bell: Doorbell, directory: Path) -> None:
    with Worker("ring", directory=str(directory), service="mta") as other:
        other.end()
    assert bell.wait(20)


def test_dead_socket_is_unlinked_at_the_next_ring_and_the_living_ring(
    bell: Doorbell, directory: Path
) -> None:
    with Worker("die_with_bell", directory=str(directory), service="mta") as other:
        dead = Path(other.hear())
        other.end()
    assert dead.exists()
    ringer = Ringer(directory)
    ringer.ring("mta")
    assert not dead.exists()
    assert bell.wait(20)
    ringer.ring("mta")
    assert bell.wait(20)
    ringer.close()
