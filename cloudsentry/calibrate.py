"""The hall's floor for calibration: what the servers of a pool carry, measured, and weights from it.

Load goes to the servers themselves, past the balancer: 1 … k servers of one hypervisor at once, as many as stand
there, for guests with the same work on one host do not add up. Nothing of the event is changed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudsentry.drivers.load.base import SECONDS_MOST, LoadDriver
from cloudsentry.errors import UserError
from cloudsentry.journal.calibrations import Calibrations
from cloudsentry.loading import Loader
from cloudsentry.planner.knee import further, knee
from cloudsentry.planner.ratios import carried, weights_of
from cloudsentry.records.loading import Capacity, LoadOrder, LoadResult, Target
from cloudsentry.records.reports import ServerLine
from cloudsentry.spec.event import Event
from cloudsentry.weigh import WEIGHT_MOST, unit_of

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

RAMP = (1, 2, 4, 8, 16, 32, 64)
"""Connections to each server, step by step."""
MOST = {"apache": 100}
"""The largest weight of balancer drivers that have another range: `mod_proxy_balancer`'s load factor."""
HEADROOM = 0.15
"""Kept free where a pool's load is told: latency at 85 % of capacity is what this project tunes for."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks to be measured. ``place`` is where load comes from, ``seconds`` a step of the ramp's.

    Of ``rounds`` the best counts: whoever else works on the machines can only make servers look weaker.
    """

    event: str
    pool: str
    place: str = "local"
    driver: str = "wrk"
    path: str = "/image"
    port: int = 0
    seconds: float = 5.0
    rounds: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Servers of one unit that stand on one hypervisor."""

    unit: str
    hypervisor: str
    targets: tuple[Target, ...]


def silent(line: str) -> None:
    """A listener that hears nothing."""


def groups(sentry: Sentry, asked: Asked) -> tuple[Group, ...]:
    """What would be measured: for each unit of the pool, its servers on the hypervisor that has the most of them.

    Raises `UserError` for a pool that the event has not, or none of whose servers serves.
    """
    event, _ = sentry.event(asked.event)
    if asked.pool not in event.pools:
        raise UserError(f"event {event.event} has no pool {asked.pool!r}; it has {', '.join(event.pools)}")
    if not 1 <= asked.seconds <= SECONDS_MOST:
        raise UserError(f"a step takes from 1 to {SECONDS_MOST:.0f} seconds, not {asked.seconds:g}")
    if asked.rounds < 1:
        raise UserError(f"at least one round, not {asked.rounds}")
    port = asked.port or _port(event, asked.pool)
    found: dict[str, dict[str, list[Target]]] = defaultdict(lambda: defaultdict(list))
    for line in sentry.status(event).servers:
        if _serves(line, asked.pool):
            found[line.unit][line.hypervisor].append(Target(address=line.address, port=port))
    if not found:
        raise UserError(f"no server of pool {asked.pool} is ACTIVE and has an address: apply the event first")
    fullest = {unit: max(hosts, key=lambda name: len(hosts[name])) for unit, hosts in found.items()}
    return tuple(
        Group(unit=unit, hypervisor=host, targets=tuple(found[unit][host])) for unit, host in sorted(fullest.items())
    )


def calibrate(
    sentry: Sentry, asked: Asked, *, loader: Loader | None = None, listen: Told = silent
) -> tuple[Capacity, ...]:
    """Measure a pool, keep it in the journal, and return it, by unit and number of servers.

    Raises `UserError` as `groups` does and where a server does not answer ``path`` as it should, and `DriverError`
    where load cannot be driven from the place. Then nothing is kept.
    """
    standing = groups(sentry, asked)
    event = sentry.event(asked.event)[0].event
    driver: LoadDriver = (loader or Loader()).at(("load", asked.place, asked.driver))
    at = dt.datetime.now(dt.UTC)
    packings = [replace(one, targets=one.targets[:k]) for one in standing for k in range(1, len(one.targets) + 1)]
    best: dict[tuple[str, int], Capacity] = {}
    for _ in range(asked.rounds):
        for group in packings:
            measured = _capacity(event, asked, group, _ramp(driver, asked, group, listen), at)
            key = (group.unit, measured.servers)
            if key not in best or measured.responses > best[key].responses:
                best[key] = measured
    found = tuple(replace(one, derating=one.each / best[one.unit, 1].responses) for one in best.values())
    with contextlib.closing(Calibrations(sentry.settings.journal.connection)) as kept:
        kept.add(found)
    return found


def measured_weights(sentry: Sentry, name: str, balancer: str) -> dict[str, int]:
    """Weights by unit behind a balancer, from the newest calibration of each of its pools.

    Raises `UserError` for a balancer that the event has not, and for pins that were not measured.
    """
    event, _ = sentry.event(name)
    spec = event.balancers.get(balancer)
    if spec is None:
        raise UserError(f"event {event.event} has no balancer {balancer!r}; it has {', '.join(event.balancers)}")
    each: dict[str, float] = {}
    with contextlib.closing(Calibrations(sentry.settings.journal.connection)) as kept:
        for part in spec.members:
            newest = capacities(kept.newest(event.event, part.pool))
            wanted = counts_of(event, part.pool)
            if lacking := [unit for unit in wanted if unit not in newest]:
                raise UserError(f"{', '.join(lacking)}: not measured; run `calibrate {event.event} {part.pool}` first")
            each |= {unit: newest[unit] for unit in wanted}
    return weights_of(each, MOST.get(spec.driver, WEIGHT_MOST))


def weights_for(found: tuple[Capacity, ...]) -> dict[str, int]:
    """The weight of each measured unit among its pool's."""
    each = capacities(found)
    weights = weights_of(each, WEIGHT_MOST)
    return {one.unit: weights[pin_of(one.unit)] for one in found}


def told(event: Event, pool: str, found: tuple[Capacity, ...]) -> tuple[str, ...]:
    """What the measured pool carries with those weights, and without its largest unit: lines for people."""
    each = capacities(found)
    counts = {unit: count for unit, count in counts_of(event, pool).items() if unit in each}
    weights = weights_of(each, WEIGHT_MOST)
    whole = carried(each, counts, weights, HEADROOM)
    lines = [f"Pool {pool} carries {whole:.0f} responses/s with {HEADROOM:.0%} kept free."]
    if len(counts) > 1:
        largest = max(counts, key=lambda unit: counts[unit] * each[unit])
        left = carried(each, {unit: count for unit, count in counts.items() if unit != largest}, weights, HEADROOM)
        lines.append(f"Without {largest}: {left:.0f}.")
    return tuple(lines)


def capacities(found: tuple[Capacity, ...]) -> dict[str, float]:
    """Responses per second of one server by pin, among as many neighbours as were measured.

    A pin that spreads over several hosts has the capacity of its weakest.
    """
    packed: dict[str, Capacity] = {}
    for one in found:
        if one.unit not in packed or one.servers > packed[one.unit].servers:
            packed[one.unit] = one
    made: dict[str, float] = {}
    for unit, one in packed.items():
        pin = pin_of(unit)
        made[pin] = min(made.get(pin, math.inf), one.each)
    return made


def pin_of(unit: str) -> str:
    """A unit as the event's pins are called: without the host that an aggregate's or a trait's share stands on."""
    pool, _, place = unit.partition("@")
    kind, _, rest = place.partition(":")
    return f"{pool}@{kind}:{rest.partition(':')[0]}" if kind in ("aggregate", "trait") and rest else unit


def counts_of(event: Event, pool: str) -> dict[str, int]:
    """Servers that the event wants, by pin; pins that want none are left out."""
    counted: Counter[str] = Counter()
    for pin in event.pools[pool].pins:
        counted[unit_of(pool, pin)] += pin.count
    return {unit: count for unit, count in counted.items() if count}


def _port(event: Event, pool: str) -> int:
    parts = [part for spec in event.balancers.values() for part in spec.members if part.pool == pool]
    return parts[0].port if parts else 80


def _serves(line: ServerLine, pool: str) -> bool:
    return line.unit.split("@")[0] == pool and line.status == "ACTIVE" and bool(line.address)


def _ramp(driver: LoadDriver, asked: Asked, group: Group, listen: Told) -> list[LoadResult]:
    ramp: list[LoadResult] = []
    for connections in RAMP:
        if not further(ramp, asked.seconds):
            break
        order = LoadOrder(targets=group.targets, path=asked.path, connections=connections, seconds=asked.seconds)
        ramp.append(driver.drive(order))
        listen(_line(group, ramp[-1]))
    return ramp


def _capacity(event: str, asked: Asked, group: Group, ramp: list[LoadResult], at: dt.datetime) -> Capacity:
    """The knee of a ramp as a capacity, not yet derated. Raises `UserError` where it has none."""
    bend = knee(ramp, asked.seconds)
    if bend is None:
        where = ", ".join(f"{target.address} port {target.port}" for target in group.targets)
        raise UserError(f"{group.unit}: {where} does not serve {asked.path}: {ramp[0].errors} errors")
    return Capacity(
        event=event,
        pool=asked.pool,
        unit=group.unit,
        hypervisor=group.hypervisor,
        servers=len(group.targets),
        connections=bend.at.connections,
        responses=bend.responses,
        mbits=bend.at.mbits * bend.responses / bend.at.responses,
        p50_ms=bend.at.p50_ms,
        p99_ms=bend.at.p99_ms,
        derating=1.0,
        path=asked.path,
        why=bend.why,
        at=at,
    )


def _line(group: Group, step: LoadResult) -> str:
    return (
        f"{group.unit}, {len(group.targets)} at once, {step.connections} connections each: "
        f"{step.responses:.0f} responses/s, p99 {step.p99_ms:.1f} ms, {step.errors} errors"
    )
