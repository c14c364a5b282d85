"""A client's own key: what is submitted under it is queued once, however often it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from appliance.agents.housekeeping import chores
from appliance.database.content import INLINE_MAX
from appliance.database.errors import CommitFailed
from appliance.operations.house import House
from appliance.queue import tables
from appliance.queue.desk import Desk
from appliance.queue.entry import Origin
from tests.support.clock import SetClock
from tests.support.town import MESSAGE, claim_all, envelope, submit

LARGE = MESSAGE + b"x" * INLINE_MAX
DAY_S = 86_400

Gate = Callable[[Callable[[str], None]], None]


def submit_under(house: House, key: str, octets: bytes = MESSAGE) -> str:
    content = house.queue.content()
    content.write(octets)
    return house.queue.submit(envelope("a@b.test"), content, Origin(kind="WEBMAIL"), key=key)


def keys(house: House) -> int:
    with house.databases.get("queue").reader() as connection:
        return int(connection.value(select(func.count()).select_from(tables.submissions)))


def kept_files(house: House) -> set[str]:
    """Return the content files; each is named by a row."""
    files = {path.name for path in house.queue.folder.names()}
    assert files == Desk(house.queue).files().names()
    return files


@pytest.mark.parametrize("octets", [MESSAGE, LARGE], ids=["row", "file"])
def test_the_same_key_again_queues_nothing_and_returns_the_first_id(
    house: House, octets: bytes
) -> None:
    first = submit_under(house, "k", octets)
    assert submit_under(house, "k", octets) == first
    assert [each.id for each in Desk(house.queue).messages()] == [first]
    assert len(kept_files(house)) == (1 if octets is LARGE else 0)
    assert house.queue.submitted("k") == first


def test_another_key_is_another_message(house: House) -> None:
    assert submit_under(house, "k") != submit_under(house, "l")
    assert len(Desk(house.queue).messages()) == 2
    assert house.queue.submitted("m") is None


def test_without_a_key_each_is_a_message_and_nothing_is_remembered(house: House) -> None:
    assert submit(house, "a@b.test") != submit(house, "a@b.test")
    assert keys(house) == 0


def test_key_still_counts_when_its_message_has_left_the_queue(house: House) -> None:
    first = submit_under(house, "k")
    Desk(house.queue).remove(first)
    assert submit_under(house, "k") == first
    assert claim_all(house) == []


def test_keys_are_remembered_by_all_processes(open_house: Callable[[], House]) -> None:
    assert submit_under(open_house(), "k") == submit_under(open_house(), "k")


def test_two_who_submit_under_one_key_at_the_same_moment_queue_one_message(
    open_house: Callable[[], House],
) -> None:
    houses = [open_house(), open_house()]  # two processes
    together = threading.Barrier(4)
    found: list[str] = []

    def one(house: House) -> None:
        together.wait(20)
        found.append(submit_under(house, "k", LARGE))

    threads = [threading.Thread(target=one, args=(house,)) for house in houses * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [each.id for each in Desk(houses[0].queue).messages()] == found[:1]
    assert len(kept_files(houses[0])) == 1


def test_key_of_a_submit_that_failed_may_be_used_again(house: House, gate: Gate) -> None:
    def fail(step: str) -> None:
        if step == "queue.commit.before":
            raise OSError("the disk is full")

    gate(fail)
    with pytest.raises(CommitFailed):
        submit_under(house, "k")
    gate(lambda step: None)
    assert house.queue.submitted("k") is None
    first = submit_under(house, "k")
    assert [each.id for each in Desk(house.queue).messages()] == [first]


def test_housekeeping_forgets_keys_after_a_week(house: House, clock: SetClock) -> None:
    submit_under(house, "old")
    clock.advance(6 * DAY_S)
    first = submit_under(house, "young")
    assert chores.forget_submissions(house) == ""
    clock.advance(DAY_S + 1)
    assert chores.forget_submissions(house) == "1 keys of submitted messages forgotten"
    assert house.queue.submitted("old") is None
    assert submit_under(house, "young") == first
