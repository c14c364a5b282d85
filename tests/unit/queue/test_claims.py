"""What a claim chooses, and how it finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.house import Config, House
from appliance.queue import queue as queue_module
from appliance.queue.desk import Desk
from appliance.queue.entry import Connector, Finished, Routed, State
from tests.support.clock import SetClock
from tests.support.town import claim_all, submit


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config, clock=SetClock())
    yield house
    house.close()


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
    claim = house.queue.claim
    assert {each.destination for each in claim(Connector.SMTP, 10)} == {
        "slow.test", "fast.test", "other.test",
    }  # fmt: skip
    found = claim(Connector.SMTP, 10, without=["slow.test", "other.test"])
    assert [each.destination for each in found] == ["fast.test"]
    (one,) = claim(Connector.SMTP, 1, without=["slow.test"])
    rest = claim(Connector.SMTP, 1, but={(one.entry_id, one.number)}, without=["slow.test"])
    assert {one.destination, rest[0].destination} == {"fast.test", "other.test"}


def test_a_claim_finds_what_is_due_by_its_index(house: House) -> None:
    """Among a million that wait, what is due is found without reading the others."""
    for statement in (queue_module._CLAIM_ANY, queue_module._NEXT_DUE):
        text = statement.on("sqlite")
        wanted = {**text.fixed, "wanted": "SMTP", "now": 1, "most": 1}
        with house.queue.database.reader() as connection:
            plan = connection.raw.execute(f"EXPLAIN QUERY PLAN {text.text}", wanted).fetchall()
        steps = [row[3] for row in plan]
        assert "queue_recipients_due" in steps[0], steps
        assert not any("TEMP B-TREE" in step for step in steps), steps


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
