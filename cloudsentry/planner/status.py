"""The same comparison, told to people: what stands, where it should stand, and what is not as wanted."""

from __future__ import annotations

from cloudsentry.planner.make import Comparison, compare
from cloudsentry.planner.steering import targets_of
from cloudsentry.planner.units import Unit
from cloudsentry.records.reports import BalancerLine, Counts, ServerLine, Status, SteerLine, StretchLine
from cloudsentry.records.steering import Steer
from cloudsentry.records.stretching import End, StretchView, fresh
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
    stretches = tuple(_stretch(view, end, snapshot) for view in snapshot.stretches for end in view.ends)
    steered = any(view.steers for view in snapshot.steerings)
    there = servers or balancers or stretches or steered
    state = "absent" if not there else "drifted" if wrong else "up"
    return Status(
        event=event.event,
        revision=revision,
        state=state,
        servers=servers,
        balancers=balancers,
        drift=parts.drift,
        counts=counts,
        stretches=stretches,
        steers=_steers(event, snapshot),
    )


def _steers(event: Event, snapshot: Snapshot) -> tuple[SteerLine, ...]:
    """A line per target that the event wants or that stands, by steering and target."""
    standing = {(view.cloud, view.driver, one.mark.unit): one for view in snapshot.steerings for one in view.steers}
    wanted = {(spec.at, spec.driver, name): targets_of(event, spec) for name, spec in event.steering.items()}
    lines: list[SteerLine] = []
    for key in wanted.keys() | standing.keys():
        cloud, driver, unit = key
        asked, steer = {one.name: one for one in wanted.get(key, ())}, standing.get(key)
        seen = {one.name: one for one in steer.targets} if steer else {}
        given = dict(steer.shares) if steer else {}
        for name in asked.keys() | seen.keys():
            to = (seen.get(name) or asked[name]).to
            lines.append(
                SteerLine(
                    unit=unit,
                    driver=driver,
                    cloud=cloud,
                    target=name,
                    to=", ".join(to) or f"balancer {asked[name].balancer}",
                    wanted=asked[name].share if name in asked else None,
                    share=given.get(name, 0.0) if steer else None,
                    state=_steer_state(steer),
                    detail=steer.detail if steer else "",
                )
            )
    return tuple(sorted(lines, key=lambda line: (line.unit, line.target)))


def _steer_state(steer: Steer | None) -> str:
    if steer is None:
        return "ABSENT"
    return "SETTLING" if steer.state == "ACTIVE" and steer.settles > 0 else steer.state


def _stretch(view: StretchView, end: End, snapshot: Snapshot) -> StretchLine:
    offers = [
        far.offer
        for other in snapshot.stretches
        if other.driver == view.driver and other.cloud != view.cloud and (far := other.named(end.mark.unit))
    ]
    probe = fresh(end.probe)
    return StretchLine(
        cloud=view.cloud,
        unit=end.mark.unit,
        driver=view.driver,
        state=end.state,
        joined=end.joined is not None and end.joined in offers,
        offer=", ".join(f"{key} {value}" for key, value in end.offer.facts) if end.offer else "",
        objects=len(end.objects),
        detail=end.detail,
        alive=None if probe is None else probe.up,
        rtt=None if probe is None else probe.rtt,
        loss=None if probe is None or (probe.up and probe.rtt is None) else probe.loss,  # none was sent, none was lost
        server=end.at("server"),
        hypervisor=end.at("hypervisor"),
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
