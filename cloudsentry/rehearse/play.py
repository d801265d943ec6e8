"""The days of a calendar, tick by tick, and whether the event may go on stage."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import math
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cloudsentry import conf
from cloudsentry.errors import SentryError, UserError
from cloudsentry.executor.clock import JumpClock
from cloudsentry.history.report import history
from cloudsentry.records.history import History
from cloudsentry.records.reports import Report
from cloudsentry.records.scaling import Boot, Missing, Reading
from cloudsentry.rehearse import chaos, crowd, stage
from cloudsentry.rehearse.record import Recorder
from cloudsentry.scaling.leads import BOOT_UNKNOWN
from cloudsentry.scaling.scale import Scaler
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.scaling import SignalSpec, capacities

TICK, REST = 60.0, 900.0
"""Seconds between ticks while a match is near, and while none is."""
MEND = 600.0
"""Seconds between ticks that also look for drift; every look costs a rehearsal more than the rest of a tick."""
NEAR = 1200.0
"""Seconds around a match's window that count as near."""
SHORT_MOST = 0.01
"""Share of the matches' time that servers may be missing."""
GIVEN_BACK = 7200.0
"""Seconds after the last match by which the pools must be at their least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchLine:
    """One match. ``ready`` is whether all announced servers served ``lead`` before it; times in seconds."""

    match: str
    pool: str
    start: dt.datetime
    announced: float
    came: float
    ready: bool
    short: float
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """GO or NO-GO, the reasons, and what they rest on. ``short`` is a share of the matches' time."""

    go: bool
    reasons: tuple[str, ...]
    matches: tuple[MatchLine, ...]
    short: float
    ticks: int
    runs: int
    failed: int
    days: float


@dataclass(slots=True)
class _Tally:
    """What is counted while it plays, by match and pool."""

    ready: dict[tuple[str, str], bool] = field(default_factory=dict)
    short: dict[tuple[str, str], float] = field(default_factory=dict)
    ticks: int = 0
    runs: int = 0
    failed: list[str] = field(default_factory=list)


class Rehearsal:
    """One rehearsal of one event. Deterministic but for threads: the same seed brings the same crowds and faults."""

    def __init__(
        self,
        event: Event,
        settings: conf.Settings,
        *,
        kinds: Sequence[str] = (),
        seed: int = 1,
        speed: float | None = None,
        boot: float = 120.0,
        tell: Callable[[str], None] = lambda line: None,
        keep: Path | None = None,
        reported: bool = False,
    ) -> None:
        """``boot`` is the seconds that servers take; ``keep`` a folder that the journal is left in.

        ``reported`` is whether `report` will be asked: reading a whole journal takes seconds.

        Raises `UserError` for an event without matches or scaling.
        """
        if event.calendar is None or not event.calendar.matches or not event.scaling:
            raise UserError(f"event {event.event} has no matches, or scales no pool: there is nothing to rehearse")
        self._event, self._clouds = stage.staged(event)
        self._settings, self._tell, self._keep, self._seed = settings, tell, keep, seed
        self._reported = reported
        self._courses = crowd.crowds(event.calendar, seed)
        self._notice = dt.timedelta(seconds=max(one.lead for one in event.scaling.values()) + BOOT_UNKNOWN)
        self._faults = chaos.scheduled(kinds, self._courses, self._notice) if kinds else ()
        self._courses = chaos.resized(self._courses, self._faults)
        self._demands = event.calendar.demands()
        self._begin = self._demands[0].begins - self._notice - dt.timedelta(seconds=NEAR)
        self._clock = JumpClock(speed, self._begin)
        self._recorder = Recorder()
        self._history: History | None = None
        self._boot_looks = max(1, math.ceil(boot / stage.POLL))
        self._rng = random.Random(seed)
        self._mended = self._begin
        self._took: list[float] = []
        self._tally = _Tally()

    def play(self) -> Verdict:
        """Every day of it, and the end; nothing outside of this process and a folder of its own is touched."""
        for cloud in self._clouds:
            with cloud.work() as state:
                state.boot_looks = self._boot_looks
        with contextlib.nullcontext(self._keep) if self._keep else _folder() as folder:
            sentry = Sentry(stage.settings_in(folder, self._settings), clock=self._clock)
            scaler = Scaler(sentry, wall=self._clock.wall, signals=self._signal, boots=self._boots)
            try:
                verdict = self._played(sentry, scaler)
                if self._reported:
                    self._history = history(sentry, self._event.event, now=self._clock.wall())
                return verdict
            finally:
                scaler.close()
                sentry.close()

    def stop(self) -> None:
        """End soon."""
        self._clock.stop()

    def report(self, verdict: Verdict) -> History:
        """The history of what was played, with the figures of its crowd. Raises `LookupError` where none is kept."""
        if self._history is None:
            raise LookupError("nothing was played, or not to be reported")
        kinds = ", ".join(fault.kind for fault in self._faults) or "none"
        told = (
            f"A rehearsal: clouds in memory, a crowd that was made up from the timetable (seed {self._seed}), faults: "
            f"{kinds}. Nothing here was measured on real servers.",
            f"{'GO' if verdict.go else 'NO-GO'}: {'; '.join(verdict.reasons)}.",
        )
        found = dataclasses.replace(self._history, figures=self._recorder.figures(), notes=told)
        return cast(History, told_as(found, stage.real))

    def _boots(self, event: str) -> tuple[Boot, ...]:
        # As from the journal's runs, which hundreds of thousands of questions would make a rehearsal slow.
        return tuple(Boot(unit="", batch=1, seconds=seconds) for seconds in self._took[-50:])

    def _played(self, sentry: Sentry, scaler: Scaler) -> Verdict:
        self._count(sentry.apply(self._event))
        faults, ending = list(self._faults), list(self._faults)
        last = self._demands[-1].ends + dt.timedelta(seconds=GIVEN_BACK)
        day = None
        while self._clock.wall() < last and not self._clock.stopped:
            now = self._clock.wall()
            if day != now.date():
                day = now.date()
                self._tell(f"{day}: {self._tally.ticks} ticks, {self._tally.runs} runs")
            while faults and faults[0].at <= now:
                self._tell(f"{now:%Y-%m-%d %H:%M} UTC {faults[0].match}: {faults[0].kind}")
                chaos.broken(faults.pop(0), self._clouds, self._event.event, self._boot_looks)
            for fault in [fault for fault in ending if fault.until <= now]:
                chaos.mended(fault, self._clouds, self._boot_looks)
                ending.remove(fault)
            self._tick(scaler, now)
            self._rest(now)
        given_back = self._least(sentry)
        left = sentry.destroy(self._event.event).left
        return self._verdict(given_back, left)

    def _tick(self, scaler: Scaler, now: dt.datetime) -> None:
        """One pass as the agent does it; what it raises is tried again at the next one, as the agent does."""
        before = {pool: stage.serving(self._event, pool, self._clouds) for pool in self._event.scaling}
        mend = now >= self._mended + dt.timedelta(seconds=MEND)
        if mend:
            self._mended = now
        try:
            report = scaler.tick(self._event.event, reconcile=mend).report
            if report is not None:
                self._count(report)
        except SentryError as error:
            self._tally.failed.append(f"{now:%Y-%m-%d %H:%M} UTC: {error}")
        self._tally.ticks += 1
        self._watch(before, now, self._clock.wall())  # until a run has ended, its servers count for nothing

    def _rest(self, began: dt.datetime) -> None:
        now = self._clock.wall()
        wait = TICK if self._near(now) else REST
        until = began + dt.timedelta(seconds=wait)
        if until <= now:
            until = now + dt.timedelta(seconds=1)
        supply = {pool: stage.serving(self._event, pool, self._clouds) for pool in self._event.scaling}
        self._watch(supply, now, until)
        self._clock.sleep((until - now).total_seconds())

    def _count(self, report: Report) -> None:
        self._tally.runs += 1
        if report.outcome != "done":
            self._tally.failed.append(f"run {report.run}: {'; '.join(report.left) or report.outcome}")
        elif report.writes or report.seconds > stage.POLL:
            self._took.append(report.seconds)

    def _near(self, now: dt.datetime) -> bool:
        margin = dt.timedelta(seconds=NEAR) + self._notice
        return any(one.begins - margin <= now <= one.ends + margin for one in self._demands)

    def _signal(self, spec: SignalSpec) -> Reading | Missing:
        now = self._clock.wall()
        if chaos.active(self._faults, "blind", now):
            return Missing(why="rehearsed: no answer", source="rehearsal")
        load = crowd.load(self._courses, now) * self._rng.gauss(1, 0.02)
        witness = any(spec is scaling.witness for scaling in self._event.scaling.values())
        if chaos.active(self._faults, "flood", now, within=1200) and not witness:
            load *= 11
        return Reading(value=max(0.0, load), unit="requests/s", source="rehearsal")

    def _watch(self, supply: dict[str, dict[str, float]], first: dt.datetime, last: dt.datetime) -> None:
        """Compare what serves with what comes, between two moments."""
        for pool, scaling in self._event.scaling.items():
            for demand in self._demands:
                due = demand.start - dt.timedelta(seconds=scaling.lead)
                if first <= due < last:
                    self._tally.ready[demand.name, pool] = sum(supply[pool].values()) >= demand.peak * (1 - 1e-9)
        moment, totals = first, {pool: sum(hosts.values()) for pool, hosts in supply.items()}
        while moment < last:
            step = min(30.0, (last - moment).total_seconds())
            load = crowd.load(self._courses, moment)
            self._recorder.note(moment, load, supply)
            on = [course.name for course in self._courses if self._during(course, moment)]
            for pool, answers in totals.items():
                for name in on if load > answers else ():
                    key = (name, pool)
                    self._tally.short[key] = self._tally.short.get(key, 0.0) + step
            moment += dt.timedelta(seconds=step)

    @staticmethod
    def _during(course: crowd.Course, when: dt.datetime) -> bool:
        return -course.ramp <= (when - course.start).total_seconds() <= course.length + course.ramp

    def _least(self, sentry: Sentry) -> tuple[str, ...]:
        """What has not been given back."""
        event, _ = sentry.event(self._event.event)
        counts = {pool: sum(pin.count for pin in event.pools[pool].pins) for pool in event.scaling}
        most = {pool: event.scaling[pool].least + 1 for pool in counts}  # the one that may fail
        return tuple(
            f"{pool} still has {count} servers {GIVEN_BACK / 3600:g} h after the last match"
            for pool, count in counts.items()
            if count > most[pool]
        )

    def _verdict(self, given_back: tuple[str, ...], left: tuple[str, ...]) -> Verdict:
        lines = tuple(self._line(number, pool) for number in range(len(self._demands)) for pool in self._event.scaling)
        length = sum(course.length + 2 * course.ramp for course in self._courses) * len(self._event.scaling)
        short = sum(self._tally.short.values()) / length if length else 0.0
        reasons = [*self._beyond(), *(_late(line) for line in lines if not line.ready), *given_back]
        reasons += [f"not removed at the end: {line}" for line in left]
        if self._clock.stopped:
            reasons.append("the rehearsal was stopped before its end")
        if short > SHORT_MOST:
            worst = max(lines, key=lambda line: line.short)
            why = f" ({', '.join(worst.faults)})" if worst.faults else ""
            reasons.append(
                f"servers were missing for {short:.1%} of the matches' time, more than {SHORT_MOST:.0%}; "
                f"longest in {worst.match}, {worst.short / 60:.0f} min{why}"
            )
        return Verdict(
            go=not reasons,
            reasons=tuple(reasons) or self._well(short),
            matches=lines,
            short=short,
            ticks=self._tally.ticks,
            runs=self._tally.runs,
            failed=len(self._tally.failed),
            days=self._clock.now() / 86400,
        )

    def _well(self, short: float) -> tuple[str, ...]:
        told = [
            f"all servers of {len(self._demands)} matches were ready in time",
            f"servers were missing for {short:.2%} of the matches' time",
        ]
        kinds = ", ".join(f"{fault.kind} at {fault.match}" for fault in self._faults)
        return (*told, *([f"overcome: {kinds}"] if kinds else []))

    def _line(self, number: int, pool: str) -> MatchLine:
        demand = self._demands[number]
        course = next(course for course in self._courses if course.name == demand.name)
        key = (demand.name, pool)
        return MatchLine(
            match=demand.name,
            pool=pool,
            start=demand.start,
            announced=demand.peak,
            came=course.crowd,
            ready=self._tally.ready.get(key, False),
            short=self._tally.short.get(key, 0.0),
            faults=tuple(fault.kind for fault in self._faults if fault.match == demand.name),
        )

    def _beyond(self) -> list[str]:
        """Matches whose crowd even all servers would not carry."""
        found = []
        for pool, scaling in self._event.scaling.items():
            top = capacities(self._event.pools[pool].pins, scaling)[-1]
            names = [demand.name for demand in self._demands if demand.peak > top * (1 + 1e-9)]
            if names:
                found.append(f"{pool} answers {top:g} requests/s at the most, too few for {', '.join(names)}")
        return found


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cloudsentry-rehearsal-") as folder:
        yield Path(folder)


def told_as(value: Any, word: Callable[[str], str]) -> Any:
    """A record with every text in it, also of the records and tuples that it holds, as ``word`` has it."""
    if isinstance(value, str):
        return word(value)
    if isinstance(value, tuple):
        return tuple(told_as(one, word) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = ((part.name, getattr(value, part.name)) for part in dataclasses.fields(value))
        return dataclasses.replace(value, **{name: told_as(part, word) for name, part in parts})
    return value


def _late(line: MatchLine) -> str:
    why = f" ({', '.join(line.faults)})" if line.faults else ""
    return f"{line.match}: servers of {line.pool} were not all ready in time{why}"
