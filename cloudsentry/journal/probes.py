"""What the ends of stretched networks saw of each other: kept where something has changed, and every minute."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import probes
from cloudsentry.records.stretching import Probed

EVERY_S = 60.0
"""Between two rows of an end while nothing changes."""
MOST = 2000
"""Rows of an end that are kept, the newest ones: more than a day of an end that lives."""


class Probes:
    """Every method is one transaction; raises as `Store` does."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def note(self, seen: Iterable[Probed]) -> None:
        """Keep what is new: another finding than the last one of its end, or one that is a minute younger."""
        found = tuple(seen)
        if not found:
            return
        with self._store.writing() as db:
            for one in found:
                _note(db, one)

    def of(self, event: str, stretch: str, limit: int = MOST) -> tuple[Probed, ...]:
        """The newest of a stretch's ends, newest first."""
        query = sa.select(probes).where(probes.c.event == event, probes.c.stretch == stretch)
        with self._store.reading() as db:
            rows = db.execute(query.order_by(probes.c.at.desc(), probes.c.id.desc()).limit(limit)).mappings().all()
        return tuple(_probed(row) for row in rows)


def _note(db: sa.Connection, one: Probed) -> None:
    mine = (probes.c.event == one.event) & (probes.c.stretch == one.stretch) & (probes.c.cloud == one.cloud)
    newest = db.execute(sa.select(probes).where(mine).order_by(probes.c.at.desc(), probes.c.id.desc()).limit(1))
    row = newest.mappings().first()
    last = _probed(row) if row is not None else None
    if last is not None and (one.at <= last.at or (one.finding == last.finding and _near(one.at, last.at))):
        return
    values = {"event": one.event, "stretch": one.stretch, "cloud": one.cloud, "at": one.at, "up": one.up}
    values |= {"loss": one.loss, "rtt": one.rtt, "whole": one.whole, "twice": " ".join(one.twice)}
    db.execute(probes.insert().values(values))
    old = sa.select(probes.c.id).where(mine).order_by(probes.c.at.desc()).offset(MOST).limit(1)
    oldest = db.execute(old).scalar()
    if oldest is not None:
        db.execute(probes.delete().where(mine, probes.c.id <= oldest))


def _near(one: dt.datetime, last: dt.datetime) -> bool:
    return (one - last).total_seconds() < EVERY_S


def _probed(row: Any) -> Probed:
    values = {key: row[key] for key in ("event", "stretch", "cloud", "at", "up", "loss", "rtt", "whole")}
    return Probed(**values, twice=tuple(row["twice"].split()))
