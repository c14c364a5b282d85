"""What must agree within a database, and how it is made to agree again.

The same rules hold in SQLite and PostgreSQL; a backup is verified by those that are not deep.

Owns: nothing. Never: runs a statement.
"""

# ruff: noqa: S608 - what statements are made of stands here

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that must hold.

    Attributes:
        name: a word for programs.
        what: is broken, for people, with {} for how many there are.
        broken: a query for what breaks it, a row each.
        mend: statements that make it hold again, run in one transaction, in which nobody else
            writes into the tables they change; none where that would be guessing.
        is_deep: reads columns that a dump is not searched for: for a scrub alone.
    """

    name: str
    what: str
    broken: str
    mend: tuple[str, ...] = ()
    is_deep: bool = True


_STRAY_ENTRIES = """
SELECT e.id FROM queue_entries e
WHERE NOT EXISTS (SELECT 1 FROM queue_recipients r WHERE r.entry_id = e.id)
"""
_STRAY_CONTENTS = """
SELECT c.id FROM queue_contents c LEFT JOIN queue_entries e ON e.content_id = c.id
WHERE e.id IS NULL
"""
_SIZES = """
SELECT m.folder_id, m.uid FROM messages m JOIN contents c ON c.id = m.content_id
WHERE m.size <> LENGTH(m.prefix) + c.size
"""
_COUNTED = """
SELECT f.id FROM folders f LEFT JOIN (
  SELECT folder_id, COUNT(*) AS n, SUM(size) AS octets, MAX(uid) AS uid
  FROM messages GROUP BY folder_id
) m ON m.folder_id = f.id
WHERE f.messages <> COALESCE(m.n, 0) OR f.octets <> COALESCE(m.octets, 0)
  OR f.next_uid <= COALESCE(m.uid, 0)
"""
_UNREAD = """
SELECT f.id FROM folders f LEFT JOIN (
  SELECT folder_id, COUNT(*) AS n FROM messages WHERE flags & 1 = 0 GROUP BY folder_id
) m ON m.folder_id = f.id
WHERE f.unread <> COALESCE(m.n, 0)
"""
_REFS = """
SELECT c.id FROM contents c LEFT JOIN (
  SELECT content_id, COUNT(*) AS n FROM messages GROUP BY content_id
) m ON m.content_id = c.id
WHERE c.refs <> COALESCE(m.n, 0)
"""
_UNSORTED = """
SELECT m.folder_id FROM messages m JOIN folders f ON f.id = m.folder_id
LEFT JOIN orders o ON o.folder_id = m.folder_id AND o.uid = m.uid
WHERE m.uid <= f.ordered_uid AND o.uid IS NULL GROUP BY m.folder_id
"""
_OF_FOLDER = "FROM messages m WHERE m.folder_id = folders.id"

# By role.
RULES: dict[str, tuple[Rule, ...]] = {
    "queue": (
        Rule(
            "entry-without-content",
            "entries of the queue without content: {}",
            """
            SELECT e.id FROM queue_entries e LEFT JOIN queue_contents c ON c.id = e.content_id
            WHERE c.id IS NULL
            """,
            is_deep=False,
        ),
        Rule(
            "entry-without-recipient",
            "entries of the queue without a recipient: {}",
            _STRAY_ENTRIES,
            (f"DELETE FROM queue_entries WHERE id IN ({_STRAY_ENTRIES})",),
            is_deep=False,
        ),
        Rule(
            "recipient-without-entry",
            "recipients of no entry of the queue: {}",
            """
            SELECT r.entry_id FROM queue_recipients r
            LEFT JOIN queue_entries e ON e.id = r.entry_id WHERE e.id IS NULL
            """,
            (
                """
                DELETE FROM queue_recipients WHERE NOT EXISTS
                  (SELECT 1 FROM queue_entries e WHERE e.id = queue_recipients.entry_id)
                """,
            ),
            is_deep=False,
        ),
        Rule(
            "content-without-entry",
            "contents of no entry of the queue: {}",
            _STRAY_CONTENTS,
            (f"DELETE FROM queue_contents WHERE id IN ({_STRAY_CONTENTS})",),
        ),
    ),
    "store": (
        Rule(
            "message-without-content",
            "messages without content: {}",
            """
            SELECT m.folder_id, m.uid FROM messages m LEFT JOIN contents c ON c.id = m.content_id
            WHERE c.id IS NULL
            """,
            is_deep=False,
        ),
        Rule(
            "message-without-folder",
            "messages in no folder: {}",
            """
            SELECT m.folder_id, m.uid FROM messages m LEFT JOIN folders f ON f.id = m.folder_id
            WHERE f.id IS NULL
            """,
            is_deep=False,
        ),
        Rule(
            "message-size",
            "messages of another size than their parts together: {}",
            _SIZES,
            (
                """
                UPDATE messages SET size = LENGTH(prefix) +
                  (SELECT c.size FROM contents c WHERE c.id = messages.content_id)
                WHERE EXISTS (
                  SELECT 1 FROM contents c WHERE c.id = messages.content_id
                    AND messages.size <> LENGTH(messages.prefix) + c.size)
                """,
            ),
        ),
        Rule(
            "folder-counters",
            "folders that count other messages or octets than they hold: {}",
            _COUNTED,
            (
                f"""
                UPDATE folders SET messages = (SELECT COUNT(*) {_OF_FOLDER}),
                  octets = (SELECT COALESCE(SUM(m.size), 0) {_OF_FOLDER}),
                  next_uid = (SELECT CASE WHEN COALESCE(MAX(m.uid), 0) >= folders.next_uid
                    THEN MAX(m.uid) + 1 ELSE folders.next_uid END {_OF_FOLDER}),
                  modseq = modseq + 1
                WHERE id IN ({_COUNTED})
                """,
            ),
            is_deep=False,
        ),
        Rule(
            "folder-unread",
            "folders that count other unread messages than they hold: {}",
            _UNREAD,
            (
                f"""
                UPDATE folders SET modseq = modseq + 1,
                  unread = (SELECT COUNT(*) {_OF_FOLDER} AND m.flags & 1 = 0)
                WHERE id IN ({_UNREAD})
                """,
            ),
        ),
        Rule(
            "content-references",
            "contents shown by another number of messages than they count: {}",
            _REFS,
            (
                """
                DELETE FROM contents WHERE NOT EXISTS
                  (SELECT 1 FROM messages m WHERE m.content_id = contents.id)
                """,
                f"""
                UPDATE contents SET refs =
                  (SELECT COUNT(*) FROM messages m WHERE m.content_id = contents.id)
                WHERE id IN ({_REFS})
                """,
            ),
            is_deep=False,
        ),
        Rule(
            "sort-keys-stray",
            "sort keys of no message: {}",
            """
            SELECT o.folder_id, o.uid FROM orders o
            LEFT JOIN messages m ON m.folder_id = o.folder_id AND m.uid = o.uid
            WHERE m.uid IS NULL
            """,
            (
                """
                DELETE FROM orders WHERE NOT EXISTS (SELECT 1 FROM messages m
                  WHERE m.folder_id = orders.folder_id AND m.uid = orders.uid)
                """,
            ),
        ),
        Rule(  # they are made again when somebody sorts the folder
            "sort-keys-missing",
            "folders without sort keys of their messages: {}",
            _UNSORTED,
            (
                f"UPDATE folders SET ordered_uid = -1 WHERE id IN ({_UNSORTED})",
                """
                DELETE FROM orders
                WHERE folder_id IN (SELECT id FROM folders WHERE ordered_uid = -1)
                """,
                "UPDATE folders SET ordered_uid = 0 WHERE ordered_uid = -1",
            ),
        ),
    ),
    "directory": (
        Rule(
            "mailbox-without-postoffice",
            "mailboxes of no post office: {}",
            """
            SELECT m.id FROM mailboxes m LEFT JOIN postoffices p ON p.id = m.postoffice_id
            WHERE m.deleted_at = 0 AND p.id IS NULL
            """,
        ),
        Rule(
            "domain-without-postoffice",
            "domains of no post office: {}",
            """
            SELECT d.id FROM domains d LEFT JOIN postoffices p ON p.id = d.postoffice_id
            WHERE d.deleted_at = 0 AND p.id IS NULL
            """,
        ),
        Rule(
            "address-without-mailbox",
            "addresses that lead to no mailbox: {}",
            """
            SELECT a.id FROM addresses a LEFT JOIN mailboxes m ON m.id = a.mailbox_id
            WHERE a.deleted_at = 0 AND m.id IS NULL
            """,
        ),
    ),
}

# What is locked while a role's rules are mended, on PostgreSQL: writers wait, readers don't.
TABLES = {
    "queue": ("queue_entries", "queue_recipients", "queue_contents"),
    "store": ("folders", "messages", "contents", "orders"),
    "directory": (),
}
