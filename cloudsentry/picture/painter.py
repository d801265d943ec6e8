"""Takes the pictures: what the journal tells, and what the clouds have."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudsentry.errors import SentryError
from cloudsentry.history.report import units_of
from cloudsentry.journal.decisions import DecisionRow, Decisions
from cloudsentry.journal.moves import Moves
from cloudsentry.picture.matches import ahead, demands_of, expected, next_match, wishes
from cloudsentry.picture.places import capacity, hosts, server, shares, units
from cloudsentry.picture.rows import DecisionNow, Heard, MoveNow, RunNow, Seen
from cloudsentry.records.moving import Move
from cloudsentry.records.reports import CircuitLine
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import from_dict

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

DECISIONS = 20
"""Decisions of an event that are shown."""
FRESH = 300.0
"""Seconds for which the load that a decision was made from is shown as that of now."""


class Painter:
    """Pictures of the events of one journal. Thread-safe; writes nothing."""

    def __init__(self, sentry: Sentry, *, wall: Callable[[], dt.datetime] | None = None) -> None:
        """``wall`` tells the time, aware; the default is the machine's clock."""
        self._sentry = sentry
        self._wall = wall or (lambda: dt.datetime.now(dt.UTC))
        url = sentry.settings.journal.connection
        self._decisions, self._moves = Decisions(url), Moves(url)

    def close(self) -> None:
        """Let go of the journal."""
        self._decisions.close()
        self._moves.close()

    def events(self) -> tuple[str, ...]:
        """The events that are to be kept, sorted. Raises `SentryError` where the journal cannot be used."""
        return tuple(row.name for row in self._sentry.events() if row.state == "kept")

    def heard(self, name: str) -> Heard:
        """What the journal tells. Raises `SentryError`."""
        _, revision = self._sentry.show(name)
        event, now = from_dict(json.loads(revision.body)), self._wall()
        demands, decided = demands_of(event), self._decisions.of(name, DECISIONS)
        wanted: Counter[str] = Counter()
        for (cloud, _), count in units_of(event).items():
            wanted[cloud] += count
        return Heard(
            event=name,
            title=event.title,
            revision=revision.number,
            wanted=tuple(sorted(wanted.items())),
            crowd=expected(demands, now),
            ahead=ahead(demands, now),
            match=next_match(event, now),
            decisions=tuple(map(_decision, decided)),
            moves=tuple(map(_move, self._moves.unended(name))),
            run=self._run(name),
            pools=wishes(event, now, _measured(decided, now)),
            circuits=self._circuits(event),
        )

    def seen(self, name: str) -> Seen:
        """What the clouds have now. Raises `SentryError` where one does not answer."""
        status = self._sentry.status(name)
        event, _ = self._sentry.event(name)
        return Seen(
            at=self._wall().timestamp(),
            state=status.state,
            units=units(event, status.servers),
            shares=tuple(itertools.chain.from_iterable(shares(line, status) for line in status.balancers)),
            servers=tuple(map(server, status.servers)),
            drift=tuple((line.kind, line.cloud, line.unit, line.what) for line in status.drift),
            capacity=capacity(event, status.servers),
            hosts=hosts(event, status.servers),
            stretches=status.stretches,
            steers=status.steers,
        )

    def _circuits(self, event: Event) -> tuple[CircuitLine, ...]:
        """Of the event's clouds; the seconds in fives, so that they are no news every second."""
        clouds = {event.cloud_of(site) for site in event.sites}
        lines = (line for line in self._sentry.circuits() if line.cloud in clouds)
        return tuple(replace(line, seconds=5.0 * math.ceil(line.seconds / 5)) for line in lines)

    def _run(self, name: str) -> RunNow | None:
        newest = next(iter(self._sentry.runs(name)), None)
        if newest is None:
            return None
        run = self._sentry.run(newest.id)
        return RunNow(
            id=run.id,
            goal=run.goal,
            outcome=run.outcome or "",
            started=run.started.timestamp(),
            seconds=(run.ended - run.started).total_seconds() if run.ended else None,
            done=sum(step.state == "done" for step in run.steps),
            failed=sum(step.state == "failed" for step in run.steps),
            steps=len(run.steps),
            errors=tuple(f"{step.unit} on {step.cloud}: {step.error}" for step in run.steps if step.state == "failed"),
        )


def told(error: SentryError) -> str:
    """An error in one line."""
    return " ".join(str(error).split())


def _measured(decided: Iterable[DecisionRow], now: dt.datetime) -> dict[str, float]:
    """The load of late by pool; the rows are newest first."""
    found: dict[str, float] = {}
    for row in decided:
        if row.demand is not None and (now - row.until).total_seconds() <= FRESH:
            found.setdefault(row.pool, row.demand)
    return found


def _decision(row: DecisionRow) -> DecisionNow:
    return DecisionNow(
        id=row.id,
        at=row.at.timestamp(),
        pool=row.pool,
        current=row.current,
        wanted=row.wanted,
        rule=row.rule,
        source=row.source,
        state=row.state,
        times=row.times,
        demand=row.demand,
        why="; ".join((*row.reasons, *([row.error] if row.error else []))),
    )


def _move(move: Move) -> MoveNow:
    return MoveNow(
        id=move.id,
        server=move.server,
        source=move.source,
        target=move.target,
        mover=move.mover,
        phase=move.phase,
        state=move.state,
        started=move.started.timestamp(),
        error=move.error,
    )
