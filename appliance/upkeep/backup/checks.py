"""What is read of a backup's databases: how much there is, which files are named, what disagrees.

The same questions are asked of SQLite's files, of PostgreSQL in one snapshot, and of a dump's rows.

Owns: nothing. Never: writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from appliance.upkeep.agreement import RULES

Ask = Callable[[str], Sequence[tuple[Any, ...]]]

# Role to what is counted, as `Counts` calls it.
COUNTS = {
    "directory": {
        "postoffices": "SELECT COUNT(*) FROM postoffices WHERE deleted_at = 0",
        "domains": "SELECT COUNT(*) FROM domains WHERE deleted_at = 0",
        "mailboxes": "SELECT COUNT(*) FROM mailboxes WHERE deleted_at = 0",
    },
    "queue": {"queued": "SELECT COUNT(*) FROM queue_entries"},
    "store": {"messages": "SELECT COUNT(*) FROM messages"},
}

_FILES = {
    "queue": "SELECT 0, file, size FROM queue_contents WHERE file IS NOT NULL",
    "store": "SELECT postoffice_id, file, size FROM contents WHERE file IS NOT NULL",
}


def count(role: str, ask: Ask) -> dict[str, int]:
    """Count what a database of a role has."""
    return {name: int(ask(text)[0][0]) for name, text in COUNTS.get(role, {}).items()}


def content_files(role: str, ask: Ask) -> Iterator[tuple[str, int]]:
    """Yield path in the home and size of each content file that a database names."""
    if role in _FILES:
        for postoffice_id, name, size in ask(_FILES[role]):
            folder = "queues" if role == "queue" else f"postoffices/{postoffice_id}"
            yield f"{folder}/content/{name[14:16]}/{name}", int(size)


def disagreements(role: str, ask: Ask) -> Iterator[str]:
    """Yield a sentence for whatever in a database does not fit together."""
    for rule in RULES.get(role, ()):
        if not rule.is_deep and (found := len(ask(rule.broken))):
            yield rule.what.format(found)
