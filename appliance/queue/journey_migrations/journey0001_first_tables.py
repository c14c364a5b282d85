"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "journey0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "journey_events",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", "at", "kind", "recipient"),
        sqlite_with_rowid=False,
    )
    op.create_index("journey_events_at", "journey_events", ["at"], unique=False)


def downgrade() -> None:
    """Remove the tables."""
    op.drop_index("journey_events_at", table_name="journey_events")
    op.drop_table("journey_events")
