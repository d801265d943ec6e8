"""What came of matches, and how many servers a step brings up: what a forecast and a lead are made of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the table; older steps tell of no servers, and are passed over."""
    op.create_table(
        "courses",
        sa.Column("event", sa.String(64), primary_key=True),
        sa.Column("pool", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("start", TIME, nullable=False),
        sa.Column("ends", TIME, nullable=False),
        sa.Column("length", sa.Float, nullable=False),
        sa.Column("ramp", sa.Float, nullable=False),
        sa.Column("shares", sa.Text, nullable=False),
    )
    op.create_index("ix_courses_kind", "courses", ["kind"])
    with op.batch_alter_table("steps") as table:
        table.add_column(sa.Column("servers", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop both: what crowds did is forgotten, leads are learnt anew."""
    with op.batch_alter_table("steps") as table:
        table.drop_column("servers")
    op.drop_index("ix_courses_kind", table_name="courses")
    op.drop_table("courses")
