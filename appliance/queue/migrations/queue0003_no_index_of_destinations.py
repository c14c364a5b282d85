"""No index of destinations: each message that went out was written to it in another place."""

import sqlalchemy as sa
from alembic import op

revision = "queue0003"
down_revision = "queue0002"

_HAS_DESTINATION = sa.text("destination <> ''")


def upgrade() -> None:
    """Remove the index."""
    op.drop_index(
        "queue_recipients_destination",
        table_name="queue_recipients",
        sqlite_where=_HAS_DESTINATION,
        postgresql_where=_HAS_DESTINATION,
    )


def downgrade() -> None:
    """Make the index."""
    op.create_index(
        "queue_recipients_destination",
        "queue_recipients",
        ["destination", "entry_id"],
        unique=False,
        sqlite_where=_HAS_DESTINATION,
        postgresql_where=_HAS_DESTINATION,
    )
