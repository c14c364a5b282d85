"""RFC 5321 §6.1: what was acknowledged is neither lost nor doubled, wherever a process ends.

A bounded sample of `make kills`, and the proof that its count would notice.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_KILLS = Path(__file__).parents[1] / "crashes" / "kills.py"


def _kill(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(_KILLS), *words]
    return subprocess.run(command, text=True, capture_output=True, check=False, timeout=400)


def test_nothing_acknowledged_is_lost_or_doubled_by_a_kill_at_any_labelled_step() -> None:
    result = _kill("--n", "15", "--seed", "1")
    assert result.returncode == 0, result.stdout + result.stderr


def test_nor_on_postgresql_when_its_connections_are_cut_or_it_restarts_or_crashes() -> None:
    steps = "queue.commit.before,store.commit.after,queue.mark.before,sender.sent"
    blows = "postgresql.hang-up,postgresql.restart,postgresql.crash"
    where = ("--database", "postgresql", "--steps", f"{steps},{blows}")
    result = _kill("--n", "7", "--seed", "3", *where)
    assert result.returncode == 0, result.stdout + result.stderr


def test_mail_is_lost_when_the_acknowledgement_comes_before_the_commit() -> None:
    steps = ("--steps", "queue.commit.before")
    result = _kill("--n", "6", "--seed", "2", "--break", "early-answer", *steps)
    assert result.returncode == 1, result.stdout + result.stderr
    total = next(line for line in result.stdout.splitlines() if line.startswith("total"))
    assert int(total.split()[3]) > 0, total
