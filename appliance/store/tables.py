"""The store's tables, all keyed by post office (on SQLite each has a file of its own)."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from appliance.database.schema import Schema

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

contents = Table(
    "contents",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),  # octets
    Column("refs", Integer, nullable=False),  # messages that show it
    Column("body", LargeBinary),
    Column("file", Text),  # name below postoffices/ID/content
    Column("summary", Text, nullable=False),  # mail.headers.Summary as JSON
    sqlite_autoincrement=True,
)

folders = Table(
    "folders",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False),
    Column("mailbox_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("use", Text, nullable=False),  # inbox, drafts, sent, trash, junk, or empty
    Column("uid_validity", BigInteger, nullable=False),
    Column("next_uid", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),  # grows with every change in the folder
    UniqueConstraint("postoffice_id", "mailbox_id", "name", name="folders_name"),
    sqlite_autoincrement=True,
)

messages = Table(
    "messages",
    metadata,
    Column("folder_id", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("content_id", BigInteger, nullable=False),
    Column("entry_id", Text, nullable=False),  # the queue's id, to join the journey
    Column("prefix", LargeBinary, nullable=False),  # lines of this copy before the content
    Column("size", BigInteger, nullable=False),  # octets of prefix and content
    Column("flags", Integer, nullable=False),  # see store.flags
    Column("modseq", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),  # entry id, a dot, the recipient's number
    Column("content_id", BigInteger, nullable=False),
    Column("delivered_at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)
Index("deliveries_age", deliveries.c.delivered_at)

SCHEMA = Schema("store", metadata, Path(__file__).parent / "migrations", "store0001")
