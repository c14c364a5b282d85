"""The parent of `serve`: ready when all are, restarts who dies, ends with all its children."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.processes import Other
from tests.support.waiting import until

Start = Callable[[str], Other]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a supervisor with the services of a mode."""
    with ExitStack() as started:
        yield lambda mode: started.enter_context(Other("supervised.py", mode))


def hear_pids(process: Other) -> dict[str, int]:
    """Read the two services' lines, up to the announcement."""
    found: dict[str, int] = {}
    while (line := process.hear()) != "announced":
        name, _, pid = line.partition(" ")
        found[name] = int(pid)
    return found


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or waits only for somebody to take notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def test_it_announces_when_all_services_are_ready(start: Start) -> None:
    process = start("two")
    pids = hear_pids(process)
    assert set(pids) == {"steady", "other"}
    assert len({*pids.values(), process.pid}) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_children_when_it_is_told_to(start: Start, number: int) -> None:
    process = start("two")
    pids = hear_pids(process)
    process.signal(number)
    assert process.end() == ["ended"]
    assert all(has_ended(pid) for pid in pids.values())


def test_child_that_is_killed_is_started_again(start: Start) -> None:
    process = start("two")
    pids = hear_pids(process)
    os.kill(pids["other"], signal.SIGKILL)
    name, _, pid = process.hear().partition(" ")
    assert name == "other"
    assert int(pid) != pids["other"]
    assert not has_ended(pids["steady"])
    process.signal(signal.SIGTERM)
    process.end()
    assert "the service other ended, it is started again" in process.complaints
    assert has_ended(int(pid))


def test_children_end_with_a_parent_that_is_killed(start: Start) -> None:
    process = start("two")
    pids = hear_pids(process)
    process.kill()
    for name, pid in pids.items():
        until(lambda pid=pid: has_ended(pid), f"the end of {name}")  # type: ignore[misc]


def test_service_that_ends_at_its_start_stops_everything_and_is_named(start: Start) -> None:
    process = start("broken")
    said = process.end(status=1)
    assert "the service broken ended at its start" in process.complaints
    assert "OSError: the port is taken" in process.complaints
    assert "announced" not in said
    assert has_ended(int(said[0].partition(" ")[2]))


def test_service_that_is_not_ready_in_time_stops_everything_and_is_named(start: Start) -> None:
    process = start("silent")
    said = process.end(status=1)
    assert "not ready after" in process.complaints
    assert "silent" in process.complaints
    for line in said:
        assert has_ended(int(line.partition(" ")[2]))


def test_child_may_tidy_up_and_one_that_will_not_end_is_killed(start: Start) -> None:
    process = start("stubborn")
    pids = hear_pids(process)
    process.signal(signal.SIGTERM)
    assert process.end() == ["tidied up", "ended"]
    assert all(has_ended(pid) for pid in pids.values())


def test_child_that_keeps_dying_is_started_ever_later(start: Start) -> None:
    process = start("frail")
    moments: list[float] = []
    while len(moments) < 5:
        name, _, rest = process.hear().partition(" ")
        if name == "frail":
            moments.append(float(rest))
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert min(pauses[:2]) < 0.2  # at once at first
    assert pauses[-2] >= 0.2
    assert pauses[-1] >= 0.4
    process.signal(signal.SIGTERM)
    process.end()


def test_child_that_ended_while_others_were_not_ready_is_started_again(start: Start) -> None:
    process = start("early")
    pids = hear_pids(process)
    name, _, pid = process.hear().partition(" ")
    assert name == "early"
    assert int(pid) != pids["early"]
