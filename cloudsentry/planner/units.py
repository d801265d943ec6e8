"""From pins to units: which servers belong together, on which hypervisor, and how many."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from cloudsentry.records.views import RESTING, Hypervisor, PoolView, Server
from cloudsentry.spec.event import Event, Pin, Pool
from cloudsentry.spec.spares import Spares


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The servers of a pool at one place. Exactly one of the pins is set, or none."""

    name: str
    pool: str
    count: int
    weight: int
    hypervisor: str = ""
    zone: str = ""
    group: str = ""
    per_host: int = 0
    spares: int = 0
    rest: str = ""
    """How its spares rest; empty where its pool has none."""


def digest(*parts: object) -> str:
    """Twelve hex digits over plain data; the same parts give the same digits on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def template_digest(pool: Pool) -> str:
    """What makes two servers of a pool alike; counts, pins and weights do not."""
    alike = {"image", "flavor", "networks", "security_groups", "key_name", "user_data", "metadata"}
    return digest(pool.model_dump(mode="json", include=alike))


def units_of(event: Event, name: str, view: PoolView) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    """The units of one pool, and one sentence per pin that cannot be kept.

    ``hypervisor``, ``zone`` and ``anti_affinity`` pins are one unit each. ``aggregate`` and ``trait`` pins
    are spread evenly over the hosts that have them: one unit per host.
    """
    units: list[Unit] = []
    refusals: list[str] = []
    rests = event.pools[name].spares
    for pin in event.pools[name].pins:
        kind, value = pin.place
        if kind in ("hypervisor", "aggregate", "trait") and not view.pins_allowed:
            refusals.append(_not_allowed(name, kind, value, view.cloud))
        elif kind in ("aggregate", "trait"):
            spread = _spread(event.event, name, pin, view, rests)
            units.extend(spread)
            named = not any(f"{kind} {value!r}" in line for line in view.missing)
            if not spread and pin.count and named:
                lack = f"no hypervisor of {view.cloud} that is up has {kind} '{value}'"
                refusals.append(f"pool {name}: {lack}; start one, or pin elsewhere")
        else:
            units.append(_single(event.event, name, pin, kind, value, rests))
    return tuple(units), tuple(refusals)


def _not_allowed(pool: str, kind: str, value: str, cloud: str) -> str:
    return (
        f"pool {pool}: the account may not pin servers to {kind} '{value}' on cloud {cloud} "
        "(policy os_compute_api:servers:create:requested_destination); "
        "pin by zone or anti_affinity, or use an administrator's account"
    )


def _spares(pin: Pin, rests: Spares | None) -> int:
    """How many servers rest at a pin: with those that serve no more than its ``most``."""
    if rests is None:
        return 0
    return rests.count if pin.most is None else max(0, min(rests.count, pin.most - pin.count))


def _single(event: str, pool: str, pin: Pin, kind: str, value: str, rests: Spares | None) -> Unit:
    suffix = value if kind == "hypervisor" else kind if kind == "any" else f"{kind}:{value}"
    name = f"{pool}@{suffix}"
    return Unit(
        name=name,
        pool=pool,
        count=pin.count,
        weight=pin.weight,
        hypervisor=value if kind == "hypervisor" else "",
        zone=value if kind == "zone" else "",
        group=f"cloudsentry.{event}.{name}" if kind == "anti_affinity" else "",
        per_host=pin.anti_affinity or 0,
        spares=_spares(pin, rests),
        rest=rests.rest if rests else "",
    )


def _spread(event: str, pool: str, pin: Pin, view: PoolView, rests: Spares | None) -> list[Unit]:
    """Even shares; what is left over goes where servers stand already, so that a plan moves nothing without need."""
    kind, value = pin.place
    prefix = f"{pool}@{kind}:{value}:"
    standing = Counter(server.mark.unit for server in view.servers if server.alive)
    hosts = [
        host
        for host in view.hypervisors
        if _has(host, kind, value) and ((host.up and host.enabled) or standing[prefix + host.name])
    ]
    if not hosts:
        return []
    base, extra = divmod(pin.count, len(hosts))
    first = sorted(hosts, key=lambda host: (-standing[prefix + host.name], host.name))[:extra]
    each, more = divmod(_spares(pin, rests), len(hosts))
    return [
        Unit(
            name=prefix + host.name,
            pool=pool,
            count=base + (host in first),
            weight=pin.weight,
            hypervisor=host.name,
            spares=each + (number < more),
            rest=rests.rest if rests else "",
        )
        for number, host in enumerate(sorted(hosts, key=lambda host: host.name))
    ]


def _has(host: Hypervisor, kind: str, value: str) -> bool:
    return value in (host.aggregates if kind == "aggregate" else host.traits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The servers of one unit, sorted into what is to be done about them."""

    keep: tuple[Server, ...] = ()
    building: tuple[Server, ...] = ()
    start: tuple[Server, ...] = ()
    parked: tuple[Server, ...] = ()
    """Somebody paused, suspended or shelved them: left alone, and reported."""
    broken: tuple[Server, ...] = ()
    misplaced: tuple[Server, ...] = ()
    outdated: tuple[Server, ...] = ()
    surplus: tuple[Server, ...] = ()
    spares: tuple[Server, ...] = ()
    """They rest, as they are to."""
    rest: tuple[Server, ...] = ()
    """They serve, and are to be laid to rest."""
    warming: tuple[Server, ...] = ()
    """They boot, and are to rest then."""

    @property
    def leaving(self) -> tuple[Server, ...]:
        """What no balancer is to have."""
        return self.retire + self.rest + self.warming

    @property
    def resting(self) -> int:
        """How many of the wanted spares are there already."""
        return len(self.spares) + len(self.rest) + len(self.warming)

    @property
    def retire(self) -> tuple[Server, ...]:
        """Alive, but to be drained and removed."""
        return self.misplaced + self.outdated + self.surplus

    @property
    def counted(self) -> int:
        """How many of the wanted servers are there already."""
        return len(self.keep) + len(self.building) + len(self.start) + len(self.parked)


def sort_servers(unit: Unit | None, template: str, servers: tuple[Server, ...]) -> Standing:
    """Sort a unit's servers; with no unit all of them are surplus.

    Who goes first when there are too many: what is not up yet, then the youngest, then by id.
    """
    listed = [server for server in servers if not server.gone]
    broken = tuple(server for server in listed if server.status == "ERROR")
    rest = [server for server in listed if server.status != "ERROR"]
    if unit is None:
        return Standing(broken=broken, surplus=tuple(rest))
    misplaced = [server for server in rest if unit.hypervisor and server.hypervisor not in ("", unit.hypervisor)]
    placed = [server for server in rest if server not in misplaced]
    outdated = [server for server in placed if server.mark.template not in ("", template)]
    fitting = sorted((server for server in placed if server not in outdated), key=_seniority)
    kept, over = fitting[: unit.count], fitting[unit.count :]
    able = sorted((server for server in over if server.rests or server.alive), key=_laziness)[: unit.spares]
    start = [server for server in kept if server.rests and (server.status == "SHUTOFF" or unit.rest)]
    return Standing(
        keep=tuple(server for server in kept if server.active),
        building=tuple(server for server in kept if server.alive and not server.active),
        start=tuple(start),
        parked=tuple(server for server in kept if not server.alive and server not in start),
        broken=broken,
        misplaced=tuple(misplaced),
        outdated=tuple(outdated),
        surplus=tuple(server for server in over if server not in able),
        spares=tuple(server for server in able if server.rests),
        rest=tuple(server for server in able if server.active),
        warming=tuple(server for server in able if server.alive and not server.active),
    )


def _seniority(server: Server) -> tuple[int, str, str]:
    state = 0 if server.active else 1 if server.alive else 2 + _soonness(server)
    return (state, server.created, server.id)


def _soonness(server: Server) -> int:
    """Which of those that rest come back first: paused, stopped, shelved; then what is still on its way to rest."""
    settled = server.status in RESTING and not server.task
    return RESTING.index(server.status) if settled else len(RESTING)


def _laziness(server: Server) -> int:
    """Who becomes a spare first: what rests already, then what serves, then what boots."""
    return 0 if server.rests else 1 if server.active else 2
