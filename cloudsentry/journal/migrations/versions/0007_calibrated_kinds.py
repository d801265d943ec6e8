"""What was measured, so that another event may use it: cloud, flavor, image, size of answers; and what bounded it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = (
    ("cloud", sa.String(255), ""),
    ("flavor", sa.String(255), ""),
    ("image", sa.String(255), ""),
    ("size", sa.Integer(), "0"),
    ("packets", sa.Float(), "0"),
    ("limit", sa.String(16), "server"),
)


def upgrade() -> None:
    """Add the columns; older calibrations fit no kind, and are measured again."""
    with op.batch_alter_table("calibrations") as table:
        for name, kind, default in COLUMNS:
            table.add_column(sa.Column(name, kind, nullable=False, server_default=default))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("calibrations") as table:
        for name, _, _ in reversed(COLUMNS):
            table.drop_column(name)
