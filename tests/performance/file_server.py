"""The variant of Posthouse that keeps a file for each message, as a server to measure against."""

from __future__ import annotations

import os
import pathlib
import sys

import file_variant
from posthouse_server import Posthouse

__all__ = ["FileServer"]


class FileServer(Posthouse):
    """See `file_variant`; it delivers nothing, so that only its 250s are to be compared."""

    name = "a file for each message"

    def command(self) -> list[str]:
        """Runs the command with the queue exchanged."""
        return [sys.executable, str(pathlib.Path(file_variant.__file__))]

    def delivered(self) -> int:
        """Counts the files."""
        return len(os.listdir(self.home / file_variant.FOLDER / "new"))  # noqa: PTH208 - quicker

    def describe(self) -> dict[str, object]:
        """Returns what Posthouse says, and how it keeps a message."""
        return {
            **super().describe(),
            "fsync": "a new file, fsync, rename, fsync of its directory, before its 250",
            "delivery": "none: files stay where they are",
        }
