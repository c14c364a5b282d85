"""The journey: every event once, in its order, found again by message and by address."""

from __future__ import annotations

import json

import pytest

from appliance.journey.event import Event, Kind
from appliance.operations.house import House
from appliance.queue.desk import Desk
from appliance.runtime.clock import MICROSECONDS
from tests.support.clock import SetClock
from tests.support.town import claim_all, submit

ID = "06BQ886W00000001"
OTHER = "06BQ886W00000002"


def event(
    at_us: int = 1,
    kind: Kind = Kind.DELIVERED,
    *,
    message_id: str = ID,
    recipient: str = "alice@alpha.test",
    reverse_path: str = "sender@example.org",
    text: str = "delivered",
) -> Event:
    return Event(
        at_us=at_us,
        message_id=message_id,
        kind=kind,
        recipient=recipient,
        reverse_path=reverse_path,
        connector="SF",
        text=text,
        reason={"rule": "routing.mailbox", "inputs": {"hops": "1"}},
        detail={"size": "17"},
    )


def record(house: House, *events: Event) -> None:
    """Record events, and wait until they are written."""
    house.journey.record(events)
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)


def search(house: House, text: str, *, since_us: int = 0, most: int = 100) -> list[str]:
    return [each.message_id for each in house.journey.search(text, since_us=since_us, most=most)]


def test_event_comes_back_as_it_was(house: House) -> None:
    record(house, event())
    assert house.journey.of(ID) == [event()]
    assert house.journey.of(OTHER) == []


def test_events_of_a_message_come_in_the_order_they_happened(house: House) -> None:
    late, early = event(20, Kind.DELIVERED), event(10, Kind.ROUTED)
    record(house, late)
    record(house, early, event(15, message_id=OTHER))
    assert house.journey.of(ID) == [early, late]


def test_event_recorded_twice_is_kept_once(house: House) -> None:
    record(house, event())
    record(house, event(), event(2))
    assert [each.at_us for each in house.journey.of(ID)] == [1, 2]


def test_same_moment_holds_events_of_several_recipients(house: House) -> None:
    record(house, event(recipient="a@b.test"), event(recipient="c@b.test"))
    assert len(house.journey.of(ID)) == 2


def test_nothing_recorded_is_nothing_written(house: House) -> None:
    house.journey.record([])
    assert house.journey.of(ID) == []


def test_submits_own_event_is_recorded_from_what_its_entry_keeps(house: House) -> None:
    message_id = submit(house, "alice@alpha.test", "bob@beta.test")
    claimed = claim_all(house)
    house.journey.record([], accepted=[each.accepted for each in claimed])
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)
    (found,) = house.journey.of(message_id)
    assert found == Desk(house.queue).accepted(message_id)
    assert found.kind is Kind.ACCEPTED


@pytest.mark.parametrize(
    "text",
    ["Grüße 漢字 🐎", "tab\tnewline\nquote\"'\\", "\0 and \x1f", "%s %(x)s :x ?", "x" * 100_000],
)
def test_hostile_text_is_kept(house: House, text: str) -> None:
    record(house, event(text=text))
    (found,) = house.journey.of(ID)
    assert found.text == text


def test_event_that_cannot_be_written_takes_no_other_with_it(house: House) -> None:
    record(house, event(text="\udcff is no character"))
    record(house, event(2))
    assert [each.at_us for each in house.journey.of(ID)][-1] == 2


def test_search_finds_sender_and_recipient_the_newest_first(house: House) -> None:
    record(
        house,
        event(10, recipient="alice@alpha.test", reverse_path="x@y.test"),
        event(20, message_id=OTHER, recipient="z@z.test", reverse_path="alice@alpha.test"),
        event(30, message_id="0" * 16, recipient="b@b.test", reverse_path="c@c.test"),
    )
    assert search(house, "alice@alpha.test") == [OTHER, ID]
    assert search(house, "alpha.test") == [OTHER, ID]
    assert search(house, "nobody") == []


def test_search_is_bounded_by_time_and_number(house: House) -> None:
    record(house, *(event(at, message_id=f"{at:016}") for at in range(1, 8)))
    assert search(house, "alice", since_us=5) == [f"{at:016}" for at in (7, 6, 5)]
    assert search(house, "alice", most=2) == [f"{at:016}" for at in (7, 6)]


@pytest.mark.parametrize("text", ["Alice@alpha.test", "alice@ALPHA.test", "ALICE"])
def test_search_passes_over_the_case_of_letters(house: House, text: str) -> None:
    record(house, event(recipient="Alice@alpha.test"))
    assert search(house, text) == [ID]


@pytest.mark.parametrize("text", ["john_doe", "100%", "%", "_", "a/b", "back\\slash"])
def test_search_takes_the_text_literally(house: House, text: str) -> None:
    record(house, event(1, recipient=f"x{text}y@b.test"))
    record(house, event(2, message_id=OTHER, recipient="john-doe.100.ab.backslash@c.test"))
    assert search(house, text) == [ID]


def test_old_events_are_forgotten(house: House, clock: SetClock) -> None:
    now = clock.now_us()
    record(house, event(now - 31 * 86_400 * MICROSECONDS), event(now))
    assert house.journey.expire(now - 30 * 86_400 * MICROSECONDS, now_us=now) == 1
    assert [each.at_us for each in house.journey.of(ID)] == [now]


def test_event_keeps_what_has_no_column_as_json(house: House) -> None:
    kept = json.loads(event().data())
    assert kept == {
        "text": "delivered",
        "reason": {"rule": "routing.mailbox", "inputs": {"hops": "1"}},
        "detail": {"size": "17"},
    }


def test_one_event_is_recorded_for_many_messages(house: House) -> None:
    record(house, event(1, Kind.DOWNLOADED))
    house.journey.record_alike(event(1, Kind.DOWNLOADED, message_id=""), [ID, OTHER, "%s:\"'é"])
    record(house)
    for message_id in (ID, OTHER, "%s:\"'é"):  # what is there already is kept once
        assert house.journey.of(message_id) == [event(1, Kind.DOWNLOADED, message_id=message_id)]


def record_alike(house: House, found: Event, *message_ids: str) -> None:
    """Record one event for several messages, and wait until it is written."""
    house.journey.record_alike(found, message_ids)
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)


def test_what_happened_to_many_messages_alike_is_an_event_of_each(house: House) -> None:
    ids = [f"{number:016}" for number in range(300)]
    record_alike(house, event(5, Kind.DOWNLOADED, message_id=""), *ids)
    record_alike(house, event(5, Kind.DOWNLOADED, message_id=""), ID)
    record_alike(house, event(5, Kind.DOWNLOADED, message_id=""))
    for message_id in (*ids, ID):
        assert house.journey.of(message_id) == [event(5, Kind.DOWNLOADED, message_id=message_id)]
    assert sorted(search(house, "alice", most=1000)) == [*ids, ID]


def test_events_of_one_moment_come_in_the_order_they_were_recorded(house: House) -> None:
    kinds = [Kind.ROUTED, Kind.DELIVERED, Kind.ACCEPTED, Kind.DOWNLOADED]
    record(house, *(event(kind=kind) for kind in kinds))
    assert [each.kind for each in house.journey.of(ID)] == kinds


def test_what_was_written_late_is_found_by_its_time_and_forgotten_after_it(house: House) -> None:
    record(house, event(1000, message_id=OTHER))
    record(house, event(10))
    record_alike(house, event(2000, message_id=""), f"{1:016}", f"{2:016}")
    assert search(house, "alice", since_us=11) == [f"{2:016}", f"{1:016}", OTHER]
    assert search(house, "alice") == [f"{2:016}", f"{1:016}", OTHER, ID]
    assert house.journey.expire(1001, now_us=2000) == 2
    assert search(house, "alice") == [f"{2:016}", f"{1:016}"]
    assert house.journey.expire(2001, now_us=2001) == 2
    assert search(house, "alice") == []
    assert house.journey.expire(2001, now_us=2001) == 0


def test_clock_that_was_ahead_keeps_nothing_for_longer(house: House) -> None:
    day = 86_400 * MICROSECONDS
    record(house, event(2000 * day, message_id="0" * 16))  # what the wrong clock told
    record(house, event(1 * day))
    record_alike(house, event(1 * day, message_id=""), f"{1:016}", f"{2:016}")
    record(house, event(50 * day, message_id=OTHER))
    record_alike(house, event(50 * day, message_id=""), f"{3:016}", f"{4:016}")
    assert len(search(house, "alice", since_us=2 * day)) == 4
    assert house.journey.expire(40 * day, now_us=60 * day) == 3
    kept = {"0" * 16, OTHER, f"{3:016}", f"{4:016}"}
    assert set(search(house, "alice")) == kept
    assert house.journey.expire(40 * day, now_us=60 * day) == 0
    assert house.journey.expire(2001 * day, now_us=2002 * day) == 4
    assert search(house, "alice") == []
