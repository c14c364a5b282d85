"""Refuses to build a wheel without the files that are made: the front end, the translations.

hatchling runs it; see `[tool.hatch.build.hooks.custom]` in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_MADE = {
    "webadmin/static/vendor/manifest.json": "tools/assets.sh",
    "webadmin/translations/de/LC_MESSAGES/messages.mo": "tools/translations.sh compile",
}


class MadeFiles(BuildHookInterface[Any]):
    """Looks for them before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Check; an editable install needs none, it is made before they are.

        Raises:
            FileNotFoundError: one is missing.
        """
        if version == "editable":
            return
        for name, tool in _MADE.items():
            if not (Path(self.root) / name).is_file():
                raise FileNotFoundError(f"{name} is missing, so the wheel would be too: run {tool}")
