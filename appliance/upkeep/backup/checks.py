"""What is read of a backup's databases: how much there is, which files are named, what disagrees.

The same questions are asked of SQLite's files, of PostgreSQL in one snapshot, and of a dump's rows.

Owns: nothing. Never: writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

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

# Role to sentences with the number of what each is about; 0 is right.
_DISAGREE = {
    "queue": (
        (
            "{} entries of the queue have no content",
            (
                "SELECT COUNT(*) FROM queue_entries e LEFT JOIN queue_contents c "
                "ON c.id = e.content_id WHERE c.id IS NULL"
            ),
        ),
        (
            "{} entries of the queue have no recipient",
            (
                "SELECT COUNT(*) FROM queue_entries e "
                "WHERE NOT EXISTS (SELECT 1 FROM queue_recipients r WHERE r.entry_id = e.id)"
            ),
        ),
        (
            "{} recipients belong to no entry of the queue",
            (
                "SELECT COUNT(*) FROM queue_recipients r LEFT JOIN queue_entries e "
                "ON e.id = r.entry_id WHERE e.id IS NULL"
            ),
        ),
    ),
    "store": (
        (
            "{} messages have no content",
            (
                "SELECT COUNT(*) FROM messages m LEFT JOIN contents c "
                "ON c.id = m.content_id WHERE c.id IS NULL"
            ),
        ),
        (
            "{} messages lie in no folder",
            (
                "SELECT COUNT(*) FROM messages m LEFT JOIN folders f "
                "ON f.id = m.folder_id WHERE f.id IS NULL"
            ),
        ),
        (
            "{} folders count other messages or octets than they hold",
            (
                "SELECT COUNT(*) FROM folders f LEFT JOIN (SELECT folder_id, COUNT(*) AS n, "
                "SUM(size) AS octets, MAX(uid) AS uid FROM messages GROUP BY folder_id) m "
                "ON m.folder_id = f.id WHERE f.messages <> COALESCE(m.n, 0) "
                "OR f.octets <> COALESCE(m.octets, 0) OR f.next_uid <= COALESCE(m.uid, 0)"
            ),
        ),
        (
            "{} contents are shown by another number of messages than they count",
            (
                "SELECT COUNT(*) FROM contents c LEFT JOIN (SELECT content_id, COUNT(*) AS n "
                "FROM messages GROUP BY content_id) m ON m.content_id = c.id "
                "WHERE c.refs <> COALESCE(m.n, 0)"
            ),
        ),
    ),
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
    for sentence, text in _DISAGREE.get(role, ()):
        found = int(ask(text)[0][0])
        if found:
            yield sentence.format(found)
