"""Events lie in the order in which they were written, and what many messages share is said once."""

import sqlalchemy as sa
from alembic import op

revision = "journey0003"
down_revision = "journey0002"

# each event's time, or one more than the id before where that is later
_IDS = """
INSERT INTO journey_events
    (id, message_id, at, kind, recipient, reverse_path, connector, data)
SELECT number + max(at - number) OVER (ORDER BY number ROWS UNBOUNDED PRECEDING),
    message_id, at, kind, recipient, reverse_path, connector, data
FROM (
    SELECT *, row_number() OVER (ORDER BY at, message_id, kind, recipient) AS number
    FROM journey_events_before
) AS numbered
ORDER BY number
"""
_SPELT_OUT = """
INSERT INTO journey_events
    (message_id, at, kind, recipient, reverse_path, connector, data)
SELECT each.message_id, told.at, told.kind, told.recipient, told.reverse_path, told.connector,
    told.data
FROM journey_events_before AS each
JOIN journey_events_before AS told ON told.id = coalesce(each.alike, each.id)
WHERE true ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Make the table anew, by id; messages have an index."""
    op.drop_index("journey_events_at", table_name="journey_events")
    _set_aside()
    op.create_table(
        "journey_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("alike", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("reverse_path", sa.Text(), nullable=True),
        sa.Column("connector", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute(_IDS)
    op.drop_table("journey_events_before")
    op.create_index("journey_events_message", "journey_events", ["message_id"], unique=False)


def downgrade() -> None:
    """Make the table anew, by message; the time has an index."""
    op.drop_index("journey_events_message", table_name="journey_events")
    _set_aside()
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
    op.execute(_SPELT_OUT)
    op.drop_table("journey_events_before")
    op.create_index("journey_events_at", "journey_events", ["at"], unique=False)


def _set_aside() -> None:
    op.rename_table("journey_events", "journey_events_before")
    if op.get_bind().dialect.name == "postgresql":  # the key's name is wanted again
        op.drop_constraint("journey_events_pkey", "journey_events_before")
