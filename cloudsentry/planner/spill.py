"""Where servers go that their pin cannot have: along the pool's `spill`, in its order. Pure.

Servers that stand in for others bear a unit that says so, ``nara@xeon2,for:nara@xeon1``: as long as they live
they count for the pin that they stand in for, so that applying again moves nothing.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping

from cloudsentry.planner.allowance import Allowance
from cloudsentry.planner.units import Unit
from cloudsentry.records.ground import Size
from cloudsentry.records.views import Hypervisor, PoolView, Snapshot
from cloudsentry.spec.event import Event, Pool
from cloudsentry.spec.spill import Spill

FOR = ",for:"
"""Between the place of a stand-in and the unit that it stands in for; no cloud's name holds a comma."""

MANY = 1000
"""Room where nothing says how much there is: more than an event may ask for at one place."""

Units = dict[str, tuple[Unit, ...]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """What a run has learnt: servers that could not be had, by unit, and (cloud, hypervisor) that failed."""

    units: Mapping[str, int] = dataclasses.field(default_factory=dict)
    avoid: frozenset[tuple[str, str]] = frozenset()


ALL_HAD = Short()
"""Nothing is known to fail."""


def origin_of(unit: str) -> str:
    """The unit that a stand-in stands in for; any other unit is its own."""
    return unit.partition(FOR)[2] or unit


def host_of(unit: str) -> str:
    """The hypervisor that a unit's name ends with; of a pin that names none, the zone's or the policy's name."""
    return unit.partition(FOR)[0].partition("@")[2].rpartition(":")[2]


def spilled(event: Event, snapshot: Snapshot, units: Units, short: Short) -> Units:
    """The same number of servers, those that cannot be where they are pinned put along their pool's ``spill``.

    A pin falls short by what ``short`` says, by its hypervisor's being down or its cloud's not answering, by its
    known room, and by what its cloud's quotas leave. Those of ``short`` that find no place are left out: their pin
    has just failed to have them.
    """
    if not any(pool.spill for pool in event.pools.values()):
        return units
    spread = _Spread(event, snapshot, units, short)
    for name, pool in sorted(event.pools.items()):
        for unit in units[name] if pool.spill else ():
            spread.move(pool, unit)
    return spread.result()


class _Spread:
    def __init__(self, event: Event, snapshot: Snapshot, units: Units, short: Short) -> None:
        self._event, self._units, self._short = event, units, short
        self._views = {
            name: snapshot.pool(event.cloud_of(pool.site), pool.driver) for name, pool in event.pools.items()
        }
        self._dark = {
            name
            for name, pool in event.pools.items()
            if snapshot.unseen("pool", event.cloud_of(pool.site), pool.driver)
        }
        rested = {name for name, pool in event.pools.items() if pool.spares}
        self._alive = Counter(
            server.mark.unit
            for view in snapshot.pools
            for server in view.servers
            if server.alive or (server.rests and server.mark.unit.split("@")[0] in rested)
        )
        self._left = {unit.name: unit.count for listed in units.values() for unit in listed}
        self._standins: dict[str, Unit] = {}
        self._taken = Counter[tuple[str, str]]()
        self._quotas = Allowance(event, self._views)
        for name, listed in units.items():
            for unit in listed:
                missing = max(0, unit.count - self._alive[unit.name])
                self._take(name, unit.hypervisor, missing)
                self._quotas.take(name, missing)

    def result(self) -> Units:
        """The units as they are now."""
        found: dict[str, list[Unit]] = {
            name: [dataclasses.replace(unit, count=self._left[unit.name]) for unit in listed]
            for name, listed in self._units.items()
        }
        for standin in self._standins.values():
            found[standin.pool].append(standin)
        return {name: tuple(listed) for name, listed in found.items()}

    def move(self, pool: Pool, unit: Unit) -> None:
        """Count those that stand in for a unit already; then put what is short elsewhere."""
        for name in sorted(self._alive):
            if origin_of(name) == unit.name != name:
                self._stand(name, unit, min(self._alive[name], self._left[unit.name]), alive=True)
        wanted = max(0, self._left[unit.name] - self._alive[unit.name])
        failed = min(self._short.units.get(unit.name, 0), wanted)
        beyond = min(wanted, self._quotas.lacking(unit.pool))
        short = max(failed, beyond, wanted - self._fits(unit) if wanted else 0)
        before = self._left[unit.name]
        for entry in pool.spill:
            short -= self._along(entry, unit, short)
        self._left[unit.name] = min(self._left[unit.name], before - failed)

    def _along(self, entry: Spill, unit: Unit, short: int) -> int:
        """Put up to ``short`` servers where one entry says; returns how many found a place."""
        target = entry.pool or unit.pool
        places = [name for name in self._places(entry, unit, target) if self._room(target, name) > 0]
        standing = sum(one.count for one in self._standins.values() if self._of_entry(one, entry, unit))
        quota = short if entry.most is None else min(short, max(0, entry.most - standing))
        moved = Counter[str]()
        while places and moved.total() < quota and self._quotas.admits(target, instead_of=unit.pool):
            name = min(places, key=lambda place: (moved[place], place))
            self._stand(f"{target}@{name}{FOR}{unit.name}", unit, 1)
            self._take(target, self._host(target, name), 1)
            moved[name] += 1
            places = [place for place in places if self._room(target, place) > 0]
        return moved.total()

    def _places(self, entry: Spill, unit: Unit, target: str) -> list[str]:
        if entry.pool:
            return [one.name.partition("@")[2] for one in self._units[target] if one.name != unit.name]
        kind, value = entry.kind
        return [
            host.name
            for host in self._views[target].hypervisors
            if value in (host.aggregates if kind == "aggregate" else host.traits) and host.name != unit.hypervisor
        ]

    def _of_entry(self, standin: Unit, entry: Spill, unit: Unit) -> bool:
        if origin_of(standin.name) != unit.name:
            return False
        if entry.pool:
            return standin.pool == entry.pool
        return standin.pool == unit.pool and standin.hypervisor in self._places(entry, unit, unit.pool)

    def _stand(self, name: str, origin: Unit, count: int, *, alive: bool = False) -> None:
        """``count`` more servers of a stand-in, so many fewer of its origin; a place that is gone gets none.

        Those that are ``alive`` already are in the quotas' use."""
        target, _, place = name.partition(FOR)[0].partition("@")
        known = self._standins.get(name)
        made = known or self._made(name, origin, target, place)
        if made is not None and count > 0:
            self._standins[name] = dataclasses.replace(made, count=made.count + count)
            self._left[origin.name] -= count
            self._quotas.take(origin.pool, -count)
            self._quotas.take(target, 0 if alive else count)

    def _made(self, name: str, origin: Unit, target: str, place: str) -> Unit | None:
        if target == origin.pool:
            return Unit(name=name, pool=target, count=0, weight=origin.weight, hypervisor=place)
        like = next((unit for unit in self._units.get(target, ()) if unit.name == f"{target}@{place}"), None)
        return dataclasses.replace(like, name=name, count=0, spares=0) if like else None

    def _host(self, target: str, place: str) -> str:
        """The hypervisor of a place, or empty where the cloud chooses."""
        own = next((unit for unit in self._units[target] if unit.name == f"{target}@{place}"), None)
        return own.hypervisor if own else place

    def _room(self, target: str, place: str) -> int:
        """How many more servers a place takes, beyond what is planned there already."""
        if target in self._dark:
            return 0
        name, view = self._host(target, place), self._views[target]
        if not name:
            return MANY
        host = next((host for host in view.hypervisors if host.name == name), None)
        if host is None or not (host.up and host.enabled) or (view.cloud, name) in self._short.avoid:
            return 0
        return _capacity(host, self._size(target)) - self._taken[view.cloud, name]

    def _fits(self, unit: Unit) -> int:
        """How many further servers of a unit its own hypervisor takes."""
        if unit.pool in self._dark:
            return 0
        host = next((one for one in self._views[unit.pool].hypervisors if one.name == unit.hypervisor), None)
        if host is None:
            return MANY
        return _capacity(host, self._size(unit.pool)) if host.up and host.enabled else 0

    def _size(self, pool: str) -> Size | None:
        view: PoolView = self._views[pool]
        return view.ground.flavor(self._event.pools[pool].flavor)

    def _take(self, pool: str, hypervisor: str, count: int) -> None:
        if hypervisor:
            self._taken[self._views[pool].cloud, hypervisor] += count


def _capacity(host: Hypervisor, size: Size | None) -> int:
    """Servers of a size that fit into a hypervisor's free room, by what is known of both."""
    known: Iterable[tuple[int, int]] = (
        ((host.free_vcpus, size.vcpus), (host.free_ram, size.ram), (host.free_disk, size.disk)) if size else ()
    )
    return min([free // need for free, need in known if free >= 0 and need > 0], default=MANY)
