"""When agents passed over events, and who asks for a pass: how agents on many hosts share the work.

Every method is one transaction and thread-safe, and raises `SentryError` where the database cannot be used.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import passes


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRow:
    """An event's newest pass that came to its end: by which agent, and when it began.

    ``nudges`` counts the calls for a pass, ever.
    """

    event: str
    agent: str
    began: dt.datetime | None
    nudges: int


class Passes:
    """The newest pass of every event."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> dict[str, PassRow]:
        """By event; events that no agent has passed over and nobody has nudged are not there."""
        with self._store.reading() as db:
            return {row["event"]: PassRow(**row) for row in db.execute(sa.select(passes)).mappings()}

    def made(self, event: str, agent: str, began: dt.datetime) -> None:
        """Note that an agent has passed over an event. A pass that was killed is not noted: others make it at once."""
        self._put(event, {"agent": agent, "began": began}, 0)

    def nudge(self, event: str) -> None:
        """Ask whatever agent comes first for a pass over an event, soon."""
        self._put(event, {"nudges": passes.c.nudges + 1}, 1)

    def _put(self, event: str, values: dict[str, Any], nudges: int) -> None:
        with self._store.writing() as db:
            change = passes.update().where(passes.c.event == event).values(values)
            if db.execute(change).rowcount:
                return
            new = {"event": event, "agent": "", "began": None, "nudges": nudges}
            try:
                with db.begin_nested():
                    db.execute(passes.insert().values(new | ({} if nudges else values)))
            except IntegrityError:  # somebody else was the first
                db.execute(change)
