"""A checksum of each content; those that are there have none."""

import sqlalchemy as sa
from alembic import op

revision = "store0005"
down_revision = "store0004"


def upgrade() -> None:
    """Add the column."""
    op.add_column("contents", sa.Column("crc", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("contents", "crc")
