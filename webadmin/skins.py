"""Skins: the colours that pages can be shown in, one stylesheet of tokens each.

A skin is static/skins/NAME.css. It gives every colour token once, for light and for dark, and its
first line is a comment that begins with its title: `/* Harbour: … */`.
"""

from __future__ import annotations

import re
from pathlib import Path

DEFAULT = "paper"
_FOLDER = Path(__file__).parent / "static" / "skins"
_TITLE = re.compile(r"/\* ([^:*]+):")


def _titles() -> dict[str, str]:
    """Return the skins' titles by name, the default first."""
    found = {}
    for path in sorted(_FOLDER.glob("*.css"), key=lambda path: (path.stem != DEFAULT, path.stem)):
        title = _TITLE.match(path.read_text(encoding="utf-8"))
        found[path.stem] = title[1] if title else path.stem.capitalize()
    return found


SKINS = _titles()
