"""What can go wrong with a database, in two words: try later, or never."""

from __future__ import annotations


class DatabaseError(Exception):
    """A database could not do what was asked."""


class CommitFailed(DatabaseError):
    """The commit of a batch failed: nothing of it is durable (temporary, 451 4.3.0)."""


class StoreBusy(DatabaseError):
    """The database can't be reached or is locked by somebody else (temporary, 451 4.3.0)."""


class Conflict(DatabaseError):
    """A row that should be unique is there already (permanent; the caller's to explain)."""


class UnsafeHome(DatabaseError):
    """The home lies where SQLite is not safe, such as a network file system (permanent)."""


class SchemaMismatch(DatabaseError):
    """A database is of another version than the program; `posthouse upgrade` brings it along."""
