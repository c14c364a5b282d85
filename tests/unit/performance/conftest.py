"""The benchmark's modules are scripts beside each other: its tests import them by name."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "performance"))
