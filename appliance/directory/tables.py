"""The directory's tables. Deletion is a tombstone (`deleted_at`) that housekeeping carries out."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from appliance.database.schema import Schema, partial_index

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")


def _unique_while_alive(name: str, *columns: Column[str]) -> None:
    alive = text("deleted_at = 0")
    partial_index(name, *columns, where=alive, unique=True)


postoffices = Table(
    "postoffices",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),  # folded for look-ups
    Column("enabled", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),  # 0: alive
    sqlite_autoincrement=True,
)
_unique_while_alive("postoffices_name", postoffices.c.name_key)

domains = Table(
    "domains",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False, index=True),
    Column("name", Text, nullable=False),  # lower-case A-label
    Column("enabled", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
_unique_while_alive("domains_name", domains.c.name)

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("role", Text, nullable=False),  # USER or ADMIN
    Column("enabled", Integer, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    Column("full_name", Text, nullable=False, server_default=""),
    Column("quota_kb", BigInteger, nullable=False, server_default="0"),  # 0: none
    Column("last_login_at", BigInteger, nullable=False, server_default="0"),  # 0: never
    sqlite_autoincrement=True,
)
_unique_while_alive("mailboxes_name", mailboxes.c.postoffice_id, mailboxes.c.name_key)

addresses = Table(  # the address map: [SMTP:local@domain] -> [SF:postoffice/mailbox]
    "addresses",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("postoffice_id", BigInteger, nullable=False, index=True),
    Column("domain_id", BigInteger, nullable=False, index=True),
    Column("mailbox_id", BigInteger, nullable=False, index=True),
    Column("address", Text, nullable=False),  # as given
    Column("key", Text, nullable=False),  # mail.address.Address.key
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
_unique_while_alive("addresses_key", addresses.c.key)

operators = Table(
    "operators",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("enabled", Integer, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
_unique_while_alive("operators_name", operators.c.name)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),  # SHA-256, hex: the secret has 256 random bits
    Column("permissions", Text, nullable=False),  # by spaces
    Column("postoffice_id", BigInteger, nullable=False, index=True),  # 0: bound to none
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # 0: never
    Column("last_used_at", BigInteger, nullable=False),  # 0: never
    Column("deleted_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
_unique_while_alive("tokens_name", tokens.c.name)
_unique_while_alive("tokens_secret_hash", tokens.c.secret_hash)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("subject", Text, primary_key=True),  # the node's name, or empty
    Column("value", Text, nullable=False),  # a secret is sealed, see directory.sealing
    sqlite_with_rowid=False,
)

revisions = Table(
    "revisions",
    metadata,
    Column("number", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("postoffice_id", BigInteger, nullable=False),  # 0: the server's
    Column("before", Text, nullable=False),  # JSON without secrets, or empty
    Column("after", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("revisions_object", revisions.c.object)

audit = Table(
    "audit",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("outcome", Text, nullable=False),  # done, refused, failed
    Column("detail", Text, nullable=False),
    sqlite_autoincrement=True,
)

SCHEMA = Schema("directory", metadata, Path(__file__).parent / "migrations", "directory0002")
