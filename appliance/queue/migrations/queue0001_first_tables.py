"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "queue0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "queue_contents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "queue_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("content_id", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "queue_recipients",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "queue_recipients_due",
        "queue_recipients",
        ["connector", "due_at", "destination"],
        unique=False,
        sqlite_where=sa.text("state IN ('pending', 'deferred')"),
        postgresql_where=sa.text("state IN ('pending', 'deferred')"),
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_index(
        "queue_recipients_due",
        table_name="queue_recipients",
        sqlite_where=sa.text("state IN ('pending', 'deferred')"),
        postgresql_where=sa.text("state IN ('pending', 'deferred')"),
    )
    op.drop_table("queue_recipients")
    op.drop_table("queue_entries")
    op.drop_table("queue_contents")
