"""Fencing tokens of events, and the passes of agents."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fences",
        sa.Column("event", sa.String(80), primary_key=True),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("since", TIME, nullable=False),
    )
    op.create_table(
        "passes",
        sa.Column("event", sa.String(64), primary_key=True),
        sa.Column("agent", sa.String(255), nullable=False),
        sa.Column("began", TIME),
        sa.Column("nudges", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables. No agent may run meanwhile: without tokens the next holder could not shut it out."""
    op.drop_table("passes")
    op.drop_table("fences")
