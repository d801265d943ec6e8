"""Nobody leaves a balancer before those who stay can do without them: ACTIVE does not mean that anything listens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cloudsentry.planner.servers import PoolPlan
from cloudsentry.records.serving import AwaitMembers, answers
from cloudsentry.records.views import Balancer, Member
from cloudsentry.spec.event import BalancerSpec


def relief(
    name: str, spec: BalancerSpec, pools: Sequence[PoolPlan], standing: Balancer, ids: tuple[str, ...]
) -> AwaitMembers | None:
    """Who must answer before those of ``ids`` leave; None where enough do, nobody is to stay or nobody is asked.

    As many as now where they are replaced, so that nothing is lost with them; somebody in any case. One that is to
    stay, is no younger than who leaves and does not answer is not waited for: it is down, and no newcomer.
    """
    staying = sum(
        unit.count for pool in pools for unit in pool.units if spec.weight_of(pool.name, unit.name, unit.weight)
    )
    held = [member for member in standing.members if member.weight and member.name not in ids]
    now = [member for member in standing.members if answers(member)]
    least = max(1, min(len(now), staying - _down(pools, held, ids))) if _replaced(pools) else 1
    leaves = any(member.name in ids for member in now)
    if spec.monitor is None or not staying or not leaves or sum(map(answers, held)) >= least:
        return None
    return AwaitMembers(unit=name, asks=spec.monitor.asks, least=least, besides=ids)


def _replaced(pools: Iterable[PoolPlan]) -> bool:
    """Whether others come for those who leave; they may stand already, made by a run that was killed."""
    return any(unit.misplaced or unit.outdated for pool in pools for unit in pool.standing.values())


def _down(pools: Iterable[PoolPlan], held: Iterable[Member], ids: tuple[str, ...]) -> int:
    since: dict[str, str] = {}
    youngest = ""
    for pool in pools:
        since |= {server.id: server.created for unit in pool.standing.values() for server in unit.keep}
        youngest = max([youngest, *(server.created for server in pool.retiring if server.id in ids)])
    return sum(not answers(member) and since.get(member.name, "") <= youngest for member in held)
