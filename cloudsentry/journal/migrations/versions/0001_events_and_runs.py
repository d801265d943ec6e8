"""Events, their revisions, runs and steps."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# MariaDB's TEXT ends at 64 KiB and its DATETIME at whole seconds; a revision and a retry need more.
LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "events",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", TIME, nullable=False),
        sa.Column("updated", TIME, nullable=False),
    )
    op.create_table(
        "revisions",
        sa.Column("event", sa.String(64), sa.ForeignKey("events.name"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("body", LONG, nullable=False),
        sa.Column("created", TIME, nullable=False),
    )
    _runs()
    _steps()


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event", sa.String(64), sa.ForeignKey("events.name"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("goal", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("started", TIME, nullable=False),
        sa.Column("ended", TIME),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("writes", sa.Integer, nullable=False),
        sa.Column("reads", sa.Integer, nullable=False),
        sa.Column("report", LONG),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_event", "runs", ["event"])


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("run", sa.Integer, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("step", sa.String(255), primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("unit", sa.String(255), nullable=False),
        sa.Column("cloud", sa.String(255), nullable=False),
        sa.Column("verb", sa.String(64), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("op", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("why", LONG, nullable=False),
        sa.Column("error", LONG, nullable=False),
        sa.Column("started", TIME),
        sa.Column("called", TIME),
        sa.Column("ended", TIME),
    )


def downgrade() -> None:
    """Drop the tables, and all history with them."""
    for table in ("steps", "runs", "revisions", "events"):
        op.drop_table(table)
