"""Whose turn it is: fair between destinations, bounded in all."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

from appliance.connectors.smtp_out.lanes import (
    MOST,
    MOST_CLAIMED,
    MOST_PROVEN,
    MOST_RECIPIENTS,
    MOST_UNPROVEN,
    Lanes,
)
from appliance.queue.entry import Claimed


def claimed(entry_id: str, number: int = 0) -> Claimed:
    """A recipient, as far as lanes look at one."""
    return cast("Claimed", SimpleNamespace(entry_id=entry_id, number=number))


def test_recipients_of_one_message_go_together() -> None:
    lanes = Lanes()
    for number in range(3):
        lanes.add("b.test", claimed("A", number))
    lanes.add("b.test", claimed("B", 0))
    chosen = lanes.start(most=10, most_each=5)
    assert chosen is not None
    lane, group = chosen
    assert [(each.entry_id, each.number) for each in group] == [("A", 0), ("A", 1), ("A", 2)]
    assert [each.entry_id for each in lanes.take(lane)] == ["B"]
    assert lanes.take(lane) == []


def test_a_transaction_has_no_more_recipients_than_every_host_takes() -> None:
    lanes = Lanes()
    lanes.add("b.test", claimed("A", 0))
    chosen = lanes.start(most=10, most_each=5)
    assert chosen is not None
    lane = chosen[0]
    lane.proven = True
    for number in range(1, MOST_RECIPIENTS):
        assert lanes.add("b.test", claimed("A", number))
    lane.waiting["A"].append(claimed("A", 998))
    lane.waiting["A"].append(claimed("A", 999))
    assert len(lanes.take(lane)) == MOST_RECIPIENTS
    assert len(lanes.take(lane)) == 1


def test_a_destination_gets_one_connection_until_a_session_stands() -> None:
    lanes = Lanes()
    for name in "ABCD":
        lanes.add("b.test", claimed(name))
    chosen = lanes.start(most=10, most_each=3)
    assert chosen is not None
    assert lanes.start(most=10, most_each=3) is None
    chosen[0].proven = True
    assert lanes.start(most=10, most_each=3) is not None
    assert lanes.start(most=10, most_each=3) is not None
    assert lanes.start(most=10, most_each=3) is None  # most_each
    assert lanes.workers == 3


def test_a_destination_without_a_connection_comes_before_one_that_has_some() -> None:
    lanes = Lanes()
    for name in "ABC":
        lanes.add("b.test", claimed(name))
    chosen = lanes.start(most=3, most_each=5)
    assert chosen is not None
    chosen[0].proven = True
    lanes.add("c.test", claimed("D"))
    second = lanes.start(most=3, most_each=5)
    assert second is not None
    assert second[0].key == "c.test"
    assert not lanes.others_wait(most=2)
    lanes.add("d.test", claimed("E"))
    assert lanes.others_wait(most=2)
    assert lanes.start(most=2, most_each=5) is None


def test_a_destination_has_but_a_share_of_what_is_in_hand() -> None:
    lanes = Lanes()
    for number in range(MOST_UNPROVEN):
        assert lanes.add("b.test", claimed("A", number))
    assert not lanes.add("b.test", claimed("A", 99))
    assert lanes.full() == ["b.test"]
    assert lanes.add("c.test", claimed("B"))
    chosen = lanes.start(most=1, most_each=1)
    assert chosen is not None
    chosen[0].proven = True
    assert lanes.full() == []
    assert lanes.wants_more(chosen[0])
    assert lanes.room == MOST - MOST_UNPROVEN - 1


def test_the_share_of_each_shrinks_as_room_gets_short() -> None:
    """So that a new destination finds room, however much mail some others have."""
    lanes = Lanes()
    for letter in "ABCDEFGHIJ":
        key = f"{letter}.test"
        lanes.add(key, claimed(letter))
        chosen = lanes.start(most=100, most_each=1)
        assert chosen is not None
        chosen[0].proven = True
        number = 0
        while key not in lanes.full():
            for _ in range(lanes.batch):
                assert lanes.add(key, claimed(letter, number := number + 1))
        assert number < MOST_PROVEN + MOST_CLAIMED
    assert lanes.room >= MOST_UNPROVEN
    assert lanes.batch >= MOST_UNPROVEN
    assert lanes.add("new.test", claimed("new"))


def test_a_connection_takes_its_fair_share_of_what_waits() -> None:
    lanes = Lanes()
    for number in range(6):
        lanes.add("b.test", claimed(f"A{number}"))
    chosen = lanes.start(most=9, most_each=9)
    assert chosen is not None
    lane = chosen[0]
    lane.proven = True
    lanes.start(most=9, most_each=9)  # A1 goes by another connection
    assert [group[0].entry_id for group in lanes.take_some(lane, 8)] == ["A2", "A3"]
    assert [group[0].entry_id for group in lanes.take_some(lane, 8)] == ["A4"]
    assert [group[0].entry_id for group in lanes.take_some(lane, 8)] == ["A5"]
    assert lanes.take_some(lane, 8) == []


def test_new_mail_rouses_a_resting_connection_rather_than_open_another() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        lanes.add("b.test", claimed("A"))
        chosen = lanes.start(most=9, most_each=9)
        assert chosen is not None
        lane, group = chosen
        lane.proven = True
        lanes.drop(lane, group)
        resting = asyncio.create_task(lanes.rest(lane, 3600))
        await asyncio.sleep(0)  # it rests
        lanes.add("b.test", claimed("B"))
        assert lanes.start(most=9, most_each=9) is None
        await resting
        assert [group[0].entry_id for group in lanes.take_some(lane, 8)] == ["B"]

    asyncio.run(scenario())


def test_a_resting_connection_gives_its_place_to_a_destination_that_has_none() -> None:
    async def scenario() -> None:
        lanes = Lanes()
        lanes.add("b.test", claimed("A"))
        chosen = lanes.start(most=1, most_each=1)
        assert chosen is not None
        lane, group = chosen
        lanes.drop(lane, group)
        resting = asyncio.create_task(lanes.rest(lane, 3600))
        await asyncio.sleep(0)  # it rests
        lanes.add("c.test", claimed("B"))
        assert lanes.start(most=1, most_each=1) is None
        await resting
        assert lanes.take_some(lane, 8) == []
        lanes.end(lane)
        following = lanes.start(most=1, most_each=1)
        assert following is not None
        assert following[0].key == "c.test"

    asyncio.run(scenario())


def test_what_is_let_go_can_be_taken_again() -> None:
    lanes = Lanes()
    lanes.add("b.test", claimed("A"))
    chosen = lanes.start(most=1, most_each=1)
    assert chosen is not None
    lane, group = chosen
    assert lanes.in_hand == {("A", 0)}
    assert [each.entry_id for each in lanes.claimed] == ["A"]
    lanes.drop(lane, group)
    lanes.drop(lane, group)  # once more does nothing
    assert lanes.in_hand == frozenset()
    lanes.end(lane)
    assert lanes.room == MOST
    assert lanes.add("b.test", claimed("A"))
    assert lanes.start(most=1, most_each=1) is not None


def test_a_message_put_back_is_the_next_one() -> None:
    lanes = Lanes()
    for name in "ABC":
        lanes.add("b.test", claimed(name))
    chosen = lanes.start(most=1, most_each=1)
    assert chosen is not None
    lane, group = chosen
    lanes.put_back(lane, group)
    assert [each.entry_id for each in lanes.take_all(lane)] == ["A", "B", "C"]
    assert lane.waiting == {}
