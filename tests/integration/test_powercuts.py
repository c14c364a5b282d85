"""RFC 5321 §6.1: what was acknowledged is neither lost nor doubled when the power goes.

A bounded sample of `make powercuts`, and the proof that its count would notice.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_POWERCUTS = Path(__file__).parents[1] / "crashes" / "powercuts.py"


def _cut(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_POWERCUTS), *words]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=400)


def test_nothing_acknowledged_is_lost_or_doubled_when_the_power_goes() -> None:
    result = _cut("--n", "3", "--seed", "1")
    assert result.returncode == 0, result.stdout + result.stderr


def test_mail_is_lost_when_nobody_waits_for_the_disk() -> None:
    result = _cut("--n", "1", "--seed", "2", "--break", "no-fsync")
    assert result.returncode == 1, result.stdout + result.stderr
    total = next(line for line in result.stdout.splitlines() if line.startswith("total"))
    assert int(total.split()[4]) > 0, result.stdout
