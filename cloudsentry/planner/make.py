"""The whole plan: every pool, then every balancer, then what may go, in an order that never takes before it gives."""

from __future__ import annotations

import dataclasses

from cloudsentry.errors import PlanError
from cloudsentry.planner.balancers import BalancerPlan, plan_balancer
from cloudsentry.planner.servers import PoolPlan, plan_pool, removals, unseen_pool
from cloudsentry.planner.spares import spare_steps
from cloudsentry.planner.spill import ALL_HAD, Short, spilled
from cloudsentry.planner.steering import SteeringPlan, before, endings, finished, last_transfers, ordered, plan_steering
from cloudsentry.planner.steering import leftovers as steering_leftovers
from cloudsentry.planner.stretches import StretchPlan, closings, dead, plan_stretch, waiting, weightless
from cloudsentry.planner.stretches import leftovers as stretch_leftovers
from cloudsentry.planner.units import Unit, digest, units_of
from cloudsentry.records.orders import DeleteBalancer, DeleteServerGroups, DeleteServers
from cloudsentry.records.plans import Drift, Plan, Step
from cloudsentry.records.views import BalancerView, PoolView, Snapshot
from cloudsentry.spec.event import Event


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """An event held against a snapshot: the plans of its parts."""

    pools: dict[str, PoolPlan]
    balancers: dict[str, BalancerPlan]
    stretches: dict[str, StretchPlan]
    leftovers: tuple[Step, ...]
    steerings: dict[str, SteeringPlan] = dataclasses.field(default_factory=dict)

    @property
    def parts(self) -> tuple[StretchPlan | PoolPlan | BalancerPlan, ...]:
        """Stretches first, then pools; steerings aside."""
        return (*self.stretches.values(), *self.pools.values(), *self.balancers.values())

    @property
    def drift(self) -> tuple[Drift, ...]:
        """Everything that is not as the event wants it."""
        lines = [line for part in (*self.parts, *self.steerings.values()) for line in part.drift]
        lines += [Drift(unit=step.unit, cloud=step.cloud, kind="surplus", what=step.why) for step in self.leftovers]
        return tuple(sorted(lines, key=lambda line: (line.unit, line.kind, line.what)))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Every reason why the event cannot be planned."""
        return tuple(dict.fromkeys(line for part in (*self.parts, *self.steerings.values()) for line in part.refusals))


def compare(event: Event, snapshot: Snapshot, short: Short = ALL_HAD) -> Comparison:
    """Hold an event against a snapshot; ``short`` is what this run has learnt cannot be had."""
    views = {name: snapshot.pool(event.cloud_of(pool.site), pool.driver) for name, pool in sorted(event.pools.items())}
    pinned = {name: units_of(event, name, view) for name, view in views.items()}
    units = spilled(event, snapshot, {name: found for name, (found, _) in pinned.items()}, short)
    lost = dead(event, snapshot)
    units = {name: _weighed(event, name, found, lost) for name, found in units.items()}
    pools = {name: plan_pool(event, name, view, units[name], pinned[name][1]) for name, view in views.items()}
    for name, view in views.items():
        if dark := snapshot.unseen("pool", view.cloud, view.driver):
            pools[name] = unseen_pool(pools[name], dark.why)
    seen = frozenset(server.id for view in snapshot.pools for server in view.servers)
    balancers = {name: _balancer(event, name, snapshot, pools, seen) for name in sorted(event.balancers)}
    stretches = {name: _stretch(event, name, snapshot) for name in sorted(event.stretches)}
    left = (*_leftovers(event, snapshot), *stretch_leftovers(event, snapshot), *steering_leftovers(event, snapshot))
    # Shares stay as they are while some of their targets may be unseen.
    turned = () if snapshot.dark else sorted(event.steering)
    steerings = {name: plan_steering(event, name, snapshot) for name in turned}
    return Comparison(pools=pools, balancers=balancers, stretches=stretches, leftovers=left, steerings=steerings)


def _weighed(event: Event, pool: str, units: tuple[Unit, ...], lost: frozenset[str]) -> tuple[Unit, ...]:
    """The same units; without weight while what they fetch from cannot be reached."""
    if not weightless(event, pool, lost):
        return units
    return tuple(dataclasses.replace(unit, weight=0) for unit in units)


def _balancer(
    event: Event, name: str, snapshot: Snapshot, pools: dict[str, PoolPlan], seen: frozenset[str]
) -> BalancerPlan:
    spec = event.balancers[name]
    place = event.place_of(spec)
    if dark := snapshot.unseen("balancer", place, spec.driver):
        return BalancerPlan(drift=(Drift(unit=name, cloud=place, kind="unseen", what=dark.why),), dark=True)
    return plan_balancer(event, name, snapshot.balancer(place, spec.driver), pools, seen)


def _stretch(event: Event, name: str, snapshot: Snapshot) -> StretchPlan:
    """A stretch needs both of its ends."""
    spec = event.stretches[name]
    clouds = [event.cloud_of(site) for site in spec.between]
    dark = [one for cloud in clouds if (one := snapshot.unseen("stretch", cloud, spec.driver))]
    if dark:
        return StretchPlan(drift=tuple(Drift(unit=name, cloud=one.cloud, kind="unseen", what=one.why) for one in dark))
    return plan_stretch(event, name, snapshot)


def _blind(event: Event, pool: str, parts: Comparison) -> bool:
    """Whether a balancer that sends requests to a pool does not answer: then none of its servers may go."""
    return any(
        parts.balancers[name].dark and any(member.pool == pool for member in spec.members)
        for name, spec in event.balancers.items()
    )


def _spares(event: Event, name: str, parts: Comparison, snapshot: Snapshot, letting_go: tuple[str, ...]) -> list[Step]:
    """The warm pool of a pool; left as it is while a balancer that may have its servers does not answer."""
    if _blind(event, name, parts):
        return []
    pool = event.pools[name]
    view = snapshot.pool(event.cloud_of(pool.site), pool.driver)
    mine = [part for one, part in parts.balancers.items() if any(m.pool == name for m in event.balancers[one].members)]
    behind = tuple(sorted({*parts.pools[name].arriving, *(step.id for part in mine for step in part.steps)}))
    return spare_steps(event, parts.pools[name], view, letting_go, behind)


def plan_apply(event: Event, snapshot: Snapshot, revision: str, *, short: Short = ALL_HAD) -> Plan:
    """What makes the clouds as the event wants them, or as near as ``short`` lets it.

    Raises `PlanError` with every refusal at once.
    """
    parts = compare(event, snapshot, short)
    missing = [f"cloud {view.cloud} has no {line}" for view in snapshot.views for line in view.missing]
    refusals = (*dict.fromkeys(missing), *parts.refusals)
    if refusals:
        raise PlanError(refusals)
    letting_go = {
        pool: tuple(
            step
            for name, spec in event.balancers.items()
            if any(member.pool == pool for member in spec.members)
            for step in parts.balancers[name].letting_go
        )
        + tuple(
            # Servers that carry a balancer go when those that come carry it as well.
            step.id
            for name, spec in event.balancers.items()
            if spec.carried_by == pool
            for step in parts.balancers[name].steps
            if step.verb == "members"
        )
        for pool in parts.pools
    }
    spares = [step for name in parts.pools for step in _spares(event, name, parts, snapshot, letting_go[name])]
    steps = waiting(event, [*(step for part in parts.parts for step in part.steps), *spares], parts.stretches)
    gone = tuple(step.id for step in parts.leftovers if step.family == "balancer")
    for name, part in parts.pools.items():
        if not _blind(event, name, parts):
            steps += removals(part, letting_go[name] + gone)
    steps += [step for step in parts.leftovers if step.family not in ("stretch", "steering")]
    freed = tuple(sorted(step.id for step in steps if step.action == "remove"))
    steps += [dataclasses.replace(step, after=freed) for step in parts.leftovers if step.family == "stretch"]
    steps = _steered(event, parts, steps, snapshot)
    wanted = sum(unit.count for part in parts.pools.values() for unit in part.units)
    return _sealed(
        Plan(event=event.event, goal="apply", revision=revision, steps=tuple(steps), drift=parts.drift, wanted=wanted)
    )


def _steered(event: Event, parts: Comparison, steps: list[Step], snapshot: Snapshot) -> list[Step]:
    """With the steering: behind what gives its balancers members, before anything of a balancer goes."""
    turns = ordered(event, parts.steerings.values(), steps, snapshot)
    homewards = [step for step in parts.leftovers if step.family == "steering"]
    return [*before(steps, [*turns, *homewards]), *turns, *homewards]


def plan_destroy(event: str, snapshot: Snapshot, revision: str = "", forsaken: tuple[str, ...] = ()) -> Plan:
    """What removes everything that bears the event's mark: steering, balancers, servers, then groups and stretches.

    ``forsaken`` are places that are gone for good: no steering is put back there.
    """
    homewards = endings(snapshot, set(), forsaken=forsaken)
    steps: list[Step] = []
    for balancers in snapshot.balancers:
        going = _delete_balancers(balancers, keep=frozenset())
        steps += before([*last_transfers(balancers, going), *going] if homewards else going, homewards, forsaken)
    steps = [finished(step, steps) for step in steps]
    first = tuple(step.id for step in steps)
    for pools in snapshot.pools:
        steps += _delete_servers(pools, frozenset(), first, "the event ends")
        mine = tuple(step.id for step in steps if step.family == "pool" and step.cloud == pools.cloud)
        if pools.groups:
            steps.append(_delete_groups(pools, mine))
    steps += closings(snapshot, set(), tuple(step.id for step in steps))
    steps += homewards
    return _sealed(Plan(event=event, goal="destroy", revision=revision, steps=tuple(steps)))


def _leftovers(event: Event, snapshot: Snapshot) -> list[Step]:
    """What bears the mark but belongs to a pool or balancer that the event no longer has."""
    steps: list[Step] = []
    for balancers in snapshot.balancers:
        keep = frozenset(
            name
            for name, spec in event.balancers.items()
            if (event.place_of(spec), spec.driver) == (balancers.cloud, balancers.driver)
        )
        steps += _delete_balancers(balancers, keep)
    first = tuple(step.id for step in steps)
    for view in snapshot.pools:
        keep = frozenset(
            name
            for name, pool in event.pools.items()
            if (event.cloud_of(pool.site), pool.driver) == (view.cloud, view.driver)
        )
        steps += _delete_servers(view, keep, first, "no such pool in the event")
    return steps


def _delete_balancers(view: BalancerView, keep: frozenset[str]) -> list[Step]:
    return [
        Step(
            id=f"{balancer.mark.unit}/{balancer.id[:8]}/remove",
            unit=balancer.mark.unit,
            family="balancer",
            driver=view.driver,
            cloud=view.cloud,
            verb="delete",
            action="remove",
            subject=DeleteBalancer(unit=balancer.mark.unit, id=balancer.id),
            why=f"balancer {balancer.name} goes",
        )
        for balancer in sorted(view.balancers, key=lambda balancer: balancer.id)
        if balancer.mark.unit not in keep
    ]


def _delete_servers(view: PoolView, keep: frozenset[str], after: tuple[str, ...], why: str) -> list[Step]:
    units: dict[str, list[str]] = {}
    for server in view.servers:
        if server.mark.unit.split("@")[0] not in keep:
            units.setdefault(server.mark.unit, []).append(server.id)
    return [
        Step(
            id=f"{unit}/{view.cloud}/remove",
            unit=unit,
            family="pool",
            driver=view.driver,
            cloud=view.cloud,
            verb="delete",
            action="remove",
            subject=DeleteServers(unit=unit, ids=tuple(sorted(ids))),
            after=after,
            why=f"{len(ids)} servers: {why}",
        )
        for unit, ids in sorted(units.items())
    ]


def _delete_groups(view: PoolView, after: tuple[str, ...]) -> Step:
    return Step(
        id=f"groups/{view.cloud}/remove",
        unit="groups",
        family="pool",
        driver=view.driver,
        cloud=view.cloud,
        verb="ungroup",
        action="remove",
        subject=DeleteServerGroups(unit="groups", ids=tuple(sorted(group.id for group in view.groups))),
        after=after,
        why=f"{len(view.groups)} server groups",
    )


def _sealed(plan: Plan) -> Plan:
    ordered = tuple(sorted(plan.steps, key=lambda step: step.id))
    body = [dataclasses.asdict(step) for step in ordered]
    return dataclasses.replace(plan, steps=ordered, digest=digest(plan.event, plan.goal, plan.revision, body))
