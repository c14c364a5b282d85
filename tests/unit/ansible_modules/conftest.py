"""Let the modules be imported by the name that Ansible gives them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "ansible" / "collections"))
