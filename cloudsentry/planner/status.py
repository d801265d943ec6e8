"""The same comparison, told to people: what stands, where it should stand, and what is not as wanted."""

from __future__ import annotations

from cloudsentry.planner.make import Comparison, compare
from cloudsentry.planner.units import Unit
from cloudsentry.records.reports import BalancerLine, Counts, ServerLine, Status
from cloudsentry.records.views import Balancer, Member, Server, Snapshot
from cloudsentry.spec.event import Event


def status_of(event: Event, snapshot: Snapshot, revision: int = 0) -> Status:
    """An event as it is now. Drift includes what the clouds miss (an image that is gone)."""
    parts = compare(event, snapshot)
    servers = _servers(parts, snapshot)
    balancers = tuple(_balancer(view.cloud, item) for view in snapshot.balancers for item in view.balancers)
    wanted = sum(unit.count for part in parts.pools.values() for unit in part.units)
    counts = Counts(
        wanted=wanted,
        active=sum(line.status == "ACTIVE" for line in servers),
        misplaced=sum(not line.placed for line in servers),
    )
    wrong = [line for line in parts.drift if line.kind != "foreign"]
    state = "absent" if not servers and not balancers else "drifted" if wrong else "up"
    return Status(
        event=event.event,
        revision=revision,
        state=state,
        servers=servers,
        balancers=balancers,
        drift=parts.drift,
        counts=counts,
    )


def _servers(parts: Comparison, snapshot: Snapshot) -> tuple[ServerLine, ...]:
    units = {unit.name: unit for part in parts.pools.values() for unit in part.units}
    members = {
        member.name: member
        for view in snapshot.balancers
        for balancer in view.balancers
        for member in balancer.members
        if member.mark is not None
    }
    lines = [
        _server(view.cloud, server, units.get(server.mark.unit), members.get(server.id))
        for view in snapshot.pools
        for server in view.servers
    ]
    return tuple(sorted(lines, key=lambda line: (line.unit, line.name, line.id)))


def _server(cloud: str, server: Server, unit: Unit | None, member: Member | None) -> ServerLine:
    pinned = unit.hypervisor if unit else ""
    return ServerLine(
        cloud=cloud,
        unit=server.mark.unit,
        name=server.name,
        id=server.id,
        status=server.status,
        hypervisor=server.hypervisor,
        pinned=pinned,
        placed=not pinned or server.hypervisor in ("", pinned),
        address=server.addresses[0] if server.addresses else "",
        weight=member.weight if member else None,
        member=member.operating if member else "",
    )


def _balancer(cloud: str, balancer: Balancer) -> BalancerLine:
    return BalancerLine(
        cloud=cloud,
        unit=balancer.mark.unit,
        name=balancer.name,
        vip=balancer.vip,
        provisioning=balancer.provisioning,
        operating=balancer.operating,
        members=tuple((member.address, member.weight, member.operating) for member in balancer.members),
    )
