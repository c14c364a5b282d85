"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "state0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "login_failures",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("login_failures")
