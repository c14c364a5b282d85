"""Forgetting deliveries keeps up with any rate, and open entries block nobody."""

from __future__ import annotations

import pytest

from appliance.agents.housekeeping import chores
from appliance.queue.desk import Desk
from tests.support.clock import SetClock
from tests.support.letters import delivery, entry
from tests.support.town import Town, submit


def test_all_old_deliveries_are_forgotten_in_one_run_but_those_of_open_entries(
    town: Town, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "_DELIVERIES_BATCH", 3)
    house = town.house
    found = house.directory.postoffice("alpha")
    assert found is not None
    opened = [submit(house, "alice@alpha.test") for _ in range(4)]
    closed = [entry(number) for number in range(8)]
    copies = [delivery(each, 11) for each in (*opened, *closed)]
    house.store.deliver(found.id, copies)
    clock.advance(3601)
    young = delivery(entry(99), 11)
    house.store.deliver(found.id, [young])
    assert chores.forget_deliveries(house) == "8 deliveries forgotten"
    left = house.store.old_deliveries(found.id, clock.now_us() + 1, 100)
    assert set(left) == {*(f"{each}.0" for each in opened), young.id}
    assert chores.forget_deliveries(house) == ""


def test_old_deliveries_are_listed_in_pieces(town: Town, clock: SetClock) -> None:
    store = town.house.store
    store.deliver(1, [delivery(entry(number), 11) for number in (3, 1, 2)])
    before = clock.now_us() + 1
    first = store.old_deliveries(1, before, 2)
    assert first == [f"{entry(1)}.0", f"{entry(2)}.0"]
    assert store.old_deliveries(1, before, 2, after=first[-1]) == [f"{entry(3)}.0"]
    assert store.old_deliveries(1, before, 2, after=f"{entry(3)}.0") == []


def test_many_entries_are_asked_for_at_once(town: Town) -> None:
    open_id = submit(town.house, "alice@alpha.test")
    closed = {entry(number) for number in range(2500)}
    assert Desk(town.house.queue).are_closed({open_id, *closed}) == closed
