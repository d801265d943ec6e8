"""The hall's floor for weights that change while an event runs.

Members that slow down lose weight and get it back; pools of a site that comes get it by and by; members behind a long
path have it only while whole transfers arrive. One look reads the balancers' own counters; what changes becomes a
revision of the event, like a weight set by hand. What was found is kept there, so that any process goes on from it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudsentry import turns
from cloudsentry.drivers.load.path import Tried, tried
from cloudsentry.errors import DriverError
from cloudsentry.planner import reweigh
from cloudsentry.planner.reweigh import Rules, Seen, State
from cloudsentry.records.loading import Target
from cloudsentry.records.reports import Report
from cloudsentry.records.views import Balancer, Member
from cloudsentry.spec.event import BalancerSpec, Event, MembersOf
from cloudsentry.spec.reweighing import FIRST, Fallback, Reweigh, Tuned, may_be_tuned
from cloudsentry.weights.weigh import full_weights

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

PROBE_EVERY = 30.0
"""Seconds from one trial of a path to the next."""
FRESH = 60.0
"""Seconds that the knowledge of who is whose server is used before it is looked up again."""
WHY_MOST = 500
PROBES, PROBED = 9, 3
"""Transfers by which a member is timed in a look, and how many members of a unit are, where the balancer tells none."""

Path = Callable[[str, Target, Fallback], Tried]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One unit behind one balancer, as a look found it. ``time_ms`` and ``slowness`` are None where not known."""

    balancer: str
    unit: str
    full: int
    weight: int
    time_ms: float | None
    slowness: float | None
    why: str


@dataclass(slots=True)
class _Watched:
    """One balancer between two looks."""

    states: dict[str, State] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    at: float = 0.0
    paths: dict[str, tuple[float, Tuned]] = field(default_factory=dict)


class Follower:
    """Follows the events of one journal, look after look; not for several threads at once."""

    def __init__(
        self, sentry: Sentry, *, wall: Callable[[], dt.datetime] | None = None, path: Path | None = None
    ) -> None:
        """``wall`` tells the time, aware; ``path`` tries a path. The defaults are the machine's clock, and curl."""
        self._sentry = sentry
        self._wall = wall or (lambda: dt.datetime.now(dt.UTC))
        self._path = path or _by_curl
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._units: dict[str, tuple[float, dict[str, str]]] = {}

    def once(self, name: str, *, dry_run: bool = False) -> tuple[tuple[Line, ...], Report | None]:
        """One look at an event's balancers; what changes is applied (not with ``dry_run``).

        Raises `UserError` for an event that is not there, `DriverError` where a balancer cannot be looked at, and as
        `cloudsentry.turns.taken`.
        """
        event, _ = self._sentry.event(name)
        if not may_be_tuned(event):
            return (), None
        lines: list[Line] = []
        wanted: dict[str, dict[str, Tuned]] = {}
        for balancer, spec in event.balancers.items():
            if spec.reweigh is None and not any(part.fallback or part.ramp is not None for part in spec.members):
                continue
            found, tuned = self._balancer(event, balancer, spec)
            lines += found
            if tuned != (spec.tuned or {}):
                wanted[balancer] = tuned
        changed = {balancer for balancer, tuned in wanted.items() if _matters(event.balancers[balancer], tuned)}
        if not changed or dry_run:
            return tuple(lines), None
        report = turns.taken(self._sentry, event.event, lambda newest: _with_tuned(newest, wanted))
        return tuple(lines), report

    def _balancer(self, event: Event, name: str, spec: BalancerSpec) -> tuple[list[Line], dict[str, Tuned]]:
        standing = self._sentry.balancer(event, name)
        full = full_weights(event, name, self._server_units(event, standing))
        watched = self._watched.setdefault((event.event, name), _Watched())
        now = self._wall()
        seen = self._seen(event, watched, standing, spec.reweigh, now.timestamp())
        tuned = dict(spec.tuned or {})
        if spec.reweigh is not None:
            tuned |= self._reweighed(watched, spec, full, seen, now)
        for part in spec.members:
            mine = {unit: weight for unit, weight in full.items() if unit.split("@")[0] == part.pool}
            if part.fallback is not None:
                tuned |= self._fallback(event, watched, spec, part, mine, standing, now)
            elif part.ramp is not None:
                tuned |= _ramp(spec, part.ramp, mine, now)
        kept = {unit: one for unit, one in tuned.items() if unit in full and not _plain(spec, unit, one, full[unit])}
        times = {one.unit: one.time for one in seen}
        lines = [_line(name, spec, unit, full[unit], kept, times, watched) for unit in sorted(full)]
        return lines, kept

    def _server_units(self, event: Event, standing: Balancer | None) -> dict[str, str]:
        """Server id → unit, of the event; looked up again when somebody new is a member."""
        at, known = self._units.get(event.event, (0.0, {}))
        names = {member.name for member in standing.members if member.mark is not None} if standing else set()
        now = self._wall().timestamp()
        if names - known.keys() or now - at > FRESH:
            known = {line.id: line.unit for line in self._sentry.status(event).servers}
            self._units[event.event] = (now, known)
        return known

    def _seen(
        self, event: Event, watched: _Watched, standing: Balancer | None, spec: Reweigh | None, now: float
    ) -> list[Seen]:
        """The mean time of each unit's answers since the last look: counted by the balancer, or by our transfers."""
        members = {member.name: member for member in standing.members if member.mark} if standing else {}
        units = self._units[event.event][1]
        if spec is not None and spec.place is not None:
            return self._timed(spec.place, spec.path, units, members)
        parts: dict[str, list[tuple[float, int]]] = {}
        for name, member in members.items():
            unit, old = units.get(name), watched.members.get(name)
            one = _time(member, old, now - watched.at) if old is not None else None
            if unit is not None:
                parts.setdefault(unit, []).extend([one] if one else [])
        watched.members, watched.at = members, now
        return [Seen(unit=unit, time=_mean(times)) for unit, times in sorted(parts.items())]

    def _timed(self, place: str, path: str, units: dict[str, str], members: dict[str, Member]) -> list[Seen]:
        """How long some members of each unit take, asked directly; not known where they do not answer."""
        listed: dict[str, list[Member]] = {}
        for name, member in sorted(members.items()):
            if name in units:
                listed.setdefault(units[name], []).append(member)
        seen = []
        for unit, mine in sorted(listed.items()):
            spec = Fallback(path=path, size=1, tries=PROBES, within=5, place=place)
            times = []
            for member in mine[:PROBED]:
                with suppress(DriverError):
                    told = self._path(place, Target(address=member.address, port=member.port), spec)
                    times += [(told.usual_ms, told.whole)] if told.whole else []
            seen.append(Seen(unit=unit, time=_mean(times)))
        return seen

    def _reweighed(
        self, watched: _Watched, spec: BalancerSpec, full: dict[str, int], seen: list[Seen], now: dt.datetime
    ) -> dict[str, Tuned]:
        assert spec.reweigh is not None
        fallbacks = {part.pool for part in spec.members if part.fallback is not None}
        followed = {unit: weight for unit, weight in full.items() if unit.split("@")[0] not in fallbacks and weight}
        states = {unit: _state(watched.states.get(unit), spec, unit, weight) for unit, weight in followed.items()}
        rules = Rules(
            slower=spec.reweigh.slower, step=spec.reweigh.step, floor=spec.reweigh.floor, back=spec.reweigh.back
        )
        watched.states = reweigh.follow(states, seen, rules, now.timestamp())
        return {
            unit: Tuned(
                weight=state.weight,
                why=state.why,
                at=dt.datetime.fromtimestamp(state.since, dt.UTC),
                normal=state.normal,
                relapses=state.relapses,
                trial=state.trial,
            )
            for unit, state in watched.states.items()
            if state.since and (state.weight < state.full or unit in (spec.tuned or {}))
        }

    def _fallback(
        self,
        event: Event,
        watched: _Watched,
        spec: BalancerSpec,
        part: MembersOf,
        full: dict[str, int],
        standing: Balancer | None,
        now: dt.datetime,
    ) -> dict[str, Tuned]:
        """Weight for each unit whose members' paths carry whole transfers, none for the others; tried now and then."""
        assert part.fallback is not None
        place = part.fallback.place or spec.host or "local"
        units = self._units[event.event][1]
        found: dict[str, Tuned] = {}
        for unit, weight in full.items():
            at, old = watched.paths.get(unit, (0.0, None))
            if old is not None and now.timestamp() - at < PROBE_EVERY:
                found[unit] = old
                continue
            members = [one for one in (standing.members if standing else ()) if units.get(one.name) == unit]
            told = self._tried(place, part, members)
            one = _found(weight if told.good else 0, f"path from {place}: {told.why}", now)
            before = (spec.tuned or {}).get(unit)
            if before is not None and before.weight == one.weight:
                one = before
            watched.paths[unit] = (now.timestamp(), one)
            found[unit] = one
        return found

    def _tried(self, place: str, part: MembersOf, members: list[Member]) -> Tried:
        """The worst of a unit's members' paths; the first bad one decides."""
        assert part.fallback is not None
        worst = Tried(address="", tries=0, whole=0, latency_ms=0.0, slowest_ms=0.0, why="no member yet to be tried")
        for member in members:
            try:
                told = self._path(place, Target(address=member.address, port=member.port), part.fallback)
            except DriverError as error:
                return replace(worst, why=f"could not be tried: {error}")
            if not told.good:
                return told
            worst = max(worst, told, key=lambda one: one.slowest_ms)
        return worst


def _by_curl(place: str, target: Target, spec: Fallback) -> Tried:
    return tried(place, target, path=spec.path, size=spec.size, tries=spec.tries, within=spec.within)


def _time(member: Member, old: Member, seconds: float) -> tuple[float, int] | None:
    """(ms, answers) since the last look; None where there were too few, or the driver does not tell.

    Who tells no times tells how many requests are open: by Little's law these are rate times time.
    """
    if member.served is None or old.served is None or member.served - old.served < reweigh.ENOUGH or seconds <= 0:
        return None
    answers = member.served - old.served
    if member.time_ms is not None:
        return member.time_ms, answers
    if member.connections is None or old.connections is None:
        return None
    return (member.connections + old.connections) / 2 * seconds / answers * 1000, answers


def _mean(times: list[tuple[float, int]]) -> float | None:
    answers = sum(count for _, count in times)
    return sum(ms * count for ms, count in times) / answers if answers else None


def _state(old: State | None, spec: BalancerSpec, unit: str, full: int) -> State:
    """As it was in this process, else as the revision keeps it; a new full weight begins anew."""
    kept = (spec.tuned or {}).get(unit)
    weight = min(full, kept.weight) if kept else full
    if old is not None and old.full == full and old.weight == weight:
        return old
    if kept is None:
        return State(full=full, weight=full, normal=old.normal if old else None, learnt=old.learnt if old else ())
    return State(
        full=full,
        weight=weight,
        since=kept.at.timestamp(),
        normal=kept.normal,
        relapses=kept.relapses,
        trial=kept.trial,
        why=kept.why,
    )


def _ramp(spec: BalancerSpec, seconds: float, full: dict[str, int], now: dt.datetime) -> dict[str, Tuned]:
    """The whole pool's weight, by the time since its first unit came; ``at`` is that time."""
    old = {unit: one for unit, one in (spec.tuned or {}).items() if unit in full}
    began = min((one.at for one in old.values()), default=now)
    part = (now - began).total_seconds()
    made = {}
    for unit, weight in full.items():
        now_weight = reweigh.ramped(weight, part, seconds, FIRST)
        why = f"comes by and by: {now_weight} of {weight}" if now_weight < weight else "has come"
        made[unit] = _found(now_weight, why, began)
    return made


def _found(weight: int, why: str, at: dt.datetime) -> Tuned:
    return Tuned(weight=weight, why=why[:WHY_MOST], at=at, normal=None, relapses=0, trial=False)


def _plain(spec: BalancerSpec, unit: str, one: Tuned, full: int) -> bool:
    """Whether an entry says no more than the pin does; those of ramps and fallbacks always say more."""
    part = next(part for part in spec.members if part.pool == unit.split("@")[0])
    return part.fallback is None and part.ramp is None and one.weight >= full and not one.trial and not one.relapses


def _matters(spec: BalancerSpec, tuned: dict[str, Tuned]) -> bool:
    """Whether what was found is worth a revision: a weight that is another, or an entry that comes or goes."""
    old = {unit: one.weight for unit, one in (spec.tuned or {}).items()}
    return old != {unit: one.weight for unit, one in tuned.items()}


def _with_tuned(event: Event, wanted: dict[str, dict[str, Tuned]]) -> Event:
    balancers = dict(event.balancers)
    for name, tuned in wanted.items():
        if name in balancers:
            balancers[name] = balancers[name].model_copy(update={"tuned": tuned or None})
    return event.model_copy(update={"balancers": balancers})


def _line(
    balancer: str,
    spec: BalancerSpec,
    unit: str,
    full: int,
    tuned: dict[str, Tuned],
    times: dict[str, float | None],
    watched: _Watched,
) -> Line:
    made = spec.model_copy(update={"tuned": tuned or None})
    state = watched.states.get(unit)
    return Line(
        balancer=balancer,
        unit=unit,
        full=full,
        weight=made.weight_of(unit.split("@")[0], unit, full),
        time_ms=times.get(unit),
        slowness=state.slowness if state and times.get(unit) is not None else None,
        why=tuned[unit].why if unit in tuned else "",
    )
