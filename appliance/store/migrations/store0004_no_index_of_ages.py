"""No index of deliveries' ages: ids begin with the time, and each delivery was written twice."""

from alembic import op

revision = "store0004"
down_revision = "store0003"


def upgrade() -> None:
    """Remove the index."""
    op.drop_index("deliveries_age", table_name="deliveries")


def downgrade() -> None:
    """Make the index."""
    op.create_index("deliveries_age", "deliveries", ["delivered_at"], unique=False)
