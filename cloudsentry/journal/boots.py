"""How long servers took to serve, from the steps of an event's own runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import runs, steps
from cloudsentry.records.scaling import Boot

NEWEST = 60
"""Runs that are looked at."""


class Boots:
    """Every method is one transaction; raises as `Store` does."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def of(self, event: str) -> tuple[Boot, ...]:
        """Every boot of the event's newest runs, oldest first.

        From the begin of the run that ordered the servers, over one that gave way to a larger run too, to their being
        members: the wait for the balancer is the longest of that run.
        """
        columns = (steps.c.run, steps.c.unit, steps.c.verb, steps.c.state, steps.c.servers, steps.c.called)
        newest = sa.select(runs.c.id).where(runs.c.event == event, runs.c.goal == "apply")
        newest = newest.order_by(runs.c.id.desc()).limit(NEWEST)
        query = (
            sa.select(*columns, steps.c.ended, runs.c.started)
            .join(runs, runs.c.id == steps.c.run)
            # A sub-query of its own: MariaDB allows no LIMIT inside of IN.
            .join(newest.subquery("newest"), sa.literal_column("newest.id") == steps.c.run)
            .where(steps.c.verb.in_(("create", "start", "await", "members")))
            .order_by(steps.c.run, steps.c.position)
        )
        with self._store.reading() as db:
            return found(db.execute(query).all())


def found(rows: Iterable[Any]) -> tuple[Boot, ...]:
    """The boots that rows of steps tell of, by run."""
    by_run: dict[int, list[Any]] = {}
    for row in rows:
        by_run.setdefault(row.run, []).append(row)
    boots: list[Boot] = []
    ordered: dict[str, tuple[dt.datetime, int]] = {}
    for mine in by_run.values():
        settle = max((_took(row) for row in mine if row.verb == "members" and row.state == "done"), default=0.0)
        batch = sum(row.servers for row in mine if row.called is not None)
        for row in mine:
            if row.verb in ("create", "start") and row.servers and row.called is not None:
                begun, servers = row.started, batch
            elif row.verb == "await" and row.unit in ordered:
                begun, servers = ordered.pop(row.unit)
            else:
                continue
            if row.state == "done" and row.ended is not None:
                boots.append(Boot(unit=row.unit, batch=servers, seconds=(row.ended - begun).total_seconds() + settle))
            elif row.state == "skipped":
                ordered[row.unit] = (begun, servers)
    return tuple(boots)


def _took(row: sa.Row[Any]) -> float:
    return (row.ended - row.called).total_seconds() if row.called is not None and row.ended is not None else 0.0
