"""The variant of Posthouse that keeps a file for each message, as a server to measure against."""

from __future__ import annotations

import pathlib
import sys

import file_variant
from posthouse_server import Posthouse

__all__ = ["FileServer"]


class FileServer(Posthouse):
    """See `file_variant`."""

    name = "a file for each message"

    def command(self) -> list[str]:
        """Runs the command with queue and delivery exchanged."""
        return [sys.executable, str(pathlib.Path(file_variant.__file__))]

    def delivered(self) -> int:
        """Counts the files in the mailboxes."""
        return sum(1 for _ in (self.home / file_variant.MAILBOXES).glob("*/new/*"))

    def is_settled(self) -> bool:
        """Looks whether a file waits in the queue."""
        return not any((self.home / file_variant.QUEUE / "new").iterdir())

    def describe(self) -> dict[str, object]:
        """Returns what Posthouse says, and how it keeps a message."""
        return {
            **super().describe(),
            "fsync": "a new file, fsync, rename, fsync of its directory; before its 250, and again "
            "in its mailbox",
        }
