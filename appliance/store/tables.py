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
    text,
)

from appliance.database.schema import Schema

NOBODY = 0  # the mailbox id of deleted folders

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
    Column("digest", Text),  # mail.digest.Digest as JSON, once somebody has listed it
    # 1: a small one that POP3 sends as it is; 0: that is to be looked at
    Column("unchanged", Integer, nullable=False, server_default=text("0")),
    Column("crc", BigInteger),  # CRC-32 of the octets; NULL before there were any
    sqlite_autoincrement=True,
)

folders = Table(
    "folders",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False),
    Column("mailbox_id", BigInteger, nullable=False),  # NOBODY: deleted, its messages follow
    Column("name", Text, nullable=False),
    Column("use", Text, nullable=False),  # inbox, drafts, sent, trash, junk, or empty
    Column("uid_validity", BigInteger, nullable=False),
    Column("next_uid", BigInteger, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("modseq", BigInteger, nullable=False),  # grows with every change in the folder
    # orders has the messages up to this uid; 0: nobody has sorted the folder yet
    Column("ordered_uid", BigInteger, nullable=False, server_default=text("0")),
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
    Column("flags", Integer, nullable=False),  # message.Flag
    Column("modseq", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)
Index("messages_received", messages.c.folder_id, messages.c.received_at, messages.c.uid)

orders = Table(  # sort keys; filled when a folder is listed by one of them, never by a delivery
    "orders",
    metadata,
    Column("folder_id", BigInteger, primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("sender", LargeBinary, nullable=False),  # octets sort alike in both databases
    Column("subject", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("orders_sender", orders.c.folder_id, orders.c.sender, orders.c.uid)
Index("orders_subject", orders.c.folder_id, orders.c.subject, orders.c.uid)
Index("orders_size", orders.c.folder_id, orders.c.size, orders.c.uid)

filings = Table(  # what was filed under a client's key, so that repeating it files nothing
    "filings",
    metadata,
    Column("folder_id", BigInteger, primary_key=True),
    Column("key", Text, primary_key=True),  # its hash
    Column("uid", BigInteger, nullable=False),
    Column("filed_at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)
Index("filings_age", filings.c.filed_at)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),  # entry id, a dot, the recipient's number
    Column("content_id", BigInteger, nullable=False),
    Column("delivered_at", BigInteger, nullable=False),  # µs
    sqlite_with_rowid=False,
)

SCHEMA = Schema("store", metadata, Path(__file__).parent / "migrations", "store0005")
