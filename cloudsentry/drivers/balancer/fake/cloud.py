"""An Octavia in memory. Time passes by being looked at: a write settles after ``settle_looks`` looks."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

from cloudsentry.clouds.fake import FakePlace, FakeState, FaultRule
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.orders import AwaitMembers, BalancerOrder, CreateBalancer, DeleteBalancer, Drain, SetMembers
from cloudsentry.records.views import Balancer, Member


@dataclass(slots=True)
class FakeOne:
    """A balancer, how many looks its present work still takes, and its provider."""

    balancer: Balancer
    looks: int = 0
    provider: str = ""


@dataclass(slots=True)
class State(FakeState):
    """Everything there is at a place. A set of names that is None knows every name."""

    balancers: dict[str, FakeOne] = field(default_factory=dict)
    networks: list[str] | None = None
    subnets: list[str] | None = None
    providers: list[str] | None = None
    weightless: list[str] = field(default_factory=lambda: ["ovn"])
    limits: dict[str, int] = field(default_factory=dict)
    """Quotas by kind (``load balancers``, ``members``, …), told and not enforced."""
    settle_looks: int = 1
    connections: int | None = 0


class FakeBalancers(FakePlace[State]):
    """The fake balancers of one cloud."""

    FAMILY = "balancer"
    STATE = State
    READS = frozenset({"observe", "Drain", "AwaitMembers"})
    ORDERS = (CreateBalancer, SetMembers, DeleteBalancer)

    def play(self, state: State, order: BalancerOrder, due: list[FaultRule]) -> None:
        """As the driver's contract says."""
        match order:
            case CreateBalancer():
                self.create(state, order)
            case SetMembers():
                self.set_members(state, order)
            case DeleteBalancer():
                self.delete(state, order.id)
            case AwaitMembers() | Drain():
                pass

    @staticmethod
    def look(state: State, event: str, *, counters: bool) -> tuple[Balancer, ...]:
        """An event's balancers, sorted by unit and id; every look moves those on that are at work."""
        for id, one in list(state.balancers.items()):
            if one.balancer.mark.event == event and not one.balancer.settled:
                _move_on(state, id)
        connections = state.connections if counters else None
        mine = [replace(one.balancer, connections=connections) for one in state.balancers.values()]
        found = [balancer for balancer in mine if event in ("", balancer.mark.event)]
        return tuple(sorted(found, key=lambda balancer: (balancer.mark.unit, balancer.id)))

    def create(self, state: State, order: CreateBalancer) -> None:
        """A balancer with listener, pool and monitor."""
        if order.provider in state.weightless:
            raise NotSupported(f"provider {order.provider!r} cannot weigh members", cloud=self.name)
        state.serial += 1
        one = Balancer(
            id=self._id(state, "balancer"),
            name=order.name,
            mark=order.mark,
            vip=f"10.255.{state.serial >> 8 & 255}.{state.serial & 255}",
            provisioning="PENDING_CREATE",
            operating="OFFLINE",
            listener=self._id(state, "listener"),
            pool=self._id(state, "pool"),
            monitor=self._id(state, "monitor") if order.monitor else "",
            algorithm=order.algorithm,
        )
        state.balancers[one.id] = FakeOne(one, looks=state.settle_looks, provider=order.provider)

    def set_members(self, state: State, order: SetMembers) -> None:
        """Marked members as ordered, the others as they are, in one piece."""
        one = self._of(state, order)
        if not one.balancer.settled:
            raise Busy(f"balancer {one.balancer.name} is immutable", cloud=self.name, status=409)
        if one.provider in state.weightless and len({member.weight for member in order.members}) > 1:
            raise NotSupported(f"provider {one.provider!r} cannot weigh members", cloud=self.name)
        kept = tuple(member for member in one.balancer.members if member.mark is None)
        ids = {(member.address, member.port): member.id for member in one.balancer.members}
        if taken := {(m.address, m.port) for m in order.members} & {(m.address, m.port) for m in kept}:
            raise Conflict(f"the pool has {sorted(taken)} already, from somebody else", cloud=self.name)
        state.serial += 1
        made = tuple(
            replace(member, id=ids.get((member.address, member.port)) or self._id(state, member.name))
            for member in order.members
        )
        members = tuple(sorted(made + kept, key=lambda member: (member.address, member.port)))
        one.balancer = replace(one.balancer, members=members, provisioning="PENDING_UPDATE")
        one.looks = state.settle_looks

    def delete(self, state: State, id: str) -> None:
        """A balancer by id; gone is done."""
        one = state.balancers.get(id)
        if one is None or one.balancer.provisioning == "PENDING_DELETE":
            return
        if not one.balancer.settled:
            raise Busy(f"balancer {one.balancer.name} is immutable", cloud=self.name, status=409)
        one.balancer, one.looks = replace(one.balancer, provisioning="PENDING_DELETE"), state.settle_looks

    def add(self, unit: str, member: Member) -> None:
        """A member by a person's hand."""
        with self.work() as state:
            one = next(one for one in state.balancers.values() if one.balancer.mark.unit == unit)
            one.balancer = replace(one.balancer, members=(*one.balancer.members, member))

    def _of(self, state: State, order: SetMembers) -> FakeOne:
        wanted = (order.mark.event, order.unit)
        for one in state.balancers.values():
            if (one.balancer.mark.event, one.balancer.mark.unit) == wanted:
                return one
        raise Conflict(f"there is no balancer for {order.unit}", cloud=self.name)

    def _id(self, state: State, what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name}/{state.serial}/{what}"))


def _move_on(state: State, id: str) -> None:
    one = state.balancers[id]
    if one.looks > 0:
        one.looks -= 1
    elif one.balancer.provisioning == "PENDING_DELETE":
        del state.balancers[id]
    else:
        one.balancer = replace(one.balancer, provisioning="ACTIVE", operating="ONLINE")
