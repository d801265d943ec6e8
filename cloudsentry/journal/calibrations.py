"""Calibrations in the journal: what the servers of a pool were measured to carry, and when.

Every method is one transaction and thread-safe, and raises `SentryError` where the database cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import calibrations
from cloudsentry.records.loading import Capacity

FITTING = 5000
"""Lines that are read at most: a hundred calibrations of pools of dozens of units."""


class Calibrations:
    """Every calibration of every pool; none is overwritten."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL. Raises as `cloudsentry.journal.store.Store` does."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def add(self, found: Sequence[Capacity]) -> None:
        """Keep a calibration, all of its lines or none; they share their time."""
        with self._store.writing() as db:
            db.execute(calibrations.insert(), [asdict(one) for one in found])

    def fitting(self, cloud: str, flavor: str, image: str) -> tuple[Capacity, ...]:
        """Every line that was measured there with such servers, newest first."""
        alike = {"cloud": cloud, "flavor": flavor, "image": image}
        mine = sa.and_(*(calibrations.c[name] == value for name, value in alike.items()))
        columns = [column for column in calibrations.c if column.name != "id"]
        query = sa.select(*columns).where(mine).order_by(calibrations.c.at.desc(), calibrations.c.id).limit(FITTING)
        with self._store.reading() as db:
            return tuple(Capacity(**row) for row in db.execute(query).mappings())

    def newest(self, event: str, pool: str) -> tuple[Capacity, ...]:
        """A pool's newest calibration by unit and number of servers; empty where it was never calibrated."""
        mine = (calibrations.c.event == event) & (calibrations.c.pool == pool)
        at = sa.select(sa.func.max(calibrations.c.at)).where(mine).scalar_subquery()
        columns = [column for column in calibrations.c if column.name != "id"]
        order = (calibrations.c.unit, calibrations.c.servers)
        query = sa.select(*columns).where(mine, calibrations.c.at == at).order_by(*order)
        with self._store.reading() as db:
            return tuple(Capacity(**row) for row in db.execute(query).mappings())
