"""Parts of the queue: several workers never own one entry, whatever number each goes by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.house import Config, House
from appliance.queue.entry import Connector
from appliance.queue.parts import MOST, Part, PartLock, how_many
from appliance.runtime.clock import ID_CHARACTERS, new_id
from appliance.runtime.locks import ProcessLock
from tests.support.clock import SetClock
from tests.support.town import submit

_PATIENCE_S = 20


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config, clock=SetClock())
    yield house
    house.close()


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    return tmp_path / "run" / "locks"


@pytest.mark.parametrize("of", [1, 2, 3, 5, 32])
def test_each_ending_is_one_parts(of: int) -> None:
    endings = [ending for number in range(of) for ending in Part(number, of).endings]
    assert sorted(endings) == sorted(ID_CHARACTERS)


@pytest.mark.parametrize(("number", "of"), [(1, 1), (-1, 2), (0, 0), (0, MOST + 1)])
def test_what_is_no_part_is_refused(number: int, of: int) -> None:
    with pytest.raises(ValueError, match="is no part: give a number from 0"):
        Part(number, of)


def test_a_worker_for_each_four_cores_unless_the_setting_says_otherwise() -> None:
    assert [how_many(0, cores) for cores in (1, 2, 4, 8, 1024)] == [1, 1, 1, 2, 32]
    assert how_many(3, 2) == 3


@pytest.mark.parametrize("of", [2, 3])
def test_workers_claim_every_entry_once_between_them(house: House, of: int) -> None:
    sent = {submit(house, "alice@alpha.test", message_id=new_id(1)[:-1] + c) for c in ID_CHARACTERS}
    claimed = [
        each.entry_id
        for number in range(of)
        for each in house.queue.claim(Connector.UNROUTED, 100, part=Part(number, of))
    ]
    assert len(claimed) == len(set(claimed)) == len(ID_CHARACTERS)
    assert set(claimed) == sent


def test_an_entry_with_another_kind_of_id_is_the_first_parts(house: House) -> None:
    submit(house, "alice@alpha.test", message_id="01K3Z8Q4T9XW2M7u")
    assert len(house.queue.claim(Connector.UNROUTED, 9, part=Part(0, 2))) == 1
    assert house.queue.claim(Connector.UNROUTED, 9, part=Part(1, 2)) == []


def test_a_claim_of_a_part_reads_no_row_of_another(house: House) -> None:
    seen: list[str] = []
    with house.queue.database.reader() as connection:
        connection.raw.set_trace_callback(seen.append)  # it is borrowed again by what follows
    house.queue.claim(Connector.UNROUTED, 10, part=Part(1, 2))
    connection.raw.set_trace_callback(None)
    (text,) = seen
    plan = [row[3] for row in connection.raw.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert (
        "COVERING INDEX queue_recipients_due" in plan[0] or "INDEX queue_recipients_due" in plan[0]
    )
    assert not any("TEMP B-TREE" in step for step in plan)


def test_parts_of_one_division_work_side_by_side(locks: Path) -> None:
    held = [PartLock(locks, "mta", Part(number, 3)) for number in range(3)]
    assert [each.try_acquire() for each in held] == [True, True, True]
    for each in held:
        each.release()


@pytest.mark.parametrize(
    ("old", "new"),
    [(Part(0, 1), Part(1, 2)), (Part(1, 2), Part(2, 3)), (Part(2, 3), Part()), (Part(), Part())],
)
def test_a_worker_of_another_division_waits_for_the_old_ones_end(
    locks: Path, old: Part, new: Part
) -> None:
    first, second = PartLock(locks, "mta", old), PartLock(locks, "mta", new)
    assert first.try_acquire()
    assert not second.try_acquire()
    got = threading.Event()

    def wait() -> None:
        second.acquire()
        got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.wait(0.05)
    first.release()
    assert got.wait(_PATIENCE_S)
    waiting.join(_PATIENCE_S)
    second.release()


def test_who_could_not_take_a_part_holds_nothing_of_it(locks: Path) -> None:
    busy = PartLock(locks, "mta", Part(31, 32))
    assert busy.try_acquire()
    whole, other = PartLock(locks, "mta", Part()), PartLock(locks, "mta", Part(0, 32))
    assert not whole.try_acquire()
    assert other.try_acquire()
    for each in (busy, whole, other):
        each.release()


def test_who_wants_the_service_alone_is_kept_out_by_any_part(locks: Path) -> None:
    part, alone = PartLock(locks, "mta", Part(1, 2)), ProcessLock(locks / "mta")
    assert part.try_acquire()
    assert not alone.try_acquire()
    part.release()
    assert alone.try_acquire()
    alone.release()
