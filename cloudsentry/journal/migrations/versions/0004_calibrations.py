"""What servers were measured to carry."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "calibrations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("pool", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("unit", sa.String(255), nullable=False),
        sa.Column("hypervisor", sa.String(255), nullable=False),
        sa.Column("servers", sa.Integer, nullable=False),
        sa.Column("connections", sa.Integer, nullable=False),
        sa.Column("responses", sa.Float, nullable=False),
        sa.Column("mbits", sa.Float, nullable=False),
        sa.Column("p50_ms", sa.Float, nullable=False),
        sa.Column("p99_ms", sa.Float, nullable=False),
        sa.Column("derating", sa.Float, nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("why", sa.String(255), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_calibrations_event", "calibrations", ["event"])


def downgrade() -> None:
    """Drop the table, and its history with it."""
    op.drop_table("calibrations")
