"""How long moves would take, from what the journal knows of earlier ones, and whether they may begin now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloudsentry.migrate.asking import Asked, Candidate
from cloudsentry.planner import moves as planner
from cloudsentry.records.moving import Findings, Move
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry


class Forecast:
    """From the runs of an event and the moves of all of them, newest first. Reads only."""

    def __init__(self, sentry: Sentry, earlier: Sequence[Move]) -> None:
        self._sentry, self._earlier = sentry, earlier

    def seconds(self, event: Event, candidates: Sequence[Candidate]) -> list[float]:
        """What each move would take, from its first write to its last."""
        boots = self._boots(event.event)
        return [
            planner.seconds(
                one.move.mover,
                copy_bytes=one.found.copy_bytes,
                per_second=self._rate(one.move),
                boots=boots,
                drain=max(
                    (event.balancers[name].drain for name in spec.balancers_of(event, one.order.pool)), default=0.0
                ),
                memory_mb=one.found.memory_mb,
            )
            for one in candidates
        ]

    def gap(self, one: Candidate) -> float:
        """How long the clients of a server that stands alone would wait."""
        boots, rate = self._boots(one.move.event), self._rate(one.move)
        return planner.gap(one.move.mover, copy_bytes=one.found.copy_bytes, per_second=rate, boots=boots)

    def warmer(self, move: Move, found: Findings) -> str:
        """Why a move by `image` should rather be one by `warm`; empty where it should not."""
        return planner.warmer(found, self._rate(move), self._boots(move.event))

    def _rate(self, move: Move) -> float:
        return planner.rate(self._earlier, move.source, move.target)

    def _boots(self, event: str) -> list[float]:
        return [
            (run.ended - run.started).total_seconds()
            for run in self._sentry.runs(event)
            if run.goal == "apply" and run.outcome == "done" and run.ended is not None and run.writes
        ]


def closed(event: Event, asked: Asked, needed: float) -> tuple[str, ...]:
    """Why nothing may begin now, where the asked window is not open."""
    if asked.window != "quiet" or event.calendar is None:
        return ()
    now = dt.datetime.now(dt.UTC)
    opens = planner.opens(event.calendar.demands(), now, needed)
    if opens <= now:
        return ()
    told = f"{opens:%Y-%m-%d %H:%M}Z"
    return (f"window quiet: {needed:.0f} s would reach into a match; it opens at {told} (--window any: now)",)
