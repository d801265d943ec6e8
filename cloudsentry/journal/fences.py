"""Fencing tokens: who took an event last may write about it, whoever had it before may not.

A lease can end unnoticed: a process is stopped for a minute, goes on, and still believes that it holds the event.
Therefore each new holder is given a token, higher than any before, and every write of a holder reads the event's
token in its own transaction: an old one is refused there, and nothing of that transaction stays.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from cloudsentry.errors import Lost
from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import fences


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What a holder writes under. ``alive`` raises `Lost` where the lease itself is over."""

    event: str
    token: int
    alive: Callable[[], None]

    def verify(self, db: sa.Connection) -> None:
        """Raises `Lost` where the lease is over or a later holder has come; else nobody comes before the commit."""
        self.alive()
        query = sa.select(fences.c.token, fences.c.holder).where(fences.c.event == self.event)
        # SQLite has no row locks: there the whole transaction began as the only writer.
        row = db.execute(query.with_for_update()).first()
        if row is None or row.token != self.token:
            holder = row.holder if row else "nobody"
            raise Lost(f"event {self.event} was taken over by {holder}: nothing more is written here")


class Fences:
    """The tokens of one journal. Every method is one transaction; raises as `Store` does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next(self, event: str) -> int:
        """Shut out every earlier holder of an event; returns the token of this process."""
        mine = {"holder": whoami(), "since": dt.datetime.now(dt.UTC)}
        with self._store.writing() as db:
            query = sa.select(fences.c.token).where(fences.c.event == event).with_for_update()
            known = db.execute(query).scalar()
            if known is None:
                db.execute(fences.insert().values(event=event, token=1, **mine))
                return 1
            db.execute(fences.update().where(fences.c.event == event).values(token=known + 1, **mine))
            return int(known) + 1

    def holder(self, event: str) -> str:
        """Who took an event last, for people; empty where nobody has."""
        with self._store.reading() as db:
            row = db.execute(sa.select(fences).where(fences.c.event == event)).mappings().first()
        return f"{row['holder']} since {row['since'].isoformat(timespec='seconds')}" if row else ""


def whoami() -> str:
    """This process, as others are told of it."""
    return f"process {os.getpid()} on {socket.gethostname()}"
