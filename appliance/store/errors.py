"""What the store refuses, in words for the people who asked for it."""

from __future__ import annotations

from collections.abc import Mapping


class StoreError(Exception):
    """Something that was asked of a mailbox can't be done; the text says what and why."""


class FolderNotFound(StoreError):
    """The mailbox has no such folder; somebody else's is no folder of it either."""


class FolderExists(StoreError):
    """The mailbox has a folder of that name, whatever its capitals."""


class FolderProtected(StoreError):
    """A folder with a special use can't be renamed or deleted."""


class FolderNotEmpty(StoreError):
    """A folder that should be deleted empty has a message."""


class BadFolderName(StoreError):
    """A name that no folder can have."""


class TooManyFolders(StoreError):
    """The mailbox has as many folders as one may have."""


class BadCursor(StoreError):
    """A cursor that no page of this order has given out."""


class ContentsMissing(Exception):
    """Contents of deliveries can't be taken over; nothing of the call was written.

    Attributes:
        errors: what went wrong, by entry id.
    """

    def __init__(self, errors: Mapping[str, OSError]) -> None:
        """Take what went wrong, by entry id."""
        super().__init__("; ".join(f"{entry_id}: {error}" for entry_id, error in errors.items()))
        self.errors = errors
