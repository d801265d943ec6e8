"""The hall's floor for watching: what is wanted, what is there, what was decided and what comes next, of every event.

Two looks of different cost make one picture: the journal (`heard`: cheap, once a second) and the clouds (`seen`:
dear, seldom). Where a cloud does not answer, what was seen last stays, with its time and the trouble: missing
data is never "nothing there".
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry.errors import SentryError
from cloudsentry.journal.decisions import Decisions
from cloudsentry.journal.moves import Moves
from cloudsentry.records.reports import BalancerLine, ServerLine, Status
from cloudsentry.report import units_of
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import from_dict
from cloudsentry.spec.scaling import capacities
from cloudsentry.weigh import unit_of

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

DECISIONS = 20
"""Decisions of an event that are shown."""
AHEAD = dt.timedelta(hours=6)
"""How far ahead the crowd is drawn."""
GRID = 300
"""Seconds between two points of the crowd to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitNow:
    """The servers of a pool at one place. ``other`` are neither active nor gone: building, in ERROR, shut off."""

    cloud: str
    unit: str
    hypervisors: str
    wanted: int
    active: int
    other: int
    misplaced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareNow:
    """A unit behind a balancer. ``weight`` is of one server, as text where they differ; ``share`` in percent."""

    balancer: str
    unit: str
    members: int
    online: int | None
    weight: str
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNow:
    """One server."""

    id: str
    name: str
    cloud: str
    unit: str
    status: str
    hypervisor: str
    placed: bool
    address: str
    weight: int | None
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Servers wanted and active, and requests per second expected and answerable (None where no pool is scaled)."""

    at: float
    wanted: int
    active: int
    crowd: float | None
    capacity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at an event's clouds found, ``at`` seconds since 1970."""

    at: float
    state: str
    units: tuple[UnitNow, ...]
    shares: tuple[ShareNow, ...]
    servers: tuple[ServerNow, ...]
    drift: tuple[tuple[str, str, str, str], ...]
    """(kind, cloud, unit, what)."""
    capacity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionNow:
    """One decision and its reasons."""

    id: int
    at: float
    pool: str
    current: int
    wanted: int
    rule: str
    source: str
    state: str
    times: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveNow:
    """A move in flight."""

    id: int
    server: str
    source: str
    target: str
    mover: str
    phase: str
    state: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNow:
    """The newest run; ``steps`` counts those that ended well, went wrong, and all. ``outcome`` is "" while it works."""

    id: int
    goal: str
    outcome: str
    started: float
    seconds: float | None
    done: int
    failed: int
    steps: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchNow:
    """The match that is on, or the next one: servers ``needed`` for it in scaled pools, and ``wanted`` there now."""

    match: str
    begins: float
    start: float
    ends: float
    crowd: float
    needed: int
    wanted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the journal tells of an event. ``wanted`` is by cloud."""

    event: str
    title: str
    revision: int
    wanted: tuple[tuple[str, int], ...]
    crowd: float | None
    ahead: tuple[tuple[float, float], ...]
    match: MatchNow | None
    decisions: tuple[DecisionNow, ...]
    moves: tuple[MoveNow, ...]
    run: RunNow | None


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
        demands = event.calendar.demands() if event.calendar and event.scaling else ()
        wanted: Counter[str] = Counter()
        for (cloud, _), count in units_of(event).items():
            wanted[cloud] += count
        first = (int(now.timestamp()) // GRID + 1) * GRID
        grid = range(first, first + int(AHEAD.total_seconds()) + 1, GRID) if demands else ()
        ahead = [(float(t), sum(d.at(dt.datetime.fromtimestamp(t, dt.UTC)) for d in demands)) for t in grid]
        return Heard(
            event=name,
            title=event.title,
            revision=revision.number,
            wanted=tuple(sorted(wanted.items())),
            crowd=sum(demand.at(now) for demand in demands) if demands else None,
            ahead=tuple((t, round(crowd, 1)) for t, crowd in ahead),
            match=_match(event, now),
            decisions=self._decided(name),
            moves=tuple(
                MoveNow(
                    id=move.id,
                    server=move.server,
                    source=move.source,
                    target=move.target,
                    mover=move.mover,
                    phase=move.phase,
                    state=move.state,
                    error=move.error,
                )
                for move in self._moves.unended(name)
            ),
            run=self._run(name),
        )

    def seen(self, name: str) -> Seen:
        """What the clouds have now. Raises `SentryError` where one does not answer."""
        status = self._sentry.status(name)
        event, _ = self._sentry.event(name)
        return Seen(
            at=self._wall().timestamp(),
            state=status.state,
            units=_units(event, status.servers),
            shares=tuple(itertools.chain.from_iterable(_shares(line, status) for line in status.balancers)),
            servers=tuple(_server(line) for line in status.servers),
            drift=tuple((line.kind, line.cloud, line.unit, line.what) for line in status.drift),
            capacity=_capacity(event, status.servers),
        )

    def _decided(self, name: str) -> tuple[DecisionNow, ...]:
        return tuple(
            DecisionNow(
                id=row.id,
                at=row.at.timestamp(),
                pool=row.pool,
                current=row.current,
                wanted=row.wanted,
                rule=row.rule,
                source=row.source,
                state=row.state,
                times=row.times,
                why="; ".join((*row.reasons, *([row.error] if row.error else []))),
            )
            for row in self._decisions.of(name, DECISIONS)
        )

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


def _match(event: Event, now: dt.datetime) -> MatchNow | None:
    demands = event.calendar.demands() if event.calendar else ()
    demand = next((one for one in sorted(demands, key=lambda one: one.start) if one.ends > now), None)
    if demand is None:
        return None
    needed = wanted = 0
    for name, scaling in event.scaling.items():
        pins = event.pools[name].pins
        ladder = capacities(pins, scaling)
        needed += next((n for n, answers in enumerate(ladder) if answers >= demand.peak), len(ladder) - 1)
        wanted += sum(pin.count for pin in pins)
    return MatchNow(
        match=demand.name,
        begins=demand.begins.timestamp(),
        start=demand.start.timestamp(),
        ends=demand.ends.timestamp(),
        crowd=demand.peak,
        needed=needed,
        wanted=wanted,
    )


def _units(event: Event, servers: Iterable[ServerLine]) -> tuple[UnitNow, ...]:
    """A row per unit of the event, and per unit that servers still bear but the event no longer has."""
    wanted = units_of(event)
    found: dict[tuple[str, str], list[ServerLine]] = defaultdict(list)
    for line in servers:
        key = next((key for key in wanted if key[0] == line.cloud and _within(line.unit, key[1])), None)
        found[key or (line.cloud, line.unit)].append(line)
    return tuple(
        UnitNow(
            cloud=cloud,
            unit=unit,
            hypervisors=_hosts(found[cloud, unit]),
            wanted=wanted.get((cloud, unit), 0),
            active=sum(line.status == "ACTIVE" for line in found[cloud, unit]),
            other=sum(line.status != "ACTIVE" for line in found[cloud, unit]),
            misplaced=sum(not line.placed for line in found[cloud, unit]),
        )
        for cloud, unit in sorted({*wanted, *found})
    )


def _within(unit: str, pin: str) -> bool:
    return unit == pin or unit.startswith(f"{pin}:")


def _hosts(servers: Iterable[ServerLine]) -> str:
    hosts = Counter(line.hypervisor for line in servers if line.hypervisor)
    return ", ".join(f"{host} {number}" for host, number in sorted(hosts.items()))


def _shares(line: BalancerLine, status: Status) -> list[ShareNow]:
    # Clouds may use the same addresses; a balancer's members are servers of its own site where one has the address.
    owners = {server.address: server.unit for server in status.servers}
    owners |= {server.address: server.unit for server in status.servers if server.cloud == line.cloud}
    units: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for address, weight, operating in line.members:
        units[owners.get(address, address)].append((weight, operating))
    total = sum(weight for _, weight, _ in line.members)
    return [_share(line.unit, unit, members, total) for unit, members in sorted(units.items())]


def _share(balancer: str, unit: str, members: list[tuple[int, str]], total: int) -> ShareNow:
    weights = sorted({weight for weight, _ in members})
    told = any(operating not in ("", "NO_MONITOR") for _, operating in members)
    return ShareNow(
        balancer=balancer,
        unit=unit,
        members=len(members),
        online=sum(operating == "ONLINE" for _, operating in members) if told else None,
        weight=f"{weights[0]}" if len(weights) == 1 else f"{weights[0]} to {weights[-1]}",
        share=round(100 * sum(weight for weight, _ in members) / total, 1) if total else None,
    )


def _server(line: ServerLine) -> ServerNow:
    return ServerNow(
        id=line.id,
        name=line.name,
        cloud=line.cloud,
        unit=line.unit,
        status=line.status,
        hypervisor=line.hypervisor,
        placed=line.placed,
        address=line.address,
        weight=line.weight,
        member=line.member,
    )


def _capacity(event: Event, servers: tuple[ServerLine, ...]) -> float | None:
    """Requests per second that the active servers of the scaled pools answer, each by its pin's weight."""
    if not event.scaling:
        return None
    total = 0.0
    for name, scaling in event.scaling.items():
        pool = event.pools[name]
        top = max((pin.weight for pin in pool.pins), default=0)
        from_pin = {unit_of(name, pin): pin.weight / top if top else 1.0 for pin in pool.pins}
        for line in servers:
            if line.status == "ACTIVE" and line.cloud == event.cloud_of(pool.site):
                share = next((weight for unit, weight in from_pin.items() if _within(line.unit, unit)), 0.0)
                total += scaling.per_server * share
    return round(total, 1)
