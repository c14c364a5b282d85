"""Which contents POP3 sends as they are; nobody has looked at those that are there."""

import sqlalchemy as sa
from alembic import op

revision = "store0003"
down_revision = "store0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "contents",
        sa.Column("unchanged", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_column("contents", "unchanged")
