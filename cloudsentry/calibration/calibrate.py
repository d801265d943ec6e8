"""The hall's floor for calibration: what the servers of a pool carry, measured.

Load goes to the servers themselves, past the balancer: 1 … k servers of one hypervisor at once, as many as stand
there, for guests with the same work on one host do not add up. Nothing of the event is changed. Kinds take turns, in
several short ramps, so that what else happens on the machines meets all of them alike.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from cloudsentry.drivers.load.base import SECONDS_MOST, LoadDriver
from cloudsentry.drivers.load.witness import Witness, bound
from cloudsentry.errors import UserError
from cloudsentry.journal.calibrations import Calibrations
from cloudsentry.loading import Loader
from cloudsentry.planner.knee import Knee, further, knee
from cloudsentry.planner.limits import Estimate, estimate, settled
from cloudsentry.planner.ratios import carried, kinds_of, weights_of
from cloudsentry.records.loading import Capacity, LoadOrder, LoadResult, Target
from cloudsentry.records.reports import ServerLine
from cloudsentry.spec.event import Event, unit_of
from cloudsentry.weights.weigh import WEIGHT_MOST

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

RAMP = (1, 2, 4, 8, 16, 32, 64)
"""Connections to each server, step by step."""
MOST = {"apache": 100}
"""The largest weight of balancer drivers that have another range: `mod_proxy_balancer`'s load factor."""
HEADROOM = 0.15
"""Kept free where a pool's load is told: latency at 85 % of capacity is what this project tunes for."""
SEGMENT = 1448
"""Bytes of an answer in one packet on a wire of MTU 1500 (TCP over IPv4 with time stamps)."""
WHY_MOST = 255
"""Characters of a line's reason that the journal keeps."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks to be measured. ``place`` is where load comes from, ``seconds`` a step of the ramp's.

    ``groups`` is where the servers' control groups are to be seen on their hypervisors, reached by ``hypervisors``
    (both may hold ``{hypervisor}``, the first ``{id}``); the lab's own where empty.
    """

    event: str
    pool: str
    place: str = "local"
    driver: str = "wrk"
    path: str = "/image"
    port: int = 0
    seconds: float = 1.0
    rounds: int = 3
    groups: str = ""
    hypervisors: str = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Servers of one unit that stand on one hypervisor; ``ids`` are the servers', in the targets' order."""

    unit: str
    hypervisor: str
    targets: tuple[Target, ...]
    ids: tuple[str, ...] = ()
    cloud: str = ""

    def first(self, count: int) -> Group:
        """So many of them."""
        return replace(self, targets=self.targets[:count], ids=self.ids[:count])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """One ramp of one packing: its steps, where it bends, and what the servers carry by it."""

    steps: tuple[LoadResult, ...]
    bend: Knee
    estimate: Estimate


def silent(line: str) -> None:
    """A listener that hears nothing."""


def groups(sentry: Sentry, asked: Asked) -> tuple[Group, ...]:
    """What would be measured: for each unit of the pool, its servers on the hypervisor that has the most of them.

    Raises `UserError` for a pool that the event has not, or none of whose servers serves.
    """
    event, _ = sentry.event(asked.event)
    return standing(sentry, event, asked)


def standing(sentry: Sentry, event: Event, asked: Asked) -> tuple[Group, ...]:
    """As `groups`, for an event at hand."""
    if asked.pool not in event.pools:
        raise UserError(f"event {event.event} has no pool {asked.pool!r}; it has {', '.join(event.pools)}")
    if not 1 <= asked.seconds <= SECONDS_MOST:
        raise UserError(f"a step takes from 1 to {SECONDS_MOST:.0f} seconds, not {asked.seconds:g}")
    if asked.rounds < 1:
        raise UserError(f"at least one round, not {asked.rounds}")
    port = asked.port or _port(event, asked.pool)
    found: dict[str, dict[str, list[ServerLine]]] = defaultdict(lambda: defaultdict(list))
    for line in sentry.status(event).servers:
        if _serves(line, asked.pool):
            found[line.unit][line.hypervisor].append(line)
    if not found:
        raise UserError(
            f"no server of pool {asked.pool} is ACTIVE and has an address: apply the event first, or let "
            "--boot make some"
        )
    fullest = {unit: max(hosts, key=lambda name: len(hosts[name])) for unit, hosts in found.items()}
    return tuple(_group(unit, host, found[unit][host], port) for unit, host in sorted(fullest.items()))


def _group(unit: str, host: str, lines: list[ServerLine], port: int) -> Group:
    return Group(
        unit=unit,
        hypervisor=host,
        targets=tuple(Target(address=line.address, port=port) for line in lines),
        ids=tuple(line.id for line in lines),
        cloud=lines[0].cloud,
    )


def calibrate(
    sentry: Sentry, asked: Asked, *, loader: Loader | None = None, listen: Told = silent
) -> tuple[Capacity, ...]:
    """Measure a pool, keep it in the journal, and return it, by unit and number of servers.

    Raises `UserError` as `groups` does and where a server does not answer ``path`` as it should, and `DriverError`
    where load cannot be driven from the place. Then nothing is kept.
    """
    event, _ = sentry.event(asked.event)
    return measure(sentry, event, event.event, asked, loader=loader, listen=listen)


def measure(
    sentry: Sentry, event: Event, name: str, asked: Asked, *, loader: Loader | None = None, listen: Told = silent
) -> tuple[Capacity, ...]:
    """As `calibrate`, on the servers of ``event``; kept under the name of the event that it is measured for."""
    present = standing(sentry, event, asked)
    driver: LoadDriver = (loader or Loader()).at(("load", asked.place, asked.driver))
    witness = Witness(asked.hypervisors, asked.groups)
    most = max(len(one.targets) for one in present)
    packings = [one.first(count) for count in range(1, most + 1) for one in present if count <= len(one.targets)]
    ramps: dict[tuple[str, int], list[Ramp]] = defaultdict(list)
    for _ in range(asked.rounds):
        for group in packings:
            ramps[group.unit, len(group.targets)].append(_ramp(driver, witness, asked, group, listen))
    at, pool = dt.datetime.now(dt.UTC), event.pools[asked.pool]
    made = {
        (group.unit, len(group.targets)): replace(
            _capacity(name, asked, group, ramps[group.unit, len(group.targets)], at),
            flavor=pool.flavor,
            image=pool.image,
        )
        for group in sorted(packings, key=lambda one: (one.unit, len(one.targets)))
    }
    found = tuple(replace(one, derating=one.each / made[one.unit, 1].responses) for one in made.values())
    with contextlib.closing(Calibrations(sentry.settings.journal.connection)) as kept:
        kept.add(found)
    return found


def kept(sentry: Sentry, event: str, pool: str) -> tuple[Capacity, ...]:
    """A pool's newest calibration, by unit and number of servers; empty where it was never calibrated."""
    with contextlib.closing(Calibrations(sentry.settings.journal.connection)) as found:
        return found.newest(event, pool)


def measured_weights(sentry: Sentry, name: str, balancer: str) -> dict[str, int]:
    """Weights by unit behind a balancer, from the newest calibration of each of its pools.

    Raises `UserError` for a balancer that the event has not, and for pins that were not measured.
    """
    event, _ = sentry.event(name)
    spec = event.balancers.get(balancer)
    if spec is None:
        raise UserError(f"event {event.event} has no balancer {balancer!r}; it has {', '.join(event.balancers)}")
    each: dict[str, float] = {}
    apart: dict[str, float] = {}
    with contextlib.closing(Calibrations(sentry.settings.journal.connection)) as kept:
        for part in spec.members:
            lines = kept.newest(event.event, part.pool)
            known = tuple(line for line in lines if line.limit != "machine")
            newest, spread = capacities(known), spreads(known)
            wanted = counts_of(event, part.pool)
            if lacking := [unit for unit in wanted if unit not in newest]:
                raise UserError(
                    f"{', '.join(lacking)}: not measured, or not on a machine that had "
                    f"room for it; run `calibrate {event.event} {part.pool}` first"
                )
            each |= {unit: newest[unit] for unit in wanted}
            apart |= {unit: spread[unit] for unit in wanted if unit in spread}
    return weights_of(each, MOST.get(spec.driver, WEIGHT_MOST), apart)


def weights_for(found: tuple[Capacity, ...]) -> dict[str, int]:
    """The weight of each measured unit among its pool's; none where the machine was the limit for any of them."""
    each = capacities(found)
    if any(one.limit == "machine" for one in found):
        return {}
    weights = weights_of(each, WEIGHT_MOST, spreads(found))
    return {one.unit: weights[pin_of(one.unit)] for one in found}


def told(event: Event, pool: str, found: tuple[Capacity, ...]) -> tuple[str, ...]:
    """What the measured pool carries with those weights, without its largest unit, and what was not known: lines."""
    each = capacities(found)
    counts = {unit: count for unit, count in counts_of(event, pool).items() if unit in each}
    weights = weights_of(each, WEIGHT_MOST, spreads(found))
    whole = carried(each, counts, weights, HEADROOM)
    lines = [f"Pool {pool} carries {whole:.0f} responses/s with {HEADROOM:.0%} kept free."]
    if len(counts) > 1:
        largest = max(counts, key=lambda unit: counts[unit] * each[unit])
        left = carried(each, {unit: count for unit, count in counts.items() if unit != largest}, weights, HEADROOM)
        lines.append(f"Without {largest}: {left:.0f}.")
    lines += [
        f"{', '.join(kind.units)}: equal within what their rounds were apart, taken as one."
        for kind in kinds_of(each, spreads(found))
        if len(kind.units) > 1
    ]
    if doubtful := sorted({one.unit for one in found if one.limit == "machine"}):
        lines.append(
            f"The machine was the limit, not the servers: {', '.join(doubtful)} may carry more. Measure again from a "
            "place that is not so busy, or with more --rounds."
        )
    return tuple(lines)


def capacities(found: tuple[Capacity, ...]) -> dict[str, float]:
    """Responses per second of one server by pin, among as many neighbours as were measured.

    A pin that spreads over several hosts has the capacity of its weakest.
    """
    return {pin: one.each for pin, one in _weakest(found).items()}


def spreads(found: tuple[Capacity, ...]) -> dict[str, float]:
    """How far the rounds that measured these capacities were apart, by pin, where that is known."""
    return {pin: one.spread for pin, one in _weakest(found).items() if one.spread is not None}


def _weakest(found: tuple[Capacity, ...]) -> dict[str, Capacity]:
    packed: dict[str, Capacity] = {}
    for one in found:
        if one.unit not in packed or one.servers > packed[one.unit].servers:
            packed[one.unit] = one
    made: dict[str, Capacity] = {}
    for unit, one in packed.items():
        pin = pin_of(unit)
        made[pin] = min(made.get(pin, one), one, key=lambda line: line.each)
    return made


def pin_of(unit: str) -> str:
    """A unit as the event's pins are called: without the host that an aggregate's or a trait's share stands on."""
    pool, _, place = unit.partition("@")
    kind, _, rest = place.partition(":")
    if kind not in ("aggregate", "trait"):
        return unit
    return f"{pool}@{kind}:{rest.partition(':')[0]}"


def counts_of(event: Event, pool: str) -> dict[str, int]:
    """Servers by pin of a pool."""
    counted = Counter[str]()
    for pin in event.pools[pool].pins:
        counted[unit_of(pool, pin)] += pin.count
    return dict(counted)


def _port(event: Event, pool: str) -> int:
    """On which port the pool's servers serve: as behind its first balancer, else 80."""
    parts = [part for spec in event.balancers.values() for part in spec.members if part.pool == pool]
    return parts[0].port if parts else 80


def _serves(line: ServerLine, pool: str) -> bool:
    return line.unit.split("@")[0] == pool and line.status == "ACTIVE" and bool(line.address)


def _ramp(driver: LoadDriver, witness: Witness, asked: Asked, group: Group, listen: Told) -> Ramp:
    """One ramp. Raises `UserError` where nobody answers as asked."""
    steps: list[LoadResult] = []
    estimates: list[tuple[float, Estimate]] = []
    for connections in RAMP:
        if not further(steps, asked.seconds):
            break
        order = LoadOrder(targets=group.targets, path=asked.path, connections=connections, seconds=asked.seconds)
        before, began = witness.sample(group.hypervisor, group.ids), time.monotonic()
        step = driver.drive(order)
        stood = bound(before, witness.sample(group.hypervisor, group.ids), max(asked.seconds, time.monotonic() - began))
        steps.append(step)
        # The step in which the servers did the most of what they can tells most of them.
        told_by = stood.used if stood else step.responses
        estimates.append((told_by, estimate(step, stood)))
        listen(_line(group, step, estimates[-1][1]))
    bend = knee(steps, asked.seconds)
    if bend is None:
        where = ", ".join(f"{target.address} port {target.port}" for target in group.targets)
        raise UserError(f"{group.unit}: {where} does not serve {asked.path}: {steps[0].errors} errors")
    bound_ones = [one for one in estimates if one[1].limit == "server"] or estimates
    return Ramp(steps=tuple(steps), bend=bend, estimate=max(bound_ones, key=lambda one: one[0])[1])


def _capacity(event: str, asked: Asked, group: Group, ramps: list[Ramp], at: dt.datetime) -> Capacity:
    """What the rounds say together, not yet derated. The knee is that of the round nearest to it."""
    found = settled(ramp.estimate for ramp in ramps)
    nearest = min(ramps, key=lambda ramp: abs(ramp.estimate.responses - found.responses))
    bend = nearest.bend
    size = round(bend.at.mbits * 1e6 / 8 / bend.at.responses)
    return Capacity(
        event=event,
        pool=asked.pool,
        unit=group.unit,
        hypervisor=group.hypervisor,
        servers=len(group.targets),
        connections=round(median(ramp.bend.at.connections for ramp in ramps)),
        responses=found.responses,
        mbits=size * 8 * found.responses / 1e6,
        p50_ms=bend.at.p50_ms,
        p99_ms=bend.at.p99_ms,
        derating=1.0,
        path=asked.path,
        why=_why(found, ramps, bend)[:WHY_MOST],
        at=at,
        cloud=group.cloud,
        size=size,
        packets=found.responses * packets_of(size),
        limit=found.limit,
        low=found.low,
        high=found.high,
    )


def packets_of(size: int) -> int:
    """Packets on a wire of MTU 1500 for one answer of so many bytes: its segments, an ACK for two, the request."""
    segments = math.ceil(size / SEGMENT)
    return segments + math.ceil(segments / 2) + 1


def _why(found: Estimate, ramps: list[Ramp], bend: Knee) -> str:
    many = f"median of {sum(ramp.estimate.limit == found.limit for ramp in ramps)} of {len(ramps)} rounds"
    if found.low is not None and found.high is not None:
        many += f" from {found.low:.0f} to {found.high:.0f}"
    if found.limit == "server":
        return f"{bend.why}; {many}" if len(ramps) > 1 else bend.why
    if found.limit == "computed":
        return f"the machine had no more to give: answers by the part of its CPU that they took; {many}"
    return "the machine was the limit, not the servers: at least this"


def _line(group: Group, step: LoadResult, found: Estimate) -> str:
    by = {"computed": f", by its use of CPU {found.responses:.0f}", "machine": ", limited by the machine"}
    return (
        f"{group.unit}, {len(group.targets)} at once, {step.connections} connections each: "
        f"{step.responses:.0f} responses/s, p99 {step.p99_ms:.1f} ms, {step.errors} errors{by.get(found.limit, '')}"
    )
