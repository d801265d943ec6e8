"""How many runs and decisions there were: what is counted over the whole journal, in the database."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import decisions, runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many there are of a kind: runs by (goal, outcome), decisions by (rule, state); ``open`` has no end."""

    event: str
    kind: str
    end: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run of an event that ended."""

    event: str
    outcome: str
    started: dt.datetime
    ended: dt.datetime


class Tallies:
    """Counts over the journal. Every method is one reading transaction; thread-safe."""

    def __init__(self, url: str) -> None:
        """Open the journal at an SQLAlchemy URL. Raises as `cloudsentry.journal.store.Store` does."""
        self._store = Store(url)

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def runs(self) -> tuple[Tally, ...]:
        """Runs by event, goal and outcome."""
        outcome = sa.func.coalesce(runs.c.outcome, "open")
        query = sa.select(runs.c.event, runs.c.goal, outcome, sa.func.count()).group_by(
            runs.c.event, runs.c.goal, outcome
        )
        return self._tallied(query)

    def decisions(self) -> tuple[Tally, ...]:
        """Decisions by event, rule and state, each as often as it was made again."""
        query = sa.select(
            decisions.c.event, decisions.c.rule, decisions.c.state, sa.func.sum(decisions.c.times)
        ).group_by(decisions.c.event, decisions.c.rule, decisions.c.state)
        return self._tallied(query)

    def last_runs(self) -> tuple[LastRun, ...]:
        """The newest ended run of every event that had one."""
        newest = sa.select(sa.func.max(runs.c.id)).where(runs.c.ended.is_not(None)).group_by(runs.c.event)
        query = sa.select(runs.c.event, runs.c.outcome, runs.c.started, runs.c.ended).where(runs.c.id.in_(newest))
        with self._store.reading() as db:
            return tuple(LastRun(**row) for row in db.execute(query.order_by(runs.c.event)).mappings())

    def _tallied(self, query: sa.Select[Any]) -> tuple[Tally, ...]:
        with self._store.reading() as db:
            found = [Tally(event=event, kind=kind, end=end, number=int(n)) for event, kind, end, n in db.execute(query)]
        return tuple(sorted(found, key=lambda one: (one.event, one.kind, one.end)))
