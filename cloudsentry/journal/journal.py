"""The journal: revisions of events, runs, and every call's intent before the call.

Every method is one transaction and thread-safe, and raises `SentryError` where the
database cannot be used. Times come from the clock that the journal was given, in UTC.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloudsentry.errors import UserError
from cloudsentry.journal.fences import Fences
from cloudsentry.journal.passes import Passes
from cloudsentry.journal.records import EventRow, Goal, Intent, Revision, RunRow, StepRow, StepState
from cloudsentry.journal.store import Store
from cloudsentry.journal.tables import events, revisions, runs, steps
from cloudsentry.records.orders import CreateServers, StartServers
from cloudsentry.records.plans import Step
from cloudsentry.records.reports import Report

if TYPE_CHECKING:
    from cloudsentry.journal.ownership import Hold


def machine() -> dt.datetime:
    """The machine's clock, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


class Journal:
    """What was wanted, what was done. One object per process is enough."""

    def __init__(self, url: str, wall: Callable[[], dt.datetime] = machine) -> None:
        """Open the database at an SQLAlchemy URL; its schema is made or upgraded where needed.

        ``wall`` tells the time, aware, in UTC. Raises `UserError` where the URL or the schema's version cannot be
        used.
        """
        self._store, self._now = Store(url), wall

    def close(self) -> None:
        """Close the connections."""
        self._store.close()

    def under(self, hold: Hold) -> Self:
        """The same journal for whoever holds an event: a write after a later holder came raises `Lost`, and is not."""
        same = copy.copy(self)
        same._store = self._store.behind(hold.fence)
        return same

    @property
    def fences(self) -> Fences:
        """The events' tokens."""
        return Fences(self._store)

    @property
    def passes(self) -> Passes:
        """The agents' passes."""
        return Passes(self._store)

    # Events and their revisions

    def revise(self, event: str, digest: str, body: str) -> Revision:
        """Keep what an event wants now, and return it with its number.

        The same digest as the newest revision's is the same revision; any other digest is a new one, also
        where an older revision had it. An event that was gone is kept again.
        """
        now = self._now()
        with self._store.writing() as db:
            known = _locked(db, event, now)
            newest = _newest(db, event)
            if newest is not None and newest.digest == digest:
                if known != "kept":
                    _touch(db, event, now, state="kept")
                return newest
            revision = Revision(
                event=event, number=newest.number + 1 if newest else 1, digest=digest, body=body, created=now
            )
            db.execute(revisions.insert().values(asdict(revision)))
            _touch(db, event, now, state="kept")
            return revision

    def revision(self, event: str, number: int | None = None) -> Revision | None:
        """The revision of that number, or the newest; None where there is none."""
        with self._store.reading() as db:
            return _newest(db, event, number)

    def events(self) -> tuple[EventRow, ...]:
        """Every event, those gone too, sorted by name."""
        with self._store.reading() as db:
            return tuple(EventRow(**row) for row in db.execute(_events()).mappings())

    def event(self, name: str) -> EventRow | None:
        """One event, or None where the journal has never seen it."""
        with self._store.reading() as db:
            row = db.execute(_events().where(events.c.name == name)).mappings().first()
            return EventRow(**row) if row else None

    def event_gone(self, name: str) -> None:
        """Mark an event as destroyed; revisions and runs stay. An unknown name is nothing to do."""
        with self._store.writing() as db:
            _touch(db, name, self._now(), state="gone")

    # Runs, and the intents of their calls

    def begin(self, event: str, revision: int, goal: Goal, steps: Iterable[Step]) -> int:
        """Note that a run of this process begins, with the steps it plans; returns the run's number."""
        now = self._now()
        with self._store.writing() as db:
            # The event's row first: a run's foreign key would lock it for reading, and two such wait for each other.
            _touch(db, event, now)
            made = db.execute(
                runs.insert().values(
                    event=event,
                    revision=revision,
                    goal=goal,
                    started=now,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    writes=0,
                    reads=0,
                )
            ).inserted_primary_key
            run = int(made[0]) if made else 0
            _add(db, run, steps)
            return run

    def add_steps(self, run: int, steps: Iterable[Step]) -> None:
        """Note further steps of a run that has looked again. Those it has already stay as they are."""
        with self._store.writing() as db:
            _add(db, run, steps)

    def intent(self, run: int, step: str, op: str, attempt: int) -> None:
        """Announce a call: on return the intent is on disk, and only then may the call be made.

        ``op`` is what the call's effects will be marked with; ``attempt`` counts from 1.
        """
        now = self._now()
        started = sa.func.coalesce(steps.c.started, sa.bindparam("now", now, type_=steps.c.started.type))
        self._step(run, step, state="intent", op=op, attempts=attempt, called=now, started=started, ended=None)

    def step_ended(self, run: int, step: str, state: StepState, attempts: int = 0, error: str = "") -> None:
        """Note how a step ended; its intent is settled by that."""
        self._step(run, step, state=state, attempts=attempts, error=error, ended=self._now())

    def retries(self, run: int) -> int:
        """How many calls of a run were made again until now, over all its steps."""
        query = sa.select(sa.func.sum(steps.c.attempts - 1)).where(steps.c.run == run, steps.c.attempts > 1)
        with self._store.reading() as db:
            return int(db.execute(query).scalar() or 0)

    def run_ended(self, run: int, report: Report) -> None:
        """Note the end of a run, and keep its report."""
        now = self._now()
        with self._store.writing() as db:
            _touch(db, report.event, now)
            db.execute(
                runs.update()
                .where(runs.c.id == run)
                .values(
                    outcome=report.outcome,
                    ended=now,
                    writes=report.writes,
                    reads=report.reads,
                    report=json.dumps(asdict(report), sort_keys=True),
                )
            )

    def run_failed(self, run: int) -> None:
        """Give up a run whose process is gone: it has failed, and its calls are waited for no more."""
        now = self._now()
        with self._store.writing() as db:
            db.execute(runs.update().where(runs.c.id == run).values(outcome="failed", ended=now))
            mine = steps.update().where(steps.c.run == run, steps.c.ended.is_(None))
            db.execute(mine.where(steps.c.state == "intent").values(state="failed", ended=now, error="given up"))
            db.execute(mine.where(steps.c.state == "planned").values(state="skipped", ended=now, error="given up"))

    def runs(self, event: str | None = None, limit: int = 50) -> tuple[RunRow, ...]:
        """The newest runs, newest first, without their steps and reports."""
        query = sa.select(*(column for column in runs.c if column.name != "report"))
        if event is not None:
            query = query.where(runs.c.event == event)
        with self._store.reading() as db:
            rows = db.execute(query.order_by(runs.c.id.desc()).limit(limit)).mappings()
            return tuple(RunRow(**row) for row in rows)

    def run(self, number: int) -> RunRow:
        """One run with its steps, in the order of its plans. Raises `UserError` where there is no such run."""
        columns = [steps.c[name] for name in StepRow.__slots__]
        with self._store.reading() as db:
            row = db.execute(sa.select(runs).where(runs.c.id == number)).mappings().first()
            if row is None:
                raise UserError(f"there is no run {number} in the journal")
            found = db.execute(sa.select(*columns).where(steps.c.run == number).order_by(steps.c.position)).mappings()
            lines = tuple(StepRow(**line) for line in found)
        return RunRow(**{**row, "report": _report(row["report"]), "steps": lines})

    def open_intents(self, event: str, newer_than: dt.datetime) -> tuple[Intent, ...]:
        """Calls for an event announced after ``newer_than`` (aware) whose step never ended, oldest first.

        Left by processes that were killed, or stopped in the middle of a step; ask while owning the event,
        else another process's calls of this moment are among them.
        """
        same = {steps.c.attempts: "attempt"}
        names = (steps.c.run, steps.c.step, steps.c.unit, steps.c.cloud, steps.c.verb, steps.c.op, steps.c.called)
        query = (
            sa.select(*names, *(column.label(name) for column, name in same.items()))
            .join(runs, runs.c.id == steps.c.run)
            .where(runs.c.event == event, steps.c.state == "intent", steps.c.called > newer_than)
            .order_by(steps.c.called)
        )
        with self._store.reading() as db:
            return tuple(Intent(**row) for row in db.execute(query).mappings())

    def _step(self, run: int, step: str, **values: Any) -> None:
        with self._store.writing() as db:
            found = db.execute(steps.update().where(steps.c.run == run, steps.c.step == step).values(values))
            if found.rowcount == 0:
                raise LookupError(f"run {run} has no step {step!r}: begin() or add_steps() first")


def _newest(db: sa.Connection, event: str, number: int | None = None) -> Revision | None:
    query = sa.select(revisions).where(revisions.c.event == event).order_by(revisions.c.number.desc()).limit(1)
    if number is not None:
        query = query.where(revisions.c.number == number)
    row = db.execute(query).mappings().first()
    return Revision(**row) if row else None


def _locked(db: sa.Connection, event: str, now: dt.datetime) -> str:
    """The event's state, made where it is new; nobody else writes of it until the commit."""
    query = sa.select(events.c.state).where(events.c.name == event).with_for_update()
    known = db.execute(query).scalar()
    if known is None:
        with contextlib.suppress(IntegrityError), db.begin_nested():  # somebody else may be the first
            db.execute(events.insert().values(name=event, state="kept", created=now, updated=now))
        known = db.execute(query).scalar_one()
    return str(known)


def _touch(db: sa.Connection, event: str, now: dt.datetime, **values: Any) -> None:
    db.execute(events.update().where(events.c.name == event).values(updated=now, **values))


def _add(db: sa.Connection, run: int, wanted: Iterable[Step]) -> None:
    known = set(db.execute(sa.select(steps.c.step).where(steps.c.run == run)).scalars())
    new = {step.id: step for step in wanted if step.id not in known}
    rows = [_step_values(run, len(known) + place, step) for place, step in enumerate(new.values())]
    if rows:
        db.execute(steps.insert(), rows)


def _step_values(run: int, position: int, step: Step) -> dict[str, Any]:
    return {
        "run": run,
        "step": step.id,
        "position": position,
        "unit": step.unit,
        "cloud": step.cloud,
        "verb": step.verb,
        "action": step.action,
        "op": "",
        "state": "planned",
        "attempts": 0,
        "why": step.why,
        "error": "",
        "servers": _servers(step),
    }


def _servers(step: Step) -> int:
    """How many servers a step brings up."""
    if isinstance(step.subject, CreateServers):
        return step.subject.count
    return len(step.subject.ids) if isinstance(step.subject, StartServers) else 0


def _events() -> sa.Select[Any]:
    """Every event with its newest revision's number, how many runs it had, and the newest ended run's outcome."""
    mine = sa.select(runs.c.outcome).where(runs.c.event == events.c.name, runs.c.outcome.is_not(None))
    number = sa.select(sa.func.max(revisions.c.number)).where(revisions.c.event == events.c.name)
    count = sa.select(sa.func.count()).select_from(runs).where(runs.c.event == events.c.name)
    return sa.select(
        events.c.name,
        events.c.state,
        sa.func.coalesce(number.scalar_subquery(), 0).label("revision"),
        count.scalar_subquery().label("runs"),
        sa.func.coalesce(mine.order_by(runs.c.id.desc()).limit(1).scalar_subquery(), "").label("outcome"),
        events.c.created,
        events.c.updated,
    ).order_by(events.c.name)


def _report(text: str | None) -> Report | None:
    if text is None:
        return None
    # Loaded where a report is read: the commands that only write one need no second start-up cost.
    from pydantic import TypeAdapter

    return TypeAdapter(Report).validate_json(text)
