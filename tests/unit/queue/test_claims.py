"""How a claim finds what is due."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.operations.house import Config, House
from appliance.queue.entry import Connector
from tests.support.clock import SetClock


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    config = Config(home=tmp_path, database_url="", key_file=tmp_path / "config/key", node="test")
    house = House(config, clock=SetClock())
    yield house
    house.close()


def test_a_claim_finds_what_is_due_by_its_index(house: House) -> None:
    """Among a million that wait, what is due is found without reading the others."""
    seen: list[str] = []
    with house.queue.database.reader() as connection:
        connection.raw.set_trace_callback(seen.append)  # it is borrowed again by what follows
    house.queue.claim(Connector.SMTP, 10)
    house.queue.claim(Connector.SMTP, 10, without=["slow.test"])
    connection.raw.set_trace_callback(None)
    assert len(seen) == 2
    for text in seen:
        plan = connection.raw.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()
        steps = [row[3] for row in plan]
        assert "queue_recipients_due" in steps[0], steps
        assert not any("TEMP B-TREE" in step for step in steps), steps
