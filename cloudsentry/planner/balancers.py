"""Steps for one balancer: made once, its members and weights always in one write."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloudsentry.planner.relief import relief
from cloudsentry.planner.servers import PoolPlan
from cloudsentry.planner.units import digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import BalancerOrder, CreateBalancer, DeleteBalancer, Drain, Monitor, SetMembers, Share
from cloudsentry.records.plans import Action, Drift, Step
from cloudsentry.records.views import Balancer, BalancerView, Member
from cloudsentry.spec.event import BalancerSpec, Event


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerPlan:
    """What one balancer needs. ``letting_go`` is the step after which retired servers get no more requests."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    refusals: tuple[str, ...] = ()
    letting_go: tuple[str, ...] = ()
    dark: bool = False
    """Its place does not answer."""


def plan_balancer(
    event: Event, name: str, view: BalancerView, pools: dict[str, PoolPlan], seen: frozenset[str] = frozenset()
) -> BalancerPlan:
    """Compare one balancer with what stands, given what its pools are about to do.

    ``seen`` are the ids of all servers that were seen: where a pool's cloud does not answer, members that are none of
    these may be that pool's, and stay.
    """
    spec = event.balancers[name]
    known = sorted((one for one in view.balancers if one.mark.unit == name), key=lambda one: (not one.members, one.id))
    standing = known[0] if known else None
    mine = tuple(pools[part.pool] for part in spec.members)
    blind = standing is not None and any(pool.dark for pool in mine)
    kept = tuple(one for one in standing.members if one.mark and one.name not in seen) if standing and blind else ()
    carrying = pools[spec.carried_by].arriving if spec.carried_by else ()
    maker = _Maker(event=event, name=name, spec=spec, cloud=view.cloud, pools=mine, kept=kept, carrying=carrying)
    # A create that came through long after its answer was given up: the one with members stays, others go first.
    made = [maker.delete(one, "made twice", f"{one.id[:8]}/") for one in known[1:]]
    drift = [maker.drift("surplus", f"balancer {one.name} ({one.id}) was made twice") for one in known[1:]]
    if standing is not None and standing.provisioning == "ERROR":
        made.append(maker.delete(standing))
        drift.append(maker.drift("error", f"balancer {standing.name} is in ERROR"))
        standing = None
    elif standing is not None and standing.mark.template not in ("", maker.template):
        return BalancerPlan(refusals=(_refusal(name),))
    if standing is None:
        made.append(maker.create(after=tuple(step.id for step in made)))
        drift.append(maker.drift("missing", f"balancer {name} is missing"))
    moves = maker.moves(standing, made)
    drift += maker.member_drift(standing)
    letting_go = (moves[-1].id,) if moves and any(pool.retiring for pool in maker.pools) else ()
    return BalancerPlan(steps=(*made, *moves), drift=tuple(drift), letting_go=letting_go)


def _refusal(name: str) -> str:
    return (
        f"balancer {name}: site, network, protocol, port, provider, algorithm and monitor cannot change "
        "while it stands; give the balancer a new name, or destroy the event first"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    event: Event
    name: str
    spec: BalancerSpec
    cloud: str
    pools: tuple[PoolPlan, ...]
    kept: tuple[Member, ...] = ()
    carrying: tuple[str, ...] = ()
    """Steps that bring up servers on which the balancer itself runs."""

    @property
    def template(self) -> str:
        alike = {"site", "driver", "host", "address", "network", "subnet", "provider", "protocol", "port"}
        alike |= {"algorithm", "monitor"}
        if self.spec.carried_by:
            alike |= {"carried_by", "reach"}
        return digest(self.spec.model_dump(mode="json", include=alike))

    @property
    def mark(self) -> Mark:
        op = digest(self.event.event, self.name, "balancer", self.template)
        return Mark(event=self.event.event, unit=self.name, op=op, template=self.template)

    def create(self, after: tuple[str, ...]) -> Step:
        monitor = self.spec.monitor
        order = CreateBalancer(
            unit=self.name,
            name=f"{self.event.event}-{self.name}",
            subnet=self.spec.subnet or "",
            network=self.spec.network or "",
            address=self.spec.address or "",
            protocol=self.spec.protocol,
            port=self.spec.port,
            algorithm=self.spec.algorithm,
            provider=self.spec.provider or "",
            monitor=None
            if monitor is None
            else Monitor(
                type=monitor.type,
                path=monitor.path,
                delay=round(monitor.delay),
                timeout=round(monitor.timeout),
                retries=monitor.retries,
            ),
            mark=self.mark,
        )
        return self._step("create", "create", order, "not there", after, behind=self.carrying)

    def delete(self, standing: Balancer, why: str = "in ERROR", which: str = "") -> Step:
        order = DeleteBalancer(unit=self.name, id=standing.id)
        step = self._step("delete", "remove", order, why, ())
        return replace(step, id=f"{self.name}/{which}delete")

    def moves(self, standing: Balancer | None, made: list[Step]) -> list[Step]:
        """Member writes. Servers that replace others serve before those are drained, drained before removed."""
        before = tuple(step.id for step in made)
        arriving = tuple(sorted(step for pool in self.pools for step in pool.arriving))
        retiring = self._retiring(standing)
        writes: list[Step] = []
        if arriving or made or self.carrying or (not retiring and self._differs(standing)):
            absent = tuple(sorted(set(self._retired()) - set(retiring)))
            order = self._order(shares=self._shares(retiring), removed=absent)
            if arriving and self._idle(standing):
                # They are up: those that boot still, ordered by a later decision, are not waited for.
                writes.append(self._step("admit", "change", order, "servers that are up already", before))
                before = (writes[-1].id,)
            writes.append(
                self._step(
                    "members",
                    "change",
                    order,
                    _weights(order),
                    before,
                    behind=tuple(sorted({*arriving, *self.carrying})),
                )
            )
        if retiring:
            writes += self._retire(standing, retiring, tuple(step.id for step in writes) or before)
        return writes

    def _retire(self, standing: Balancer | None, ids: tuple[str, ...], before: tuple[str, ...]) -> list[Step]:
        replacing = tuple(sorted({step for pool in self.pools for step in pool.replacing}))
        steps: list[Step] = []
        after = tuple(sorted(set(before + replacing)))
        if standing is not None and (wait := relief(self.name, self.spec, self.pools, standing, ids)):
            awaits = self._step("await", "change", wait, "whoever stays answers first", after)
            steps.append(replace(awaits, id=f"{self.name}/relief"))
            after = (steps[-1].id,)
        weighty = any(member.weight for member in standing.members if member.name in ids) if standing else False
        if weighty and self.spec.drain:
            drained = self._order(shares=self._shares(ids), drained=ids)
            steps.append(self._step("drain", "change", drained, f"{len(ids)} leave", after))
            hold = Drain(unit=self.name, ids=ids, seconds=self.spec.drain)
            steps.append(self._step("hold", "change", hold, "their clients finish", (steps[-1].id,)))
            after = (steps[-1].id,)
        final = self._order(shares=self._shares(), removed=self._retired())
        steps.append(self._step("settle", "change", final, _weights(final), after))
        return steps

    def _retiring(self, standing: Balancer | None) -> tuple[str, ...]:
        held = {member.name for member in standing.members} if standing else set()
        return tuple(sorted(server.id for pool in self.pools for server in pool.retiring if server.id in held))

    def _retired(self) -> tuple[str, ...]:
        return tuple(sorted(server.id for pool in self.pools for server in pool.retiring))

    def _shares(self, keep: tuple[str, ...] = ()) -> tuple[Share, ...]:
        shares = [
            Share(
                unit=unit.name,
                cloud=pool.cloud,
                driver=pool.driver,
                weight=self.spec.weight_of(pool.name, unit.name, unit.weight),
                count=unit.count,
                port=self._port(pool),
                backup=self._backup(pool),
            )
            for pool in self.pools
            for unit in pool.units
            if unit.count or pool.standing[unit.name].leaving
        ]
        known = {share.unit for share in shares}
        shares += [
            Share(
                unit=unit,
                cloud=pool.cloud,
                driver=pool.driver,
                weight=0,
                count=0,
                port=self._port(pool),
                backup=self._backup(pool),
            )
            for pool in self.pools
            for unit, standing in pool.standing.items()
            if unit not in known and any(server.id in keep for server in standing.leaving)
        ]
        return tuple(shares)

    def _wanted(self) -> dict[str, tuple[str, int, int]]:
        """Server id → (address, port, weight), of what serves now and is to go on serving."""
        return {
            server.id: (
                server.addresses[0],
                self._port(pool),
                self.spec.weight_of(pool.name, unit.name, unit.weight),
            )
            for pool in self.pools
            for unit in pool.units
            for server in pool.standing[unit.name].keep
            if server.addresses
        }

    def _idle(self, standing: Balancer | None) -> bool:
        """Whether a server that is up and wanted is no member yet."""
        held = {member.name for member in standing.members} if standing else set()
        return standing is not None and not self._wanted().keys() <= held

    def _differs(self, standing: Balancer | None) -> bool:
        if standing is None:
            return True
        found = {(member.address, member.port, member.weight) for member in standing.members if member.mark is not None}
        return found != {*self._wanted().values(), *((one.address, one.port, one.weight) for one in self.kept)}

    def _port(self, pool: PoolPlan) -> int:
        return next(part.port for part in self.spec.members if part.pool == pool.name)

    def _backup(self, pool: PoolPlan) -> bool:
        return any(part.fallback is not None for part in self.spec.members if part.pool == pool.name)

    def _order(
        self, *, shares: tuple[Share, ...], drained: tuple[str, ...] = (), removed: tuple[str, ...] = ()
    ) -> SetMembers:
        return SetMembers(
            unit=self.name, shares=shares, drained=drained, removed=removed, mark=self.mark, kept=self.kept
        )

    def member_drift(self, standing: Balancer | None) -> list[Drift]:
        if standing is None:
            return []
        wanted = self._wanted()
        found = {member.name: member for member in standing.members if member.mark is not None}
        lines = [
            self.drift("member", f"{address} is no member")
            for id_, (address, _, _) in wanted.items()
            if id_ not in found
        ]
        lines += [
            self.drift("weight", f"{member.address} has weight {member.weight}, wanted {wanted[name][2]}")
            for name, member in found.items()
            if name in wanted and member.weight != wanted[name][2]
        ]
        lines += [
            self.drift("member", f"{member.address} is a member without a server")
            for name, member in found.items()
            if name not in wanted and member not in self.kept
        ]
        lines += [
            self.drift("foreign", f"{member.address} is somebody else's member: left alone")
            for member in standing.members
            if member.mark is None
        ]
        return sorted(lines, key=lambda line: line.what)

    def drift(self, kind: str, what: str) -> Drift:
        return Drift(unit=self.name, cloud=self.cloud, kind=kind, what=what)

    def _step(
        self,
        verb: str,
        action: Action,
        order: BalancerOrder,
        why: str,
        after: tuple[str, ...],
        *,
        behind: tuple[str, ...] = (),
    ) -> Step:
        return Step(
            id=f"{self.name}/{verb}",
            unit=self.name,
            family="balancer",
            driver=self.spec.driver,
            cloud=self.cloud,
            verb=verb,
            action=action,
            subject=order,
            after=after,
            behind=behind,
            why=why,
        )


def _weights(order: SetMembers) -> str:
    weights = "/".join(str(share.weight) for share in order.shares for _ in range(share.count))
    return f"weights {weights or 'none'}"
