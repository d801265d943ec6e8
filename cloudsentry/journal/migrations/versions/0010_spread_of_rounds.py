"""How far the rounds of a calibration were apart: what cannot be told apart by it gets the same weight."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of older calibrations it is not known."""
    with op.batch_alter_table("calibrations") as table:
        for name in ("low", "high"):
            table.add_column(sa.Column(name, sa.Float(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("calibrations") as table:
        for name in ("high", "low"):
            table.drop_column(name)
