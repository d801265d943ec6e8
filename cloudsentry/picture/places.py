"""What the clouds have, by pool, hypervisor and balancer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from cloudsentry.history.report import units_of
from cloudsentry.picture.rows import HostNow, ServerNow, ShareNow, UnitNow
from cloudsentry.records.reports import BalancerLine, ServerLine, Status
from cloudsentry.spec.event import Event
from cloudsentry.weights.weigh import unit_of


def units(event: Event, servers: Iterable[ServerLine]) -> tuple[UnitNow, ...]:
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
            answers=_sum(answer(event, line) for line in found[cloud, unit]) if _scaled(event, unit) else None,
        )
        for cloud, unit in sorted({*wanted, *found})
    )


def _within(unit: str, pin: str) -> bool:
    return unit == pin or unit.startswith(f"{pin}:")


def _hosts(servers: Iterable[ServerLine]) -> str:
    hosts = Counter(line.hypervisor for line in servers if line.hypervisor)
    return ", ".join(f"{host} {number}" for host, number in sorted(hosts.items()))


def shares(line: BalancerLine, status: Status) -> list[ShareNow]:
    """A row per unit behind a balancer."""
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


def server(line: ServerLine) -> ServerNow:
    """A row of one server."""
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


def hosts(event: Event, servers: Iterable[ServerLine]) -> tuple[HostNow, ...]:
    """A row per hypervisor that has servers of the event."""
    found: dict[tuple[str, str], list[ServerLine]] = defaultdict(list)
    for line in servers:
        if line.hypervisor:
            found[line.cloud, line.hypervisor].append(line)
    return tuple(
        HostNow(
            cloud=cloud,
            hypervisor=host,
            pools=", ".join(sorted({_pool(line.unit) for line in lines})),
            active=sum(line.status == "ACTIVE" for line in lines),
            other=sum(line.status != "ACTIVE" for line in lines),
            misplaced=sum(not line.placed for line in lines),
            answers=_sum(answer(event, line) for line in lines) if _any_scaled(event, lines) else None,
        )
        for (cloud, host), lines in sorted(found.items())
    )


def capacity(event: Event, servers: Iterable[ServerLine]) -> float | None:
    """Load that the active servers of the weakest scaled pool answer; None where no pool is scaled."""
    totals = dict.fromkeys(event.scaling, 0.0)
    for line in servers:
        if _pool(line.unit) in totals:
            totals[_pool(line.unit)] += answer(event, line)
    return round(min(totals.values()), 1) if totals else None


def answer(event: Event, line: ServerLine) -> float:
    """Load that one server answers, by its pin's weight: 0 where it is not active, or not of a scaled pool."""
    name = _pool(line.unit)
    scaling, pool = event.scaling.get(name), event.pools.get(name)
    if scaling is None or pool is None or line.status != "ACTIVE" or line.cloud != event.cloud_of(pool.site):
        return 0.0
    top = max((pin.weight for pin in pool.pins), default=0)
    pin = next((pin for pin in pool.pins if _within(line.unit, unit_of(name, pin))), None)
    return 0.0 if pin is None else scaling.per_server * (pin.weight / top if top else 1.0)


def _pool(unit: str) -> str:
    return unit.split("@")[0]


def _scaled(event: Event, unit: str) -> bool:
    return _pool(unit) in event.scaling


def _any_scaled(event: Event, servers: Iterable[ServerLine]) -> bool:
    return any(_scaled(event, line.unit) for line in servers)


def _sum(numbers: Iterable[float]) -> float:
    return round(sum(numbers), 1)
