"""The queue's tables: entries, their recipients, their contents."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, text

from appliance.database.schema import Schema, partial_index
from appliance.database.statement import param

metadata = MetaData()

contents = Table(
    "queue_contents",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("size", BigInteger, nullable=False),  # octets
    Column("body", LargeBinary),  # up to 128 KiB, else NULL
    Column("file", Text),  # name below queues/content, else NULL
    Column("crc", BigInteger),  # CRC-32 of the octets; NULL before there were any
    sqlite_autoincrement=True,
)

entries = Table(
    "queue_entries",
    metadata,
    Column("id", Text, primary_key=True),  # clock.new_id
    Column("accepted_at", BigInteger, nullable=False),  # µs
    Column("content_id", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),  # SMTP, DSN, WEB, COMMAND …
    Column("reverse_path", Text, nullable=False),  # empty: the null reverse-path
    Column("options", Text, nullable=False),  # JSON: body, smtputf8, ret, envid
    Column("login", Text, nullable=False),  # who submitted it, or empty
    Column("client", Text, nullable=False),  # IP address, or empty
    Column("recipients", Integer, nullable=False),  # how many it was accepted for
    Column("summary", Text, nullable=False),  # mail.headers.Summary as JSON
    Column("event", Text, nullable=False),  # the submit's own event as JSON
    sqlite_with_rowid=False,
)

recipients = Table(
    "queue_recipients",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("address", Text, nullable=False),
    Column("options", Text, nullable=False),  # JSON: notify, orcpt; empty for none
    Column("connector", Text, nullable=False),  # empty until routed, then SF, SMTP or LS
    Column("destination", Text, nullable=False),  # domain for SMTP
    Column("state", Text, nullable=False),  # pending, deferred, held, done, failed
    Column("due_at", BigInteger, nullable=False),  # µs
    Column("attempts", Integer, nullable=False),
    Column("status", Text, nullable=False),  # the last answer, for people
    Column("lease_until", BigInteger, nullable=False),  # µs; PostgreSQL's workers only
    sqlite_with_rowid=False,
)

submissions = Table(  # what clients have submitted under keys of their own
    "queue_submissions",
    metadata,
    Column("key", Text, primary_key=True),
    Column("entry_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)

# Written out in the index and in every query that is to use it: with parameters in its place
# SQLite can't prove that the partial index holds all the rows.
IS_ACTIVE = text("state IN ('pending', 'deferred')")
IS_HELD = text("state = 'held'")

partial_index(
    "queue_recipients_due",
    recipients.c.connector,
    recipients.c.due_at,
    recipients.c.destination,  # so that claims pass over a busy destination without its rows
    recipients.c.state,  # so that what waits is counted without its rows
    where=IS_ACTIVE,
)

partial_index(
    "queue_recipients_held",
    recipients.c.entry_id,
    where=IS_HELD,
)

# One recipient, by the parameters `entry` and `recipient`.
THIS_RECIPIENT = (
    recipients.c.entry_id == param("entry"),
    recipients.c.number == param("recipient"),
)

SCHEMA = Schema("queue", metadata, Path(__file__).parent / "migrations", "queue0004")
