"""The hall's floor for looking back: an event's history out of the journal. No cloud is asked, nothing is written."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from cloudsentry.journal.decisions import DecisionRow, Decisions
from cloudsentry.journal.moves import Moves
from cloudsentry.records.history import (
    CloudLine,
    DecisionLine,
    History,
    Incident,
    LeadLine,
    Level,
    MoveLine,
    RunLine,
    ShareLine,
)
from cloudsentry.records.moving import Move
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import from_dict
from cloudsentry.spec.scaling import capacities
from cloudsentry.weights.weigh import unit_of

if TYPE_CHECKING:
    from cloudsentry.journal import Journal, RunRow, StepRow
    from cloudsentry.sentry import Sentry

MOST = 10_000
"""Runs, decisions and moves that a report holds at most: a year of one a tick of an hour, and some."""
SERVERS = ("create", "await", "start", "delete")
"""Verbs of steps after which a unit has another number of servers."""

Key = tuple[str, str]
"""(cloud, unit)."""
Levels = list[tuple[dt.datetime, dict[Key, int], dict[Key, int]]]
"""(since, wanted, active)."""


def history(sentry: Sentry, name: str, *, now: dt.datetime | None = None) -> History:
    """All that the journal knows of an event, to ``now``, or to its end where it is gone.

    Raises `UserError` for an event that the journal does not know.
    """
    from cloudsentry.journal import Journal

    row, revision = sentry.show(name)
    url = sentry.settings.journal.connection
    journal, decided, moved = Journal(url), Decisions(url), Moves(url)
    try:
        runs = [journal.run(run.id) for run in reversed(journal.runs(name, MOST))]
        decisions = tuple(reversed(decided.of(name, MOST)))
        moves = tuple(reversed(moved.of(name, MOST)))
        events = _revisions(journal, name, {run.revision for run in runs})
    finally:
        for one in (journal, decided, moved):
            one.close()
    over = runs[-1].ended if runs and row.state == "gone" else None
    made = now or over or dt.datetime.now(dt.UTC)
    event = from_dict(json.loads(revision.body))
    levels, larger = levels_of(runs, events), gave_way(runs)
    return History(
        event=name,
        title=event.title,
        state=row.state,
        revision=revision.number,
        began=runs[0].started if runs else row.created,
        made=made,
        runs=tuple(_run(run, run.id in larger) for run in runs),
        clouds=clouds_of(levels, made),
        shares=shares_of(event),
        leads=leads_of(event, levels, made),
        incidents=incidents_of(runs, decisions, moves),
        decisions=tuple(map(_decision, decisions)),
        moves=tuple(map(_move, moves)),
    )


def _revisions(journal: Journal, name: str, numbers: Iterable[int]) -> dict[int, Event]:
    found = ((number, journal.revision(name, number)) for number in numbers)
    return {number: from_dict(json.loads(revision.body)) for number, revision in found if revision}


# Servers over time


def units_of(event: Event) -> dict[Key, int]:
    """How many servers an event wants in each unit, without asking a cloud which hosts an aggregate has."""
    wanted: dict[Key, int] = defaultdict(int)
    for name, pool in event.pools.items():
        for pin in pool.pins:
            wanted[event.cloud_of(pool.site), unit_of(name, pin)] += pin.count
    return dict(wanted)


@dataclass(slots=True)
class _Reckoning:
    """What is wanted and what is active, step by step."""

    wanted: dict[Key, int] = field(default_factory=dict)
    active: dict[Key, int] = field(default_factory=dict)
    levels: Levels = field(default_factory=list)

    def note(self, when: dt.datetime) -> None:
        self.levels.append((when, dict(self.wanted), dict(self.active)))


def levels_of(runs: Iterable[RunRow], events: Mapping[int, Event]) -> Levels:
    """Servers of every unit since each moment when they changed, oldest first.

    A unit has what its revision wants once its own steps have all ended well; until then it has what it had.
    """
    now = _Reckoning()
    for run in runs:
        event = events.get(run.revision)
        if event is None:
            continue
        goal = units_of(event) if run.goal == "apply" else {}
        now.wanted = dict(goal)
        now.note(run.started)
        for when, key in sorted(_arrivals(run, {**now.active, **goal})):
            now.active[key] = goal.get(key, 0)
            now.note(when)
    return now.levels


def _arrivals(run: RunRow, units: Iterable[Key]) -> list[tuple[dt.datetime, Key]]:
    """When each unit had what the run wanted of it; a unit without steps had it before, in a run that is done."""
    found = []
    for cloud, unit in units:
        mine = [step for step in run.steps if step.cloud == cloud and step.verb in SERVERS and _of(step, unit)]
        ends = [step.ended for step in mine if step.state == "done" and step.ended is not None]
        if mine and len(ends) == len(mine):
            found.append((max(ends), (cloud, unit)))
        elif not mine and run.outcome == "done":
            found.append((run.ended or run.started, (cloud, unit)))
    return found


def _of(step: StepRow, unit: str) -> bool:
    return step.unit == unit or step.unit.startswith(f"{unit}:")


def clouds_of(levels: Levels, until: dt.datetime) -> tuple[CloudLine, ...]:
    """The same by cloud, and the hours that add up until then."""
    names = sorted({cloud for _, wanted, active in levels for cloud, _ in (*wanted, *active)})
    return tuple(_cloud(name, levels, until) for name in names)


def _cloud(name: str, levels: Levels, until: dt.datetime) -> CloudLine:
    points: list[Level] = []
    for when, wanted, active in levels:
        level = Level(at=when, wanted=_sum(wanted, name), active=_sum(active, name))
        if not points or (points[-1].wanted, points[-1].active) != (level.wanted, level.active):
            points.append(level)
    ends = [point.at for point in points[1:]] + [until]
    seconds = sum(
        point.active * max(0.0, (end - point.at).total_seconds()) for point, end in zip(points, ends, strict=True)
    )
    most = max((point.active for point in points), default=0)
    return CloudLine(cloud=name, levels=tuple(points), hours=round(seconds / 3600, 3), most=most)


def _sum(units: Mapping[Key, int], cloud: str) -> int:
    return sum(count for (place, _), count in units.items() if place == cloud)


# Was it there in time?


def leads_of(event: Event, levels: Levels, now: dt.datetime) -> tuple[LeadLine, ...]:
    """One line per match and scaled pool, by the match's start."""
    demands = event.calendar.demands() if event.calendar else ()
    lines = []
    for demand in demands:
        for pool, scaling in sorted(event.scaling.items()):
            ladder = capacities(event.pools[pool].pins, scaling)
            needed = next((n for n, answers in enumerate(ladder) if answers >= demand.peak), scaling.most)
            needed = max(needed, scaling.least)
            ready = _ready(levels, pool, needed, demand.start)
            lead = (demand.start - ready).total_seconds() if ready else None
            due = demand.start - dt.timedelta(seconds=scaling.lead)
            kept = None if now < due else lead is not None and lead >= scaling.lead
            lines.append(
                LeadLine(
                    match=demand.name,
                    pool=pool,
                    begins=demand.begins,
                    start=demand.start,
                    crowd=demand.peak,
                    needed=needed,
                    ready=ready,
                    lead=lead,
                    promised=scaling.lead,
                    kept=kept,
                )
            )
    return tuple(lines)


def _ready(levels: Levels, pool: str, needed: int, until: dt.datetime) -> dt.datetime | None:
    """Since when a pool has had so many servers, without a gap up to ``until``; None where it has not."""
    since: dt.datetime | None = None
    for when, _, active in levels:
        if when > until:
            break
        there = sum(count for (_, unit), count in active.items() if unit.split("@")[0] == pool)
        since = None if there < needed else since or when
    return since


# Weights and shares


def shares_of(event: Event) -> tuple[ShareLine, ...]:
    """Each unit's part of a balancer's new requests, as the event's newest revision has it."""
    lines: list[ShareLine] = []
    for name, spec in sorted(event.balancers.items()):
        pins = [(part.pool, pin) for part in spec.members for pin in event.pools[part.pool].pins]
        total = sum(pin.count * pin.weight for _, pin in pins)
        lines += [
            ShareLine(
                balancer=name,
                unit=unit_of(pool, pin),
                cloud=event.cloud_of(event.pools[pool].site),
                servers=pin.count,
                weight=pin.weight,
                share=round(100 * pin.count * pin.weight / total, 2) if total else None,
            )
            for pool, pin in pins
        ]
    return tuple(lines)


# What went wrong


def incidents_of(
    runs: Iterable[RunRow], decisions: Iterable[DecisionRow], moves: Iterable[Move]
) -> tuple[Incident, ...]:
    """Everything that did not go as it should, oldest first."""
    runs = tuple(runs)
    larger = gave_way(runs)
    found = [incident for run in runs if run.id not in larger for incident in _of_run(run)]
    found += [incident for row in decisions for incident in _of_decision(row)]
    found += [
        Incident(at=move.updated, kind="move", what=f"move {move.id} of {move.server} {move.state}", cause=move.error)
        for move in moves
        if move.error or move.state == "failed"
    ]
    return tuple(sorted(found, key=lambda incident: incident.at))


def gave_way(runs: Sequence[RunRow]) -> frozenset[int]:
    """Runs, oldest first, that ended for a larger one to go on: their own process began it, with a newer revision."""
    pairs = ((run, after) for run, after in pairwise(runs) if run.outcome == "stopped")
    return frozenset(
        run.id
        for run, after in pairs
        if (after.host, after.pid, after.goal) == (run.host, run.pid, "apply") and after.revision > run.revision
    )


def _of_run(run: RunRow) -> list[Incident]:
    found = [
        Incident(
            at=step.ended or step.called or run.started,
            kind="step",
            what=f"run {run.id}: {step.verb} of {step.unit} on {step.cloud} failed after {step.attempts} attempts",
            cause=step.error,
        )
        for step in run.steps
        if step.state == "failed"
    ]
    if run.outcome is None:
        cause = "it works still, or its process was killed"
        found.append(Incident(at=run.started, kind="run", what=f"run {run.id} ({run.goal}) has no end", cause=cause))
    elif run.outcome != "done":
        left = "; ".join(run.report.left) if run.report else ""
        at = run.ended or run.started
        found.append(Incident(at=at, kind="run", what=f"run {run.id} ({run.goal}) {run.outcome}", cause=left))
    if run.report and run.report.servers.misplaced:
        what = f"run {run.id}: {run.report.servers.misplaced} servers are not where they are pinned"
        found.append(Incident(at=run.ended or run.started, kind="placement", what=what, cause=""))
    return found


def _of_decision(row: DecisionRow) -> list[Incident]:
    if row.state == "failed":
        what = f"decision {row.id}: {row.pool} {row.current} to {row.wanted} failed"
        return [Incident(at=row.at, kind="decision", what=what, cause=row.error or "; ".join(row.reasons))]
    if row.rule == "missing":
        what = f"decision {row.id}: {row.pool} was decided without its signal, {row.times} times"
        return [Incident(at=row.at, kind="signal", what=what, cause="; ".join(row.reasons))]
    return []


# Rows as lines


def _run(run: RunRow, larger: bool) -> RunLine:
    counts = run.report.servers if run.report else None
    return RunLine(
        run=run.id,
        goal=run.goal,
        revision=run.revision,
        outcome="gave way" if larger else run.outcome or "no end",
        started=run.started,
        seconds=round((run.ended - run.started).total_seconds(), 1) if run.ended else None,
        writes=run.writes,
        reads=run.reads,
        wanted=counts.wanted if counts else None,
        active=counts.active if counts else None,
        misplaced=counts.misplaced if counts else None,
        left=run.report.left if run.report else (),
    )


def _decision(row: DecisionRow) -> DecisionLine:
    return DecisionLine(
        id=row.id,
        at=row.at,
        until=row.until,
        times=row.times,
        pool=row.pool,
        source=row.source,
        rule=row.rule,
        current=row.current,
        wanted=row.wanted,
        state=row.state,
        demand=row.demand,
        why=(*row.reasons, *([row.error] if row.error else [])),
    )


def _move(move: Move) -> MoveLine:
    predicted = move.memo.get("predicted") or {}
    return MoveLine(
        id=move.id,
        server=move.server,
        source=move.source,
        target=move.target,
        mover=move.mover,
        phase=move.phase,
        state=move.state,
        started=move.started,
        seconds=round((move.ended - move.started).total_seconds(), 1) if move.ended else None,
        error=move.error,
        predicted=predicted.get("total"),
        predicted_gap=predicted.get("downtime"),
    )
