"""Failed logins are counted for all processes of the server, for a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.operations.house import House
from tests.support.clock import SetClock

ALICE, CLIENT = "login alice@alpha", "client 192.0.2.1"


def test_failures_of_several_processes_add_up(open_house: Callable[[], House]) -> None:
    one, other = open_house(), open_house()
    one.throttle.count(ALICE, CLIENT, within_s=900)
    other.throttle.count(ALICE, within_s=900)
    for house in (one, other):
        assert house.throttle.failures(ALICE, within_s=900) == 2
        assert house.throttle.failures(CLIENT, within_s=900) == 1
        assert house.throttle.failures("login bob@beta", within_s=900) == 0


def test_failures_count_for_a_time_from_the_first_one(house: House, clock: SetClock) -> None:
    house.throttle.count(ALICE, within_s=900)
    clock.advance(600)
    house.throttle.count(ALICE, within_s=900)
    clock.advance(299)
    assert house.throttle.failures(ALICE, within_s=900) == 2
    clock.advance(1)
    assert house.throttle.failures(ALICE, within_s=900) == 0
    house.throttle.count(ALICE, within_s=900)
    assert house.throttle.failures(ALICE, within_s=900) == 1


def test_shorter_time_looks_back_less(house: House, clock: SetClock) -> None:
    house.throttle.count(ALICE, within_s=900)
    clock.advance(100)
    assert house.throttle.failures(ALICE, within_s=100) == 0
    assert house.throttle.failures(ALICE, within_s=101) == 1


def test_forgotten_key_begins_anew_and_the_others_stay(open_house: Callable[[], House]) -> None:
    one, other = open_house(), open_house()
    one.throttle.count(ALICE, CLIENT, within_s=900)
    other.throttle.forget(ALICE)
    other.throttle.forget("login nobody@nowhere")
    assert one.throttle.failures(ALICE, within_s=900) == 0
    assert one.throttle.failures(CLIENT, within_s=900) == 1


def test_what_no_longer_counts_is_removed(house: House, clock: SetClock) -> None:
    house.throttle.count(ALICE, within_s=900)
    clock.advance(500)
    house.throttle.count(CLIENT, within_s=900)
    clock.advance(500)
    assert house.throttle.expire(older_than_s=900) == 1
    assert house.throttle.expire(older_than_s=900) == 0
    assert house.throttle.failures(CLIENT, within_s=900) == 1


def test_counters_outlast_their_process(open_house: Callable[[], House]) -> None:
    house = open_house()
    house.throttle.count(ALICE, within_s=900)
    house.close()
    assert open_house().throttle.failures(ALICE, within_s=900) == 1


@pytest.mark.parametrize(
    "key", ["login ", "login " + "x" * 5000, "login grüße@漢字", "login ' OR 1=1"]
)
def test_key_may_be_any_text(house: House, key: str) -> None:
    house.throttle.count(key, within_s=900)
    assert house.throttle.failures(key, within_s=900) == 1
