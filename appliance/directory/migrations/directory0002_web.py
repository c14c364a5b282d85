"""What the web needs: mailboxes' full names, quotas and last logins; tokens."""

import sqlalchemy as sa
from alembic import op

revision = "directory0002"
down_revision = "directory0001"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("mailboxes", sa.Column("full_name", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "mailboxes", sa.Column("quota_kb", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column(
        "mailboxes", sa.Column("last_login_at", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.Column("postoffice_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_postoffice_id"), "tokens", ["postoffice_id"], unique=False)
    for name in ("name", "secret_hash"):
        op.create_index(
            f"tokens_{name}",
            "tokens",
            [name],
            unique=True,
            sqlite_where=sa.text("deleted_at = 0"),
            postgresql_where=sa.text("deleted_at = 0"),
        )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("tokens")
    for name in ("last_login_at", "quota_kb", "full_name"):
        op.drop_column("mailboxes", name)
