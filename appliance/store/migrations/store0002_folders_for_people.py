"""Listing folders page by page in any order, digests, and filing under a client's key."""

import sqlalchemy as sa
from alembic import op

revision = "store0002"
down_revision = "store0001"


def upgrade() -> None:
    """Make the tables, columns and indexes."""
    op.add_column("contents", sa.Column("digest", sa.Text(), nullable=True))
    op.add_column(
        "folders",
        sa.Column("ordered_uid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "messages_received", "messages", ["folder_id", "received_at", "uid"], unique=False
    )
    op.create_table(
        "orders",
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("sender", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("folder_id", "uid"),
        sqlite_with_rowid=False,
    )
    for key in ("sender", "size", "subject"):
        op.create_index(f"orders_{key}", "orders", ["folder_id", key, "uid"], unique=False)
    op.create_table(
        "filings",
        sa.Column("folder_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("filed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("folder_id", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("filings_age", "filings", ["filed_at"], unique=False)


def downgrade() -> None:
    """Remove them; folders that were being deleted are nobody's before and after."""
    op.drop_index("filings_age", table_name="filings")
    op.drop_table("filings")
    for key in ("sender", "size", "subject"):
        op.drop_index(f"orders_{key}", table_name="orders")
    op.drop_table("orders")
    op.drop_index("messages_received", table_name="messages")
    op.drop_column("folders", "ordered_uid")
    op.drop_column("contents", "digest")
