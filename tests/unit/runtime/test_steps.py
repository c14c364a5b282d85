"""The labelled steps at which `make kills` ends a process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import appliance
from appliance.operations.house import SCHEMAS
from appliance.runtime import steps


def test_without_a_gate_a_step_does_nothing() -> None:
    assert steps.gate is None
    steps.reach("mta.claimed")


def test_gate_is_called_with_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []
    monkeypatch.setattr(steps, "gate", reached.append)
    steps.reach("mta.claimed")
    assert reached == ["mta.claimed"]


def test_every_step_that_is_reached_is_listed_and_every_listed_one_is_reached() -> None:
    reached = {
        label
        for path in Path(appliance.__file__).parent.rglob("*.py")
        for label in re.findall(r'steps\.reach\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    }
    for role in SCHEMAS:  # the writer makes these out of its database's name
        reached |= {
            f"{role}.{kind}.{when}" for kind in ("commit", "mark") for when in ("before", "after")
        } & set(steps.STEPS)
    assert reached == set(steps.STEPS)
