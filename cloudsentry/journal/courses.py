"""What came of matches, minute by minute: kept while they are on, read when they are over."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import courses
from cloudsentry.records.scaling import COURSE_STEP, Course, Demand

UNSEEN = -1.0
"""A minute that nothing was read in."""
MOST = 200
"""Courses that are read at once, the newest ones."""


class Courses:
    """Every method is one transaction; raises as `Store` does."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def note(self, event: str, pool: str, now: dt.datetime, shares: Iterable[tuple[Demand, float]]) -> None:
        """Keep what was read just now of matches that are on, as shares of what was announced."""
        found = tuple(shares)
        if not found:
            return
        with self._store.writing() as db:
            for demand, share in found:
                _note(db, event, pool, now, demand, share)

    def past(self, event: str, pool: str, now: dt.datetime) -> tuple[Course, ...]:
        """The pool's newest matches that are over, oldest first; of other events those that name a kind.

        Matches of whose minutes fewer than half were read are left out.
        """
        mine = (courses.c.event == event) | (courses.c.kind != "")
        query = sa.select(courses).where(courses.c.pool == pool, courses.c.ends < now, mine)
        with self._store.reading() as db:
            rows = db.execute(query.order_by(courses.c.ends.desc()).limit(MOST)).all()
        return tuple(course for row in reversed(rows) if (course := _course(row)) is not None)


def _note(db: sa.Connection, event: str, pool: str, now: dt.datetime, demand: Demand, share: float) -> None:
    key = (courses.c.event == event) & (courses.c.pool == pool) & (courses.c.name == demand.name)
    row = db.execute(sa.select(courses).where(key)).first()
    shape = {"kind": demand.kind, "start": demand.start, "ends": demand.ends}
    shape |= {"length": demand.length, "ramp": demand.ramp}
    kept = row is not None and (row.start, row.length, row.ramp) == (demand.start, demand.length, demand.ramp)
    shares = json.loads(row.shares) if row is not None and kept else blank(demand)
    noted(shares, demand, now, share)
    values = {**shape, "shares": json.dumps(shares)}
    if row is None:
        db.execute(courses.insert().values(event=event, pool=pool, name=demand.name, **values))
    else:
        db.execute(courses.update().where(key).values(values))


def blank(demand: Demand) -> list[float]:
    """The minutes of a match, none read yet."""
    return [UNSEEN] * math.ceil((demand.length + 2 * demand.ramp) / COURSE_STEP)


def noted(shares: list[float], demand: Demand, now: dt.datetime, share: float) -> None:
    """Put a reading where it belongs: of several in a minute the largest counts."""
    index = int((now - demand.begins).total_seconds() // COURSE_STEP)
    if 0 <= index < len(shares):
        shares[index] = max(shares[index], round(share, 4))


def filled(shares: list[float]) -> tuple[float, ...] | None:
    """Minutes without a reading as the one before, or after, them; None where fewer than half were read."""
    read = [share for share in shares if share >= 0]
    if not read or len(read) < len(shares) / 2:
        return None
    found, last = [], read[0]
    for share in shares:
        last = share if share >= 0 else last
        found.append(last)
    return tuple(found)


def _course(row: sa.Row[Any]) -> Course | None:
    shares = filled(json.loads(row.shares))
    if shares is None:
        return None
    return Course(match=row.name, kind=row.kind, start=row.start, length=row.length, ramp=row.ramp, shares=shares)
