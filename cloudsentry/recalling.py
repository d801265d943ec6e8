"""What the house remembers of events: the journal, asked in the terms of the hall.

Nothing here looks at a cloud. How the clouds stand is never the journal's to say.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cloudsentry.errors import Moving, PlanStale, UserError
from cloudsentry.executor import Clock, Place
from cloudsentry.measured import resolved
from cloudsentry.observe import places_of
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, from_dict, load
from cloudsentry.spec.reweighing import may_be_tuned, tuned_as

if TYPE_CHECKING:
    from cloudsentry.journal import EventRow, Journal, Revision, RunRow


class Recall:
    """Events, their revisions and runs. Thread-safe for reads."""

    def __init__(self, connection: str, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._parsed: tuple[Revision, Event] | None = None
        self._known_places: dict[tuple[str, int], tuple[Place, ...]] = {}

    @cached_property
    def journal(self) -> Journal:
        """The journal, opened at the first question."""
        # SQLAlchemy costs a third of a second: only verbs that remember pay it.
        from cloudsentry.journal import Journal

        return Journal(self._connection, self._clock.wall)

    def close(self) -> None:
        """Let go of the journal, if it was opened."""
        if "journal" in self.__dict__:
            self.journal.close()

    def load(self, path: str | Path) -> Event:
        """`Sentry.load`."""
        event = resolved(load(path), self._connection)
        newest = self.journal.revision(event.event) if may_be_tuned(event) else None
        return event if newest is None else tuned_as(event, _parse(newest))

    def event(self, name: str) -> tuple[Event, int]:
        """`Sentry.event`."""
        if name.endswith((".yaml", ".yml")) or "/" in name:
            event = self.load(name)
            known = self.journal.revision(event.event)
            return event, known.number if known and known.digest == digest(event) else 0
        revision = self.journal.revision(name)
        if revision is None:
            known_names = ", ".join(row.name for row in self.journal.events()) or "none"
            raise UserError(f"no event {name!r} in the journal (known: {known_names}); give its file instead")
        return self._read(revision), revision.number

    def _read(self, revision: Revision) -> Event:
        """The event of a revision. A newest one is read at every pass and never changes: each is parsed once."""
        if self._parsed is None or self._parsed[0] != revision:
            self._parsed = (revision, _parse(revision))
        return self._parsed[1]

    def show(self, name: str) -> tuple[EventRow, Revision]:
        """One event and its newest revision. Raises `UserError`."""
        self.event(name)
        row, revision = self.journal.event(name), self.journal.revision(name)
        assert row is not None
        assert revision is not None
        return row, revision

    def newest(self, name: str) -> Revision:
        """The newest revision of an event, by its name alone. Raises `UserError`."""
        self.event(name)
        newest = self.journal.revision(name)
        if newest is None:
            raise UserError(f"no event {name!r} in the journal: give its name, not a file")
        return newest

    def revision(self, name: str, number: int) -> Event:
        """The event of one of its revisions. Raises `UserError` where there is none of that number."""
        found = self.journal.revision(name, number)
        if found is None:
            raise UserError(f"event {name} has no revision {number}; it has 1 to {self.newest(name).number}")
        return _parse(found)

    def kept(self, name: str) -> bool:
        """Whether an event stands: applied, and not destroyed since."""
        row = self.journal.event(name)
        return row is not None and row.state == "kept"

    def stopped_run(self, number: int) -> RunRow:
        """A run with which something is left to be done. Raises `UserError` where it is done or its event moved on."""
        run = self.journal.run(number)
        if run.outcome == "done":
            raise UserError(f"run {number} is done: there is nothing to go on with")
        newest = self.newest(run.event)
        if newest.number != run.revision:
            raise UserError(
                f"event {run.event} has moved on: run {number} was of revision {run.revision}, the newest is "
                f"{newest.number}; `event rollback {run.event} --to {run.revision}` goes back to it"
            )
        return run

    def places(self, event: Event) -> tuple[Place, ...]:
        """Everywhere that the event or any of its revisions may have left something."""
        newest = self.journal.revision(event.event)
        older = (self._touched(event.event, number) for number in range(1, newest.number + 1 if newest else 1))
        return tuple(sorted({*places_of([event]), *(place for places in older for place in places)}))

    def _touched(self, name: str, number: int) -> tuple[Place, ...]:
        """The places of one revision. A revision never changes, and a scaled event has hundreds: each is read once."""
        if (name, number) not in self._known_places:
            revision = self.journal.revision(name, number)
            self._known_places[name, number] = places_of([_parse(revision)] if revision else [])
        return self._known_places[name, number]

    def unmoved(self, name: str) -> None:
        """Refuse (`Moving`) while a move holds the event.

        A server on its way to another cloud is stopped here and half made there: nobody else may mend that.
        """
        from cloudsentry.journal.moves import Moves

        moves = Moves(self._connection)
        try:
            held_by_a_move = [move for move in moves.unended(name) if move.memo.get("holds")]
        finally:
            moves.close()
        for move in held_by_a_move:
            raise Moving(
                f"event {name} is held by move {move.id}, which is {move.state} at {move.phase}: "
                f"`migrate retry {move.id}` or `migrate rollback {move.id}` first"
            )

    def still(self, name: str, number: int | None) -> None:
        """Refuse (`PlanStale`) where a revision is not the newest one any more, or its event was destroyed."""
        row = self.journal.event(name) if number is not None else None
        if row is not None and (row.revision, row.state) != (number, "kept"):
            raise PlanStale(f"event {name} has moved on since its revision {number} was read: look again")


def _parse(revision: Revision) -> Event:
    return from_dict(json.loads(revision.body))
