"""Events lie in the order of time, so that new ones are written side by side."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "journey0003"
down_revision = "journey0002"

_COLUMNS = "message_id, at, kind, recipient, reverse_path, connector, data"


def upgrade() -> None:
    """Make the table anew, in the order of time; messages have an index."""
    op.drop_index("journey_events_at", table_name="journey_events")
    _remake("at", "message_id")
    op.create_index("journey_events_message", "journey_events", ["message_id"], unique=False)


def downgrade() -> None:
    """Make the table anew, in the order of messages; the time has an index."""
    op.drop_index("journey_events_message", table_name="journey_events")
    _remake("message_id", "at")
    op.create_index("journey_events_at", "journey_events", ["at"], unique=False)


def _remake(*key: str) -> None:
    op.rename_table("journey_events", "journey_events_before")
    if op.get_bind().dialect.name == "postgresql":  # its name is wanted
        op.drop_constraint("journey_events_pkey", "journey_events_before")
    types: dict[str, Any] = {"at": sa.BigInteger(), "message_id": sa.Text()}
    op.create_table(
        "journey_events",
        *(sa.Column(name, types[name], nullable=False) for name in key),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("reverse_path", sa.Text(), nullable=False),
        sa.Column("connector", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*key, "kind", "recipient"),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO journey_events ({_COLUMNS})"  # noqa: S608 - names of ours
        f" SELECT {_COLUMNS} FROM journey_events_before ORDER BY {', '.join(key)}"
    )
    op.drop_table("journey_events_before")
