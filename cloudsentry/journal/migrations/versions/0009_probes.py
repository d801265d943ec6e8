"""What the ends of stretched networks saw of each other."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "probes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("stretch", sa.String(64), nullable=False),
        sa.Column("cloud", sa.String(120), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("up", sa.Boolean, nullable=False),
        sa.Column("loss", sa.Float, nullable=False),
        sa.Column("rtt", sa.Float),
        sa.Column("whole", sa.Boolean),
        sa.Column("twice", sa.Text, nullable=False),
    )
    op.create_index("ix_probes_end", "probes", ["event", "stretch", "cloud", "at"])


def downgrade() -> None:
    """Drop it: what was seen is forgotten, what is seen now is not."""
    op.drop_index("ix_probes_end", table_name="probes")
    op.drop_table("probes")
