"""Room for mail (RFC 5321 §4.2.2, RFC 1870 §5)."""

from __future__ import annotations

import pytest

from appliance.journey.reason import Outcome
from appliance.rules.storage import MIB, judge


@pytest.mark.parametrize(
    ("free", "size", "reserve_mb", "outcome"),
    [
        (100 * MIB, 0, 100, Outcome.ACCEPT),
        (100 * MIB - 1, 0, 100, Outcome.DEFER),
        (150 * MIB, 50 * MIB, 100, Outcome.ACCEPT),
        (150 * MIB, 50 * MIB + 1, 100, Outcome.DEFER),
        (0, 1 << 40, 0, Outcome.ACCEPT),
    ],
)
def test_mail_leaves_a_reserve(free: int, size: int, reserve_mb: int, outcome: Outcome) -> None:
    reason = judge(free, size=size, reserve_mb=reserve_mb)
    assert reason.outcome == outcome
    assert reason.setting == "smtp.min_free_mb"
    if outcome is Outcome.DEFER:
        assert str(reason.reply).startswith("452 4.3.1")
    else:
        assert reason.reply is None
