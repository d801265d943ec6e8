"""What an audit has seen that no event wants: one look may meet a call of this moment, two do not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import leaks

Key = tuple[str, str, str]
"""(cloud, kind, id)."""


class Leaks:
    """How often each was seen. Every method is one transaction; raises as `Store` does."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def seen(self, keys: Iterable[Key], clouds: Iterable[str], between: float) -> dict[Key, int]:
        """Note one pass over ``clouds`` that saw ``keys``; returns in how many passes each was seen.

        A pass sooner than ``between`` seconds after the last that counted does not count. What a pass over its
        cloud does not see is forgotten.
        """
        now, wanted, looked = dt.datetime.now(dt.UTC), set(keys), set(clouds)
        with self._store.writing() as db:
            known = {(row.cloud, row.kind, row.id): row for row in db.execute(sa.select(leaks))}
            for key in {key for key in known if key[0] in looked} - wanted:
                db.execute(leaks.delete().where(_is(key)))
            passes = {}
            for key in sorted(wanted):
                row = known.get(key)
                if row is None:
                    cloud, kind, id = key
                    db.execute(leaks.insert().values(cloud=cloud, kind=kind, id=id, first=now, last=now, passes=1))
                elif (now - row.last).total_seconds() >= between:
                    db.execute(leaks.update().where(_is(key)).values(last=now, passes=row.passes + 1))
                counted = row is not None and (now - row.last).total_seconds() >= between
                passes[key] = (row.passes if row else 1) + counted
        return passes


def _is(key: Key) -> sa.ColumnElement[bool]:
    cloud, kind, id = key
    return sa.and_(leaks.c.cloud == cloud, leaks.c.kind == kind, leaks.c.id == id)
