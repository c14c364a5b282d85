"""A clock that jumps while the services run: mail flows, nothing is lost or doubled.

Only the time of day jumps, as when somebody sets it: the services see it through libfaketime. Files
have the kernel's own times, so that what comes in looks as old as the jump is long.
"""

from __future__ import annotations

import email
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from appliance.upkeep.scrub import Scrub
from tests.integration.conftest import NOWHERE
from tests.integration.test_faults import Mail
from tests.support.serving import ONE_PROCESS, Server

_LARGE = 200 << 10  # octets: a file of its own
_DAY_S = 86_400
_CHORES = """
import sys
from pathlib import Path
from appliance.agents.housekeeping.chores import CHORES
from appliance.operations.house import House, read_config
house = House(read_config(Path(sys.argv[1])))
for chore in CHORES:
    chore(house)
"""


class Clock:
    """What the services take for the time of day."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """Put the clock ahead of the real time, or behind it."""
        self._file.write_text(f"{ahead_s:+d}\n", encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def jumping(tmp_path: Path, clock: Clock) -> Iterator[Server]:
    server = Server(
        tmp_path / "home", settings={**NOWHERE, **ONE_PROCESS}, environment=clock.environment
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def keep_house(server: Server, environment: dict[str, str]) -> None:
    """Do housekeeping's chores by the clock that the services have."""
    command = [sys.executable, "-c", _CHORES, str(server.home)]
    subprocess.run(command, env={**os.environ, **environment}, check=True)


def _day(letter: bytes) -> date:
    received = email.message_from_bytes(letter)["Received"]
    return parsedate_to_datetime(received.rpartition(";")[2]).date()


def test_a_clock_that_jumps_ahead_and_back_loses_no_mail(jumping: Server, clock: Clock) -> None:
    mail = Mail(jumping)
    for ahead_s in (0, 3 * _DAY_S, -2 * _DAY_S, 400 * _DAY_S, -3600, 0):
        clock.set(ahead_s)
        keep_house(jumping, clock.environment)
        assert [mail.send(), mail.send(size=_LARGE)] == [250, 250]
        mail.reconcile()
    assert len(mail.acknowledged) == 12
    with mail.session() as client:
        letters = [b"\n".join(client.retr(number)[1]) for number in range(1, 13)]
    assert sum(len(octets) > _LARGE // 2 for octets in letters) == 6
    assert len({_day(octets) for octets in letters}) >= 4  # it did jump
    assert jumping.perform(Scrub()).findings == []
