"""Which places an event touches, and what to ask of each."""

from __future__ import annotations

from collections.abc import Iterable

from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.drivers.steering.base import SteeringScope
from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.spec.event import Event, Pin, Pool

Place = tuple[str, str, str]
"""(family, cloud, driver)."""
Scope = PoolScope | BalancerScope | StretchScope | SteeringScope


def places_of(events: Iterable[Event]) -> tuple[Place, ...]:
    """Every place that any of the revisions touches: what an earlier revision made must be found again."""
    places: set[Place] = set()
    for event in events:
        places |= {("pool", event.cloud_of(pool.site), pool.driver) for pool in event.pools.values()}
        places |= {("balancer", event.place_of(spec), spec.driver) for spec in event.balancers.values()}
        places |= {
            ("stretch", event.cloud_of(site), spec.driver) for spec in event.stretches.values() for site in spec.between
        }
        places |= {("steering", spec.at, spec.driver) for spec in event.steering.values()}
    return tuple(sorted(places))


def scope_of(place: Place, event: Event, *, full: bool, groups: bool = False, limits: bool = False) -> Scope:
    """What to ask at one place: the marked things always, the named things when ``full``.

    ``groups`` asks for server groups whether this revision uses them or not, ``limits`` of a full look for room.
    """
    family, cloud, driver = place
    if family == "balancer":
        return _balancer_scope(event, cloud, driver, full, limits)
    if family == "stretch":
        return _stretch_scope(event, cloud, driver, full)
    if family == "steering":
        return _steering_scope(event, cloud, driver, full)
    pools = [pool for pool in event.pools.values() if (event.cloud_of(pool.site), pool.driver) == (cloud, driver)]
    if not full:
        spread = any(pin.anti_affinity for pool in pools for pin in pool.pins)
        return PoolScope(event=event.event, groups=groups or spread)
    return _pool_scope(event, pools, limits)


def _pool_scope(event: Event, pools: list[Pool], limits: bool) -> PoolScope:
    pins = [pin for pool in pools for pin in pool.pins]
    return PoolScope(
        event=event.event,
        full=True,
        images=_sorted(pool.image for pool in pools),
        flavors=_sorted(pool.flavor for pool in pools),
        networks=_sorted(name for pool in pools for name in pool.network_names if name not in event.stretches),
        hypervisors=_places(pins, "hypervisor"),
        aggregates=_sorted((*_places(pins, "aggregate"), *_spills(pools, "aggregate"))),
        zones=_places(pins, "zone"),
        traits=_sorted((*_places(pins, "trait"), *_spills(pools, "trait"))),
        key_names=_sorted(pool.key_name for pool in pools if pool.key_name),
        security_groups=_sorted(name for pool in pools for name in pool.security_groups),
        # An earlier revision may have used groups that this one does not: a full look always asks.
        groups=True,
        limits=limits,
    )


def _balancer_scope(event: Event, cloud: str, driver: str, full: bool, limits: bool) -> BalancerScope:
    if not full:
        return BalancerScope(event=event.event)
    specs = [spec for spec in event.balancers.values() if (event.place_of(spec), spec.driver) == (cloud, driver)]
    return BalancerScope(
        event=event.event,
        full=True,
        networks=_sorted(spec.network for spec in specs if spec.network and spec.network not in event.stretches),
        subnets=_sorted(spec.subnet for spec in specs if spec.subnet),
        providers=_sorted(spec.provider for spec in specs if spec.provider),
        limits=limits,
    )


def _stretch_scope(event: Event, cloud: str, driver: str, full: bool) -> StretchScope:
    if not full:
        return StretchScope(event=event.event)
    wanted = [
        (name, tuple(sorted((*spec.end_options(site), *spec.place(site)))))
        for name, spec in sorted(event.stretches.items())
        for site in spec.between
        if (event.cloud_of(site), spec.driver) == (cloud, driver)
    ]
    return StretchScope(event=event.event, full=True, wanted=tuple(wanted))


def _steering_scope(event: Event, cloud: str, driver: str, full: bool) -> SteeringScope:
    wanted = [
        (name, spec.options())
        for name, spec in sorted(event.steering.items())
        if full and (spec.at, spec.driver) == (cloud, driver)
    ]
    return SteeringScope(event=event.event, full=full, wanted=tuple(wanted))


def _places(pins: list[Pin], kind: str) -> tuple[str, ...]:
    return _sorted(pin.place[1] for pin in pins if pin.place[0] == kind)


def _spills(pools: list[Pool], kind: str) -> list[str]:
    return [entry.kind[1] for pool in pools for entry in pool.spill if entry.kind[0] == kind]


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
