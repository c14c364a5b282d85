"""unix(7): a socket's address holds 107 octets; a home's path may be longer."""

from __future__ import annotations

from pathlib import Path

from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell, Ringer


def test_bells_ring_and_metrics_answer_in_a_home_with_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 40)
    bell = Doorbell(home / "doorbell", "mta")
    ringer = Ringer(home / "doorbell")
    try:
        ringer.ring("mta")
        assert bell.wait(5)
        bell.wake()
        assert bell.wait(5)
    finally:
        ringer.close()
        bell.close()
    path = metrics.serve(home / "metrics", "mta")
    assert "posthouse_connections" in metrics.read(path)
