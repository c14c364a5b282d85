"""A clock that was wrong and is set right: mail is not put off for as long as it was wrong."""

from __future__ import annotations

from appliance.agents.housekeeping import chores
from appliance.queue.desk import Desk
from appliance.queue.entry import Rescheduled
from appliance.runtime.clock import MICROSECONDS
from tests.support.clock import SetClock
from tests.support.town import Town, claim_all, submit

_YEAR_S = 366 * 86_400
_RETRY_S = 900


def test_mail_accepted_while_the_clock_was_ahead_goes_on_once_it_is_right(
    town: Town, clock: SetClock
) -> None:
    house = town.house
    clock.advance(_YEAR_S)
    ahead = submit(house, "a@b.test")
    clock.advance(-_YEAR_S)
    now = submit(house, "a@b.test")
    assert [each.entry_id for each in claim_all(house)] == [now]
    assert chores.pull_in(house) == "1 recipients no longer put off by a clock that was ahead"
    assert ahead in {each.entry_id for each in claim_all(house)}
    assert chores.pull_in(house) == ""


def test_mail_put_off_by_a_clock_that_was_ahead_is_tried_once_it_is_right(
    town: Town, clock: SetClock
) -> None:
    house = town.house
    wrong, right = submit(house, "a@b.test"), submit(house, "a@b.test")
    by_id = {each.entry_id: each for each in claim_all(house)}
    for entry_id, ahead_s in ((wrong, _YEAR_S), (right, 0)):
        due_at = clock.now_us() + (ahead_s + _RETRY_S) * MICROSECONDS
        house.queue.mark([Rescheduled(by_id[entry_id], due_at, "451 later")], durable=True)
    assert claim_all(house) == []
    chores.pull_in(house)
    assert [each.entry_id for each in claim_all(house)] == [wrong], "the other waits its time"
    clock.advance(_RETRY_S)
    assert right in {each.entry_id for each in claim_all(house)}


def test_what_an_operator_holds_stays_held(town: Town, clock: SetClock) -> None:
    house = town.house
    clock.advance(_YEAR_S)
    held = submit(house, "a@b.test")
    clock.advance(-_YEAR_S)
    Desk(house.queue).hold(held)
    assert chores.pull_in(house) == ""
    assert claim_all(house) == []


def test_the_agent_looks_for_it() -> None:
    assert chores.pull_in in chores.CHORES
