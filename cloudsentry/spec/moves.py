"""What a move makes of its event: each function answers with the next revision. Pure, and twice equals once.

A pool that moves becomes a second pool at the target's site, with the same template and the same likes behind the
same balancers; the first one is emptied and then dropped. Where the pool's network is one layer 2 at both sites the
new servers stand behind the pool's own balancers, else behind those of their own site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.event import BalancerSpec, Event, MembersOf, Pin, Pool, Site
from cloudsentry.spec.scaling import count_of, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From which pool to which pool at which site. ``joined``: one layer 2; ``hypervisors`` of the target, or none."""

    pool: str
    new_pool: str
    cloud: str
    joined: bool = False
    hypervisors: tuple[str, ...] = ()


def cloud_named(event: Event, name: str) -> str:
    """The cloud that somebody means by a site's name or a cloud's."""
    return event.sites[name].cloud if name in event.sites else name


def pool_of(event: Event, name: str) -> Pool:
    """A pool by name. Raises `UserError`."""
    if name not in event.pools:
        raise UserError(f"event {event.event} has no pool {name!r} (known: {', '.join(sorted(event.pools))})")
    return event.pools[name]


def new_name(event: Event, pool: str, cloud: str) -> str:
    """What a pool is called at another cloud: its own name, without the old site's, with the new one's."""
    old = event.pools[pool].site
    base = pool.removesuffix(f"-{old}") or pool
    new = f"{base}-{site_of(event, cloud)}"[:NAME_MAX].strip("-")
    return new if new != pool else f"{new}-2"


def site_of(event: Event, cloud: str) -> str:
    """The name of the site of a cloud; a new one is called like its cloud."""
    known = [name for name, site in sorted(event.sites.items()) if site.cloud == cloud]
    return known[0] if known else "".join(char if char.isalnum() else "-" for char in cloud.lower()).strip("-")


def refusals(event: Event, way: Way) -> tuple[str, ...]:
    """Why the balancers forbid the move; one sentence each."""
    own = balancers_of(event, way.pool)
    if not own or way.joined or _near(event, way):
        return ()
    networks = ", ".join(event.pools[way.pool].network_names) or "none"
    return (
        f"pool {way.pool} is behind balancer {', '.join(own)}, and {way.cloud} has none with the same port; "
        f"its network ({networks}) is not one layer 2 over both clouds, by name, CIDR and segment: "
        "stretch it, or give the target's site a balancer",
    )


def balancers_of(event: Event, pool: str) -> tuple[str, ...]:
    """The balancers that a pool's servers are behind."""
    return tuple(name for name, spec in sorted(event.balancers.items()) if any(m.pool == pool for m in spec.members))


def taking(event: Event, way: Way) -> tuple[str, ...]:
    """The balancers that the new servers are to be behind."""
    return balancers_of(event, way.pool) if way.joined else _near(event, way)


def _near(event: Event, way: Way) -> tuple[str, ...]:
    own = {(event.balancers[name].protocol, event.balancers[name].port) for name in balancers_of(event, way.pool)}
    return tuple(
        name
        for name, spec in sorted(event.balancers.items())
        if event.cloud_of(spec.site) == way.cloud and (spec.protocol, spec.port) in own
    )


def grown(event: Event, way: Way, pins: list[Pin]) -> Event:
    """The new pool is there with these pins, behind the balancers that take it."""
    sites = {**event.sites, site_of(event, way.cloud): Site(cloud=way.cloud)}
    old = event.pools[way.pool]
    pool = old.model_copy(update={"site": site_of(event, way.cloud), "pins": pins})
    balancers = dict(event.balancers)
    for name in taking(event, way):
        far = event.cloud_of(balancers[name].site) != way.cloud
        balancers[name] = _with_member(balancers[name], way.new_pool, _port(event, way.pool), far)
    pools = {**event.pools, way.new_pool: pool}
    return event.model_copy(update={"sites": sites, "pools": pools, "balancers": balancers})


def target_pins(event: Event, way: Way, count: int, percent: int) -> list[Pin]:
    """``count`` servers at the target with ``percent`` of the old pool's weights, rounded up.

    On the hypervisors asked for, else by zone or anti-affinity as before, else where the cloud's scheduler likes.
    """
    old = event.pools[way.pool].pins
    top = max((pin.weight for pin in old), default=1)
    if way.hypervisors:
        places: list[dict[str, Any]] = [{"hypervisor": name, "weight": top} for name in way.hypervisors]
    elif all(pin.place[0] in ("zone", "anti_affinity", "any") for pin in old):
        places = [{"zone": pin.zone, "anti_affinity": pin.anti_affinity, "weight": pin.weight} for pin in old]
    else:
        places = [{"weight": top}]
    like = [_pin(count=1)] * len(places) if way.hypervisors or len(places) != len(old) else old
    pins = [
        _pin(**{**place, "weight": math.ceil(place["weight"] * percent / 100), "count": number})
        for place, number in zip(places, _spread(like, count), strict=True)
    ]
    return [pin for pin in pins if pin.count] or pins[:1]


def _spread(like: list[Pin], count: int) -> tuple[int, ...]:
    free = [_pin(count=pin.share if pin.share is not None else pin.count) for pin in like]
    return spread(free, count)


def weighed(event: Event, way: Way, count: int, percent: int) -> Event:
    """The new pool with ``percent`` of the weights."""
    return grown(event, way, target_pins(event, way, count, percent))


def shrunk(event: Event, way: Way, left: int) -> Event:
    """The old pool with ``left`` servers; the new one takes its place in what is scaled."""
    if way.pool not in event.pools:
        return event
    old = event.pools[way.pool]
    pins = [
        pin.model_copy(update={"count": number})
        for pin, number in zip(old.pins, spread(old.pins, min(left, count_of(old.pins))), strict=True)
    ]
    return event.model_copy(update={"pools": {**event.pools, way.pool: old.model_copy(update={"pins": pins})}})


def emptied(event: Event, pool: str) -> Event:
    """A pool without servers: they are drained before they go, which dropping the pool at once would not do."""
    if pool not in event.pools:
        return event
    old = event.pools[pool]
    pins = [pin.model_copy(update={"count": 0}) for pin in old.pins]
    return event.model_copy(update={"pools": {**event.pools, pool: old.model_copy(update={"pins": pins})}})


def dropped(event: Event, pool: str, heir: str) -> Event:
    """Without the pool; what it was scaled by goes on with ``heir``, where there is one.

    A balancer needs a pool: one that stands for nobody else keeps this one, empty, and with it its VIP.
    """
    alone = any(all(member.pool == pool for member in spec.members) for spec in event.balancers.values())
    if pool not in event.pools or alone:
        return event
    scaling = {name: spec for name, spec in event.scaling.items() if name != pool}
    if heir in event.pools and pool in event.scaling:
        scaling.setdefault(heir, event.scaling[pool])
    balancers = {
        name: spec.model_copy(update={"members": [member for member in spec.members if member.pool != pool]})
        for name, spec in event.balancers.items()
    }
    pools = {name: spec for name, spec in event.pools.items() if name != pool}
    return event.model_copy(update={"pools": pools, "balancers": balancers, "scaling": scaling})


def adopted(event: Event, way: Way, unit: str) -> Event:
    """One server less in ``unit`` of the old pool, one more in the new pool."""
    old = event.pools[way.pool]
    pins = [
        pin.model_copy(update={"count": pin.count - 1}) if pin.count and unit_of(way.pool, pin, unit) else pin
        for pin in old.pins
    ]
    place = {"hypervisor": way.hypervisors[0]} if way.hypervisors else {}
    weight = weight_of(event, way.pool, unit)
    standing = list(event.pools[way.new_pool].pins) if way.new_pool in event.pools else []
    same = [pin for pin in standing if pin.place == _pin(**{**place, "count": 1}).place]
    more = [pin.model_copy(update={"count": pin.count + 1}) if pin in same else pin for pin in standing]
    event = grown(event, way, more if same else [*standing, _pin(**{**place, "count": 1, "weight": weight})])
    event = event.model_copy(update={"pools": {**event.pools, way.pool: old.model_copy(update={"pins": pins})}})
    return dropped(event, way.pool, way.new_pool) if not count_of(pins) else event


def relocated(event: Event, pool: str, unit: str, hypervisor: str) -> Event:
    """One server less in ``unit`` of a pool, one more on the hypervisor; the same where the unit is bound to none."""
    new = unit_on(event, pool, unit, hypervisor)
    if new == unit:
        return event
    standing = event.pools[pool].pins
    weight = weight_of(event, pool, unit)
    pins = [
        pin.model_copy(update={"count": pin.count - 1}) if pin.count and unit_of(pool, pin, unit) else pin
        for pin in standing
    ]
    there = [pin for pin in pins if unit_of(pool, pin, new)]
    if there:
        pins = [pin.model_copy(update={"count": pin.count + 1}) if pin is there[0] else pin for pin in pins]
    else:
        pins.append(_pin(hypervisor=hypervisor, count=1, weight=weight))
    pins = [pin for pin in pins if pin.count or not unit_of(pool, pin, unit)]
    return event.model_copy(
        update={"pools": {**event.pools, pool: event.pools[pool].model_copy(update={"pins": pins})}}
    )


def unit_on(event: Event, pool: str, unit: str, hypervisor: str) -> str:
    """The unit of a server of ``unit`` once it is on the hypervisor: a new one only where pins name hypervisors."""
    mine = [pin for pin in event.pools[pool].pins if unit_of(pool, pin, unit)]
    free = any(pin.place[0] in ("any", "zone", "anti_affinity") for pin in mine)
    return unit if free else f"{pool}@{hypervisor}"


def unit_of(pool: str, pin: Pin, unit: str) -> bool:
    """Whether a unit's servers are a pin's."""
    kind, value = pin.place
    name = f"{pool}@{value if kind == 'hypervisor' else kind if kind == 'any' else f'{kind}:{value}'}"
    return unit == name or (kind in ("aggregate", "trait") and unit.startswith(f"{name}:"))


def count_in(event: Event, pool: str, unit: str) -> int:
    """How many servers the event wants in a unit; 0 where it has none such."""
    pins = event.pools[pool].pins if pool in event.pools else []
    return sum(pin.count for pin in pins if unit_of(pool, pin, unit))


def weight_of(event: Event, pool: str, unit: str) -> int:
    """The weight of a unit's servers."""
    return next((pin.weight for pin in event.pools[pool].pins if unit_of(pool, pin, unit)), 1)


def _port(event: Event, pool: str) -> int:
    ports = [member.port for spec in event.balancers.values() for member in spec.members if member.pool == pool]
    return ports[0] if ports else 80


def _with_member(spec: BalancerSpec, pool: str, port: int, far: bool) -> BalancerSpec:
    if any(member.pool == pool for member in spec.members):
        return spec
    return spec.model_copy(
        update={"members": [*spec.members, MembersOf.model_validate({"pool": pool, "port": port, "far": far})]}
    )


def _pin(**values: Any) -> Pin:
    return Pin.model_validate(values)
