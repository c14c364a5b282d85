"""A wheel is not built without what `make setup` makes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

_MADE_FILES = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "build_hook.py"))[
    "MadeFiles"
]


def _build(root: Path, version: str) -> None:
    _MADE_FILES(str(root), {}, None, None, str(root), "wheel").initialize(version, {})


def test_a_wheel_without_the_front_end_is_refused_with_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"manifest.json is missing.*run tools/assets.sh"):
        _build(tmp_path, "standard")


def test_an_editable_install_needs_nothing_made(tmp_path: Path) -> None:
    _build(tmp_path, "editable")
