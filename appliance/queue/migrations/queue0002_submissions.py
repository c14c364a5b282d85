"""Clients' own keys of submissions; what waits, by destination, and on hold, without its rows."""

import sqlalchemy as sa
from alembic import op

revision = "queue0002"
down_revision = "queue0001"

_IS_ACTIVE = sa.text("state IN ('pending', 'deferred')")


def upgrade() -> None:
    """Make the table and the indexes."""
    op.create_table(
        "queue_submissions",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "queue_recipients_destination",
        "queue_recipients",
        ["destination", "entry_id"],
        unique=False,
        sqlite_where=sa.text("destination <> ''"),
        postgresql_where=sa.text("destination <> ''"),
    )
    op.create_index(
        "queue_recipients_held",
        "queue_recipients",
        ["entry_id"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    _make_due_index("connector", "due_at", "destination", "state")


def _make_due_index(*columns: str) -> None:
    op.drop_index("queue_recipients_due", table_name="queue_recipients")
    op.create_index(
        "queue_recipients_due",
        "queue_recipients",
        columns,
        unique=False,
        sqlite_where=_IS_ACTIVE,
        postgresql_where=_IS_ACTIVE,
    )


def downgrade() -> None:
    """Remove them."""
    _make_due_index("connector", "due_at", "destination")
    op.drop_index(
        "queue_recipients_held",
        table_name="queue_recipients",
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.drop_index(
        "queue_recipients_destination",
        table_name="queue_recipients",
        sqlite_where=sa.text("destination <> ''"),
        postgresql_where=sa.text("destination <> ''"),
    )
    op.drop_table("queue_submissions")
