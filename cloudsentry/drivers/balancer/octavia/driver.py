"""The balancer driver `octavia`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.clouds.names import missing, resolve
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.octavia import calls, quota, read
from cloudsentry.drivers.balancer.octavia.members import batch, clash, weigh_alike
from cloudsentry.errors import Busy, Conflict, Denied, DriverError, NotSupported
from cloudsentry.records.ground import Ground
from cloudsentry.records.orders import AwaitMembers, BalancerOrder, CreateBalancer, DeleteBalancer, Drain, SetMembers
from cloudsentry.records.views import Balancer, BalancerView

WEIGHTLESS = frozenset({"ovn"})
"""Providers without weights (Octavia's feature matrix: member weight)."""


class OctaviaBalancer(BalancerDriver):
    """Load balancers of the account's own project on one OpenStack cloud.

    Needs an Octavia with tags (API v2.5, 2019). The cloud is opened at the first call.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._connect = connect
        self._opened: Cloud | None = None

    def __repr__(self) -> str:
        return f"OctaviaBalancer({self._name!r})"

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As the contract says: two lists, and one more per pool that has members."""
        items = calls.balancers(self._cloud, scope.event)
        pools = calls.pools(self._cloud, scope.event) if items else []
        found = [self._balancer(item, read.pool_of(item, pools), scope) for item in items]
        return BalancerView(
            driver="octavia",
            cloud=self._name,
            balancers=tuple(sorted(filter(None, found), key=lambda balancer: (balancer.mark.unit, balancer.id))),
            missing=self._missing(scope) if scope.full else (),
            ground=quota.ground(self._cloud) if scope.full and scope.limits else Ground(),
        )

    def _balancer(self, item: Mapping[str, Any], pool: Mapping[str, Any], scope: BalancerScope) -> Balancer | None:
        members = self._members(pool["id"]) if pool.get("members") else []
        stats = self._stats(item["id"]) if scope.counters else None
        return read.balancer(item, pool, members, stats, scope.event)

    def _members(self, pool: str) -> list[dict[str, Any]]:
        """Nobody's, where the pool went between the two looks: a cascade takes it before its balancer."""
        try:
            return calls.members(self._cloud, pool)
        except Conflict as gone:
            if gone.status != 404:
                raise
            return []

    def _stats(self, id: str) -> dict[str, int] | None:
        """Missing data is a value of its own: what the provider does not tell is None."""
        try:
            return calls.stats(self._cloud, id)
        except (Conflict, Denied, NotSupported):
            return None

    def act(self, order: BalancerOrder) -> None:
        """As the contract says."""
        match order:
            case CreateBalancer():
                self._create(order)
            case SetMembers():
                self._set_members(order)
            case DeleteBalancer():
                calls.delete(self._cloud, order.id)
            case AwaitMembers() | Drain():
                pass

    def _create(self, order: CreateBalancer) -> None:
        if order.provider in WEIGHTLESS:
            raise NotSupported(f"Octavia's provider {order.provider!r} cannot weigh members", cloud=self._name)
        network = self._id("network", order.network)
        subnet = self._id("subnet", order.subnet, network=network)
        try:
            calls.create(self._cloud, calls.create_body(order, network=network, subnet=subnet))
        except Denied as denied:
            raise quota.explained(self._cloud, denied) from denied

    def _set_members(self, order: SetMembers) -> None:
        balancer = self._writable(order)
        if balancer.get("provider") in WEIGHTLESS and not weigh_alike(order.members):
            raise NotSupported(f"Octavia's provider {balancer['provider']!r} cannot weigh members", cloud=self._name)
        pool = self._pool(balancer, order)
        subnets = {name: self._id("subnet", name) for name in sorted({m.subnet for m in order.members if m.subnet})}
        found = calls.members(self._cloud, pool)
        if taken := clash(order.members, found):
            raise Conflict(f"the pool has {', '.join(taken)} already, from somebody else", cloud=self._name)
        wish = batch(order.members, found, subnets=subnets)
        try:
            calls.set_members(self._cloud, pool, wish)
        except Denied as denied:
            raise quota.explained(self._cloud, denied, members=len(wish)) from denied
        except Busy as busy:
            raise self._immutable(busy, balancer["id"]) from busy

    def _pool(self, balancer: Mapping[str, Any], order: SetMembers) -> str:
        """The id of our pool: a person may have added one of theirs."""
        pools = balancer["pools"]
        if len(pools) > 1:
            pools = [read.pool_of(balancer, calls.pools(self._cloud, order.mark.event))]
        if not pools or not pools[0]:
            raise Conflict(f"balancer {balancer['name']} has no pool of ours", cloud=self._name)
        return str(pools[0]["id"])

    def _writable(self, order: SetMembers) -> Mapping[str, Any]:
        """The unit's balancer, where it takes a write now: asking first saves the 409. By id, as in a view."""
        found = calls.balancers(self._cloud, order.mark.event, order.unit)
        if not found:
            raise Conflict(f"there is no balancer for {order.unit}", cloud=self._name)
        balancer = min(found, key=lambda item: str(item["id"]))
        name, state = balancer["name"], str(balancer["provisioning_status"])
        if state.startswith("PENDING"):
            raise Busy(f"balancer {name} is in {state}", cloud=self._name, status=409)
        if state == "ERROR":
            raise Conflict(f"balancer {name} is in ERROR", cloud=self._name, status=409)
        return balancer

    def _immutable(self, busy: Busy, id: str) -> DriverError:
        """A 409 is of passage while the balancer works on something, and for good once it is in ERROR."""
        if busy.status != 409 or calls.balancer(self._cloud, id)["provisioning_status"] != "ERROR":
            return busy
        return Conflict("the balancer is in ERROR", cloud=self._name, status=409)

    def _id(self, kind: Any, name: str, *, network: str = "") -> str:
        if not name:
            return ""
        found, faults = resolve(self._cloud, kind, [name], network=network)
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        return found[name]

    def _missing(self, scope: BalancerScope) -> tuple[str, ...]:
        known = calls.providers(self._cloud) if scope.providers else []
        return (
            *resolve(self._cloud, "network", scope.networks)[1],
            *resolve(self._cloud, "subnet", scope.subnets)[1],
            *(missing("provider", name, known) for name in scope.providers if name not in known),
            *(f"weights at provider {name!r}: it has none" for name in scope.providers if name in WEIGHTLESS),
        )

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened
