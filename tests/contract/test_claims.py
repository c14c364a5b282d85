"""What a claim chooses, on both databases."""

from __future__ import annotations

from appliance.operations.house import House
from appliance.queue.desk import Desk
from appliance.queue.entry import Connector, Finished, Rescheduled, Routed, State
from tests.support.clock import SetClock
from tests.support.town import claim_all, submit


def send(house: House, *recipients: str) -> str:
    """Queue a message, routed to the sender."""
    entry = submit(house, *recipients)
    marks = [
        Routed(each, Connector.SMTP, each.recipient.address.domain) for each in claim_all(house)
    ]
    house.queue.mark(marks, durable=True)
    return entry


def test_destinations_that_a_worker_has_enough_of_are_passed_over(house: House) -> None:
    send(house, "a@slow.test", "b@slow.test", "c@fast.test", "d@other.test")
    claim, lease = house.queue.claim, house.queue.lease
    every = claim(Connector.SMTP, 10)
    assert {each.destination for each in every} == {"slow.test", "fast.test", "other.test"}
    lease(every, keep=False)
    found = claim(Connector.SMTP, 10, without=["slow.test", "other.test"])
    assert [each.destination for each in found] == ["fast.test"]
    lease(found, keep=False)
    (one,) = claim(Connector.SMTP, 1, without=["slow.test"])
    (rest,) = claim(Connector.SMTP, 1, but={(one.entry_id, one.number)}, without=["slow.test"])
    assert {one.destination, rest.destination} == {"fast.test", "other.test"}


def test_who_is_held_or_finished_is_no_longer_due(house: House) -> None:
    entry = send(house, "a@b.test", "c@b.test", "d@b.test")
    still_due = house.queue.still_due
    assert still_due(entry, Connector.SMTP) == {0, 1, 2}
    assert still_due(entry, Connector.SF) == set()
    first = house.queue.claim(Connector.SMTP, 1)
    house.queue.mark([Finished(first[0], State.DONE, "")], durable=True)
    assert still_due(entry, Connector.SMTP) == {0, 1, 2} - {first[0].number}
    Desk(house.queue).hold(entry)
    assert still_due(entry, Connector.SMTP) == set()
    Desk(house.queue).remove(entry)
    assert still_due(entry, Connector.SMTP) == set()


def test_a_claim_says_since_when_a_recipient_is_due(house: House) -> None:
    now = house.clock.now_us()
    send(house, "a@b.test")
    (found,) = house.queue.claim(Connector.SMTP, 1)
    assert found.due_at == now


def test_what_a_worker_keeps_in_hand_is_nobody_elses(house: House, clock: SetClock) -> None:
    """On PostgreSQL a lease runs out unless it is kept; on SQLite there is one worker."""
    send(house, "a@b.test")
    (found,) = house.queue.claim(Connector.SMTP, 1)
    clock.advance(200)
    house.queue.lease([found], keep=True)
    clock.advance(200)
    mine = {(found.entry_id, found.number)}
    assert house.queue.claim(Connector.SMTP, 1, but=mine) == []
    house.queue.lease([found], keep=False)
    assert len(house.queue.claim(Connector.SMTP, 1)) == 1


def test_a_message_with_more_recipients_than_a_claim_takes_is_claimed_whole(house: House) -> None:
    mine = submit(house, *(f"r{number}@b.test" for number in range(8)))
    claim, lease = house.queue.claim, house.queue.lease
    found = claim(Connector.UNROUTED, 3, of_last=100)
    assert {(each.entry_id, each.number) for each in found} == {(mine, n) for n in range(8)}
    lease(found, keep=False)
    assert len(claim(Connector.UNROUTED, 3, of_last=2)) == 5


def test_of_the_last_message_only_what_is_due_here_is_claimed(
    house: House, clock: SetClock
) -> None:
    entry = submit(house, *(f"r{number}@b.test" for number in range(6)))
    waiting = {each.number: each for each in claim_all(house)}
    house.queue.mark(
        [
            Routed(waiting[3], Connector.SMTP, "b.test"),
            Finished(waiting[4], State.DONE, ""),
            Rescheduled(waiting[5], clock.now_us() + 3_600_000_000, "later"),
        ],
        durable=True,
    )
    house.queue.lease([waiting[number] for number in range(3)], keep=False)
    found = house.queue.claim(Connector.UNROUTED, 1, of_last=100)
    assert {(each.entry_id, each.number) for each in found} == {(entry, n) for n in range(3)}


def test_a_claim_that_ends_with_its_message_takes_nothing_of_the_next(
    house: House, clock: SetClock
) -> None:
    first = submit(house, "a@b.test", "b@b.test")
    clock.advance(1)
    submit(house, "c@b.test")
    found = house.queue.claim(Connector.UNROUTED, 2, of_last=100)
    assert [each.entry_id for each in found] == [first, first]
