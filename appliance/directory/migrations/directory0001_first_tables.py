"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "directory0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "addresses",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("postoffice_id", sa.BigInteger(), nullable=False),
        sa.Column("domain_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "addresses_key",
        "addresses",
        ["key"],
        unique=True,
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.create_index(op.f("ix_addresses_domain_id"), "addresses", ["domain_id"], unique=False)
    op.create_index(op.f("ix_addresses_mailbox_id"), "addresses", ["mailbox_id"], unique=False)
    op.create_index(
        op.f("ix_addresses_postoffice_id"), "addresses", ["postoffice_id"], unique=False
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_table(
        "domains",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("postoffice_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "domains_name",
        "domains",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.create_index(op.f("ix_domains_postoffice_id"), "domains", ["postoffice_id"], unique=False)
    op.create_table(
        "mailboxes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("postoffice_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "mailboxes_name",
        "mailboxes",
        ["postoffice_id", "name_key"],
        unique=True,
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.create_table(
        "operators",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "operators_name",
        "operators",
        ["name"],
        unique=True,
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.create_table(
        "postoffices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "postoffices_name",
        "postoffices",
        ["name_key"],
        unique=True,
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.create_table(
        "revisions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("postoffice_id", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("revisions_object", "revisions", ["object"], unique=False)
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "scope", "subject"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("settings")
    op.drop_index("revisions_object", table_name="revisions")
    op.drop_table("revisions")
    op.drop_index(
        "postoffices_name",
        table_name="postoffices",
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.drop_table("postoffices")
    op.drop_index(
        "operators_name",
        table_name="operators",
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.drop_table("operators")
    op.drop_index(
        "mailboxes_name",
        table_name="mailboxes",
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.drop_table("mailboxes")
    op.drop_index(op.f("ix_domains_postoffice_id"), table_name="domains")
    op.drop_index(
        "domains_name",
        table_name="domains",
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.drop_table("domains")
    op.drop_index(op.f("ix_audit_at"), table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_addresses_postoffice_id"), table_name="addresses")
    op.drop_index(op.f("ix_addresses_mailbox_id"), table_name="addresses")
    op.drop_index(op.f("ix_addresses_domain_id"), table_name="addresses")
    op.drop_index(
        "addresses_key",
        table_name="addresses",
        sqlite_where=sa.text("deleted_at = 0"),
        postgresql_where=sa.text("deleted_at = 0"),
    )
    op.drop_table("addresses")
