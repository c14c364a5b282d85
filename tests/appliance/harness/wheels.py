"""What the program is installed from: its own wheel, and the locked ones for the guest's Python."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.appliance.harness.cache import cached
from tests.appliance.harness.machine import call

ROOT = Path(__file__).parents[3]
GUEST_PYTHON = "3.11"  # Debian 12's


def wheel() -> Path:
    """dist/posthouse-VERSION.whl of this checkout; built if the sources changed."""
    call(ROOT / "tools/wheel.sh", timeout_s=300)
    [found] = (ROOT / "dist").glob("posthouse-*.whl")
    return found


def wheelhouse() -> Path:
    """The folder of what requirements.lock names, for the guests; fetched once for each lock."""
    tool, lock = ROOT / "tools/wheel.sh", ROOT / "requirements.lock"

    def fetch(folder: Path) -> None:
        call(tool, "house", timeout_s=900, env={"WHEELHOUSE_PYTHON": GUEST_PYTHON})
        for found in (ROOT / "dist/wheelhouse").glob("*.whl"):
            shutil.copy(found, folder)

    made_from = (GUEST_PYTHON, os.uname().machine, tool.read_bytes(), lock.read_bytes())
    return cached("wheelhouse", made_from, fetch)
