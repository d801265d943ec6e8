"""The tables as queries see them. How they are made is in ``migrations``; a test keeps the two alike."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

HEAD = "0010"
"""The newest migration: a database at this one is used without loading alembic."""


class Utc(sa.TypeDecorator[dt.datetime]):
    """Aware in UTC on our side, without a zone in the database (SQLite and MariaDB keep none)."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """From the database."""
        return None if value is None else value.replace(tzinfo=dt.UTC)


metadata = sa.MetaData()

events = sa.Table(
    "events",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
)

revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("event", sa.String(64), sa.ForeignKey("events.name"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.String(128), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), sa.ForeignKey("events.name"), nullable=False, index=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("goal", sa.String(16), nullable=False),
    sa.Column("outcome", sa.String(16)),
    sa.Column("started", Utc, nullable=False),
    sa.Column("ended", Utc),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("writes", sa.Integer, nullable=False),
    sa.Column("reads", sa.Integer, nullable=False),
    sa.Column("report", sa.Text),
    # Without it SQLite gives the number of a deleted newest run to the next one.
    sqlite_autoincrement=True,
)

steps = sa.Table(
    "steps",
    metadata,
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
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("started", Utc),
    sa.Column("called", Utc),
    sa.Column("ended", Utc),
    sa.Column("servers", sa.Integer, nullable=False, server_default="0"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), nullable=False, index=True),
    sa.Column("pool", sa.String(64), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("rule", sa.String(16), nullable=False),
    sa.Column("current", sa.Integer, nullable=False),
    sa.Column("wanted", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("until", Utc, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("run", sa.Integer),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("source", sa.String(32), primary_key=True),
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("received", Utc, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("decision", sa.Integer),
)

courses = sa.Table(
    "courses",
    metadata,
    sa.Column("event", sa.String(64), primary_key=True),
    sa.Column("pool", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("start", Utc, nullable=False),
    sa.Column("ends", Utc, nullable=False),
    sa.Column("length", sa.Float, nullable=False),
    sa.Column("ramp", sa.Float, nullable=False),
    sa.Column("shares", sa.Text, nullable=False),
)

probes = sa.Table(
    "probes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("stretch", sa.String(64), nullable=False),
    sa.Column("cloud", sa.String(120), nullable=False),
    sa.Column("at", Utc, nullable=False),
    sa.Column("up", sa.Boolean, nullable=False),
    sa.Column("loss", sa.Float, nullable=False),
    sa.Column("rtt", sa.Float),
    sa.Column("whole", sa.Boolean),
    sa.Column("twice", sa.Text, nullable=False),
    sa.Index("ix_probes_end", "event", "stretch", "cloud", "at"),
)

moves = sa.Table(
    "moves",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), nullable=False, index=True),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("source", sa.String(255), nullable=False),
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("mover", sa.String(64), nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("memo", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("started", Utc, nullable=False),
    sa.Column("updated", Utc, nullable=False),
    sa.Column("ended", Utc),
    # Without it SQLite gives the number of a deleted newest move to the next one.
    sqlite_autoincrement=True,
)

calibrations = sa.Table(
    "calibrations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", sa.String(64), nullable=False, index=True),
    sa.Column("pool", sa.String(64), nullable=False),
    sa.Column("at", Utc, nullable=False),
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
    sa.Column("cloud", sa.String(255), nullable=False, server_default=""),
    sa.Column("flavor", sa.String(255), nullable=False, server_default=""),
    sa.Column("image", sa.String(255), nullable=False, server_default=""),
    sa.Column("size", sa.Integer, nullable=False, server_default="0"),
    sa.Column("packets", sa.Float, nullable=False, server_default="0"),
    sa.Column("limit", sa.String(16), nullable=False, server_default="server"),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sqlite_autoincrement=True,
)

leaks = sa.Table(
    "leaks",
    metadata,
    sa.Column("cloud", sa.String(120), primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("first", Utc, nullable=False),
    sa.Column("last", Utc, nullable=False),
    sa.Column("passes", sa.Integer, nullable=False),
)

fences = sa.Table(
    "fences",
    metadata,
    sa.Column("event", sa.String(80), primary_key=True),
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.String(255), nullable=False),
    sa.Column("since", Utc, nullable=False),
)

passes = sa.Table(
    "passes",
    metadata,
    sa.Column("event", sa.String(64), primary_key=True),
    sa.Column("agent", sa.String(255), nullable=False),
    sa.Column("began", Utc),
    sa.Column("nudges", sa.Integer, nullable=False),
)
