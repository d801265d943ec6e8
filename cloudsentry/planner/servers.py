"""Steps for the servers of one pool."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cloudsentry.planner.units import Standing, Unit, digest, sort_servers, template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import (
    AwaitServers,
    CreateServerGroup,
    CreateServers,
    DeleteServers,
    PoolOrder,
    StartServers,
    Template,
)
from cloudsentry.records.plans import Action, Drift, Step
from cloudsentry.records.views import PoolView, Server
from cloudsentry.spec.event import Event, Pool

STATES = {"paused": ("PAUSED",), "stopped": ("SHUTOFF", "ACTIVE"), "shelved": ("SHELVED", "SHELVED_OFFLOADED")}
"""How servers in these states rest; ACTIVE are those that are being stopped just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """What one pool needs. ``arriving`` are the steps after which new servers serve."""

    name: str
    cloud: str
    driver: str
    units: tuple[Unit, ...]
    standing: dict[str, Standing]
    steps: tuple[Step, ...]
    drift: tuple[Drift, ...]
    refusals: tuple[str, ...]
    dark: bool = False
    """Its cloud does not answer: nothing is done there, and nothing is known of what stands."""

    @property
    def arriving(self) -> tuple[str, ...]:
        """Ids of the steps that bring servers up."""
        return tuple(step.id for step in self.steps if step.verb in ("create", "await", "start"))

    @property
    def retiring(self) -> tuple[Server, ...]:
        """Servers to be drained and removed, or laid to rest."""
        return tuple(server for standing in self.standing.values() for server in standing.leaving)

    @property
    def replacing(self) -> tuple[str, ...]:
        """Steps that must have succeeded before the servers that they replace may go."""
        units = {name for name, standing in self.standing.items() if standing.misplaced or standing.outdated}
        return tuple(step.id for step in self.steps if step.verb == "create" and step.unit in units)


def template_of(pool: Pool) -> Template:
    """The pool's template, as an order carries it."""
    return Template(
        image=pool.image,
        flavor=pool.flavor,
        networks=pool.network_names,
        security_groups=tuple(pool.security_groups),
        key_name=pool.key_name or "",
        user_data=pool.user_data or "",
        metadata=tuple(sorted(pool.metadata.items())),
    )


def made(event: Event, unit: Unit, count: int, op: str, *, first: bool = False) -> CreateServers:
    """The order that makes servers of a unit, by the call ``op``; the ``first`` ones have the plain name."""
    pool = event.pools[unit.pool]
    name = re.sub(r"[^a-z0-9.-]+", "-", f"{event.event}-{unit.name}".lower())
    return CreateServers(
        unit=unit.name,
        name=name if first else f"{name}-{op[:4]}",
        count=count,
        template=template_of(pool),
        hypervisor=unit.hypervisor,
        zone=unit.zone,
        group=unit.group,
        mark=Mark(event=event.event, unit=unit.name, op=op, template=template_digest(pool)),
    )


def plan_pool(
    event: Event, name: str, view: PoolView, units: tuple[Unit, ...], refusals: tuple[str, ...] = ()
) -> PoolPlan:
    """Compare one pool's units with what stands."""
    pool = event.pools[name]
    template = template_digest(pool)
    known = {unit.name: unit for unit in units}
    listed: dict[str, list[Server]] = {unit: [] for unit in known}
    for server in view.servers:
        if server.mark.unit.split("@")[0] == name:
            listed.setdefault(server.mark.unit, []).append(server)
    found = sorted(listed)
    standing = {unit: sort_servers(known.get(unit), template, tuple(listed[unit])) for unit in found}
    maker = _Maker(event=event, pool=pool, driver=pool.driver, view=view, template=template, listed=listed)
    steps = [step for unit in found for step in maker.steps(unit, known.get(unit), standing[unit])]
    return PoolPlan(
        name=name,
        cloud=view.cloud,
        driver=pool.driver,
        units=units,
        standing=standing,
        steps=tuple(steps),
        drift=tuple(line for unit in found for line in _drift(view.cloud, unit, known.get(unit), standing[unit])),
        refusals=refusals + _down(known, standing, view),
    )


def unseen_pool(plan: PoolPlan, why: str) -> PoolPlan:
    """The plan of a pool whose cloud does not answer: its units, and no step."""
    drift = (Drift(unit=plan.name, cloud=plan.cloud, kind="unseen", what=why),)
    return replace(plan, steps=(), drift=drift, refusals=(), dark=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    event: Event
    pool: Pool
    driver: str
    view: PoolView
    template: str
    listed: dict[str, list[Server]]

    def steps(self, name: str, unit: Unit | None, standing: Standing) -> list[Step]:
        steps: list[Step] = []
        if unit is not None:
            steps += self._arrivals(unit, standing)
        if standing.broken:
            ids = _ids(standing.broken)
            order = DeleteServers(unit=name, ids=ids)
            steps.append(self._step(name, "clear", "remove", order, f"{len(ids)} in ERROR"))
        return steps

    def _arrivals(self, unit: Unit, standing: Standing) -> list[Step]:
        steps: list[Step] = []
        missing = unit.count - standing.counted
        if missing > 0:
            steps += self._create(unit, standing, missing)
        if standing.building:
            awaited = AwaitServers(unit=unit.name, ids=_ids(standing.building))
            steps.append(self._step(unit.name, "await", "change", awaited, "an earlier run asked for them"))
        if standing.start:
            steps += self._start(unit, standing.start)
        return steps

    def _start(self, unit: Unit, servers: tuple[Server, ...]) -> list[Step]:
        steps: list[Step] = []
        for rest, states in STATES.items():
            ids = _ids(tuple(server for server in servers if server.status in states))
            if ids:
                order = StartServers(unit=unit.name, ids=ids, rest=rest, hypervisor=unit.hypervisor)
                why = f"{len(ids)} of the spares" if unit.rest else f"found {rest}"
                step = self._step(unit.name, "start", "change", order, why)
                steps.append(step if rest == "stopped" else replace(step, id=f"{step.id}-{rest}"))
        return steps

    def _create(self, unit: Unit, standing: Standing, count: int) -> list[Step]:
        listed = sorted(server.id for server in self.listed[unit.name])
        op = digest(self.event.event, unit.name, "create", count, listed, self.template)
        create = made(self.event, unit, count, op, first=not listed)
        mark = create.mark
        after: tuple[str, ...] = ()
        steps: list[Step] = []
        if unit.group and not any(group.name == unit.group for group in self.view.groups):
            order = CreateServerGroup(
                unit=unit.name, name=unit.group, policy="anti-affinity", max_per_host=unit.per_host, mark=mark
            )
            steps.append(self._step(unit.name, "group", "create", order, "keeps servers apart"))
            after = (steps[-1].id,)
        steps.append(self._step(unit.name, "create", "create", create, _why(unit, standing), after))
        return steps

    def _step(
        self, unit: str, verb: str, action: Action, order: PoolOrder, why: str, after: tuple[str, ...] = ()
    ) -> Step:
        return Step(
            id=f"{unit}/{verb}",
            unit=unit,
            family="pool",
            driver=self.driver,
            cloud=self.view.cloud,
            verb=verb,
            action=action,
            subject=order,
            after=after,
            why=why,
        )


def removals(plan: PoolPlan, after: tuple[str, ...]) -> list[Step]:
    """One step per unit that deletes its retired servers by exact id, after the balancers let go of them."""
    steps = []
    for unit, standing in sorted(plan.standing.items()):
        if not standing.retire:
            continue
        ids = _ids(standing.retire)
        own = tuple(step for step in plan.replacing if step.startswith(f"{unit}/"))
        steps.append(
            Step(
                id=f"{unit}/delete",
                unit=unit,
                family="pool",
                driver=plan.driver,
                cloud=plan.cloud,
                verb="delete",
                action="remove",
                subject=DeleteServers(unit=unit, ids=ids),
                after=tuple(sorted(set(after + own))),
                why=_why_removed(standing),
            )
        )
    return steps


def _ids(servers: tuple[Server, ...]) -> tuple[str, ...]:
    return tuple(sorted(server.id for server in servers))


def _why(unit: Unit, standing: Standing) -> str:
    reasons = [f"{unit.count} wanted, {standing.counted} there"]
    for count, what in (
        (len(standing.broken), "in ERROR"),
        (len(standing.misplaced), "on another hypervisor"),
        (len(standing.outdated), "made from another template"),
    ):
        if count:
            reasons.append(f"{count} {what}")
    return ", ".join(reasons)


def _why_removed(standing: Standing) -> str:
    reasons = [
        f"{len(servers)} {what}"
        for servers, what in (
            (standing.surplus, "more than wanted"),
            (standing.misplaced, "on another hypervisor"),
            (standing.outdated, "made from another template"),
        )
        if servers
    ]
    return ", ".join(reasons)


def _drift(cloud: str, name: str, unit: Unit | None, standing: Standing) -> list[Drift]:
    lines: list[tuple[str, str]] = []
    if unit is not None and (short := unit.count - standing.counted) > 0:
        lines.append(("missing", f"{short} of {unit.count} servers missing"))
    lines += [
        ("error", f"{server.name} is in ERROR: {server.fault or 'no reason given'}") for server in standing.broken
    ]
    if unit is not None and (short := unit.spares - len(standing.spares)) > 0:
        lines.append(("spares", f"{short} of {unit.spares} spares do not rest"))
    what = "stopped" if unit is None or not unit.rest else "resting"
    lines += [("stopped", f"{server.name} is {what}") for server in standing.start]
    lines += [("building", f"{server.name} is not up yet ({server.status})") for server in standing.building]
    lines += [("parked", f"{server.name} is {server.status}: resume it, or delete it") for server in standing.parked]
    lines += [("misplaced", f"{server.name} is on {server.hypervisor}") for server in standing.misplaced]
    lines += [("outdated", f"{server.name} was made from another template") for server in standing.outdated]
    lines += [("surplus", f"{server.name} is more than wanted") for server in standing.surplus]
    return [Drift(unit=name, cloud=cloud, kind=kind, what=what) for kind, what in lines]


def _down(units: dict[str, Unit], standing: dict[str, Standing], view: PoolView) -> tuple[str, ...]:
    """A hypervisor that is to take servers must be up and enabled: refused now, not half-way."""
    hosts = {host.name: host for host in view.hypervisors}
    refusals = []
    for unit in units.values():
        host = hosts.get(unit.hypervisor)
        short = unit.count > standing[unit.name].counted
        if host is not None and short and not (host.up and host.enabled):
            state, cure = ("down", "start its nova-compute") if not host.up else ("disabled", "enable it")
            where = f"hypervisor '{host.name}' of cloud {view.cloud}"
            refusals.append(f"pool {unit.pool}: {where} is {state}; {cure}, or pin elsewhere")
    return tuple(refusals)
