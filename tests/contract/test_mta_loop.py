"""The MTA agent's loop: at once after a silence, in larger batches under load."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from appliance.agents.mta import agent as mta
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Logs
from tests.support.town import Town, submit

ALICE = "alice@alpha.test"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Put back what the loop sets for its process."""
    handler, threshold = signal.getsignal(signal.SIGTERM), gc.get_threshold()
    reload = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGHUP, reload)
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_what_comes_while_the_agent_gathers_goes_in_one_batch(
    town: Town, gate: Callable[[Callable[[str], None]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, logs = town.house, Logs(town.house.home, "MTA")
    bell = Doorbell(house.home / "run" / "doorbell", "mta")
    seen: list[str] = []

    def gather(seconds: float) -> None:
        assert seconds <= 0.01
        seen.append("gather")
        if seen.count("gather") == 1:
            for _ in range(3):
                submit(house, ALICE)
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    gate(lambda label: seen.append("batch") if label == "mta.claimed" else None)
    monkeypatch.setattr("appliance.agents.mta.agent.time.sleep", gather)
    submit(house, ALICE)
    mta.run(house, logs, bell, lambda: None)
    bell.close()
    assert seen == ["batch", "gather", "batch", "gather"]
    alice = house.directory.mailbox("alice@alpha")
    assert alice is not None
    inbox = house.store.inbox(alice.postoffice_id, alice.id)
    assert inbox is not None
    assert inbox.messages == 4


def test_while_more_is_due_than_a_batch_takes_the_agent_does_not_wait(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.agents.mta.agent._BATCH", 2)
    logs = Logs(town.house.home, "MTA")
    agent = mta.MtaAgent(town.house, logs)
    for _ in range(3):
        submit(town.house, ALICE)
    assert agent.work()
    assert agent.is_behind
    assert agent.work()
    assert not agent.is_behind
    assert not agent.work()
    agent.mark()
    logs.close()
