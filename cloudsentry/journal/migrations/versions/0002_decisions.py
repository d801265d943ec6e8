"""Decisions of scaling, and the hooks' deliveries."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("pool", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(16), nullable=False),
        sa.Column("current", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("run", sa.Integer),
        sa.Column("error", LONG, nullable=False),
        sa.Column("body", LONG, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_event", "decisions", ["event"])
    op.create_table(
        "deliveries",
        sa.Column("source", sa.String(32), primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("received", TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("decision", sa.Integer),
    )


def downgrade() -> None:
    """Drop the tables, and their history with them."""
    op.drop_table("deliveries")
    op.drop_table("decisions")
