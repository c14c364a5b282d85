"""Samples of numbers that move."""

import sqlalchemy as sa
from alembic import op

revision = "journey0002"
down_revision = "journey0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "journey_samples",
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "at"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("journey_samples")
