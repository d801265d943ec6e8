"""Steps of a warm pool: servers that are laid to rest, and new ones that are made to rest. Pure.

A spare bears the mark of its unit as the servers that serve do, and is told from them by its state alone. Until it
rests it is one server too many: no balancer takes it, and whoever looks after a kill lays it to rest.
"""

from __future__ import annotations

from cloudsentry.planner.servers import PoolPlan, made
from cloudsentry.planner.units import Standing, Unit, digest, template_digest
from cloudsentry.records.orders import AwaitServers, CreateServers, PoolOrder, RestServers
from cloudsentry.records.plans import Action, Step
from cloudsentry.records.views import PoolView
from cloudsentry.spec.event import Event


def spare_steps(
    event: Event, plan: PoolPlan, view: PoolView, after: tuple[str, ...], behind: tuple[str, ...]
) -> list[Step]:
    """Rest what serves no more, once the balancers let go of it (``after``); make what is missing.

    New ones are made ``behind`` the servers that are to serve and the balancers' writes, which would take them in while
    they are up.
    """
    if plan.dark:
        return []
    maker = _Maker(plan, view.cloud)
    steps: list[Step] = []
    for unit in plan.units:
        standing = plan.standing[unit.name]
        steps += maker.laid(unit, standing, after)
        missing = unit.spares - standing.resting
        if missing > 0 and _up(unit, view):
            steps += maker.made(event, unit, missing, view, behind)
    return steps


def _up(unit: Unit, view: PoolView) -> bool:
    """Whether the unit's hypervisor takes servers, as far as is known."""
    host = next((one for one in view.hypervisors if one.name == unit.hypervisor), None)
    return host is None or (host.up and host.enabled)


class _Maker:
    def __init__(self, plan: PoolPlan, cloud: str) -> None:
        self._plan, self._cloud = plan, cloud

    def laid(self, unit: Unit, standing: Standing, after: tuple[str, ...]) -> list[Step]:
        """Those that are up at once, those that boot still once they are up."""
        steps: list[Step] = []
        if standing.rest:
            ids = tuple(sorted(server.id for server in standing.rest))
            order = RestServers(unit=unit.name, ids=ids, rest=unit.rest)
            steps.append(self._step(unit, "rest", "rest", order, f"{len(ids)} go back to the spares", after))
        if standing.warming:
            ids = tuple(sorted(server.id for server in standing.warming))
            awaited = AwaitServers(unit=unit.name, ids=ids)
            steps.append(self._step(unit, "warm", "warm", awaited, "spares that boot still"))
            order = RestServers(unit=unit.name, ids=ids, rest=unit.rest)
            steps.append(self._step(unit, "warmed", "rest", order, "they are to rest", (*after, steps[-1].id)))
        return steps

    def made(self, event: Event, unit: Unit, count: int, view: PoolView, behind: tuple[str, ...]) -> list[Step]:
        """One call for all that are missing, and their rest."""
        listed = sorted(server.id for server in view.servers if server.mark.unit == unit.name)
        group = f"{unit.name}/group"
        grouped = group in {step.id for step in self._plan.steps}
        if unit.group and not grouped and not any(one.name == unit.group for one in view.groups):
            return []  # made with the first of its servers that serve
        op = digest(event.event, unit.name, "spare", count, listed, template_digest(event.pools[unit.pool]))
        create = made(event, unit, count, op)
        why = f"{count} of {unit.spares} spares missing"
        first = self._step(unit, "spare", "spare", create, why, (group,) if grouped else (), behind)
        order = RestServers(unit=unit.name, ids=(), rest=unit.rest, op=op)
        return [first, self._step(unit, "spared", "rest", order, "they are to rest", (first.id,))]

    def _step(
        self,
        unit: Unit,
        id: str,
        verb: str,
        order: PoolOrder,
        why: str,
        after: tuple[str, ...] = (),
        behind: tuple[str, ...] = (),
    ) -> Step:
        action: Action = "create" if isinstance(order, CreateServers) else "change"
        return Step(
            id=f"{unit.name}/{id}",
            unit=unit.name,
            family="pool",
            driver=self._plan.driver,
            cloud=self._cloud,
            verb=verb,
            action=action,
            subject=order,
            after=after,
            behind=behind,
            why=why,
        )
