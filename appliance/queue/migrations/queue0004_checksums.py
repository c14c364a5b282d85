"""A checksum of each content; those that are there have none."""

import sqlalchemy as sa
from alembic import op

revision = "queue0004"
down_revision = "queue0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("queue_contents", sa.Column("crc", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("queue_contents", "crc")
