"""The balancer driver `fake`."""

from __future__ import annotations

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers, State
from cloudsentry.records.ground import Ground, Limit
from cloudsentry.records.orders import BalancerOrder
from cloudsentry.records.views import BalancerView


class FakeBalancer(BalancerDriver):
    """Balancers of the `FakeBalancers` of that name. ``connect`` is for the signature: nothing is opened."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._place = FakeBalancers.named(cloud)

    def __repr__(self) -> str:
        return f"FakeBalancer({self._place.name!r})"

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As the contract says; every look moves the event's balancers on by one."""
        with self._place.call("observe") as state:
            return BalancerView(
                driver="fake",
                cloud=self._place.name,
                balancers=self._place.look(state, scope.event, counters=scope.counters),
                missing=_missing(state, scope) if scope.full else (),
                ground=_ground(state) if scope.full and scope.limits else Ground(),
            )

    def act(self, order: BalancerOrder) -> None:
        """As the contract says."""
        self._place.act(order)


def _ground(state: State) -> Ground:
    used = {"members": sum(len(one.balancer.members) for one in state.balancers.values())}
    limits = sorted(state.limits.items())
    return Ground(
        limits=tuple(Limit(kind=kind, limit=limit, used=used.get(kind, len(state.balancers))) for kind, limit in limits)
    )


def _missing(state: State, scope: BalancerScope) -> tuple[str, ...]:
    checks = (
        ("network", scope.networks, state.networks),
        ("subnet", scope.subnets, state.subnets),
        ("provider", scope.providers, state.providers),
    )
    return (
        *(
            missing(kind, name, known)
            for kind, names, known in checks
            if known is not None
            for name in names
            if name not in known
        ),
        *(f"weights at provider {name!r}: it has none" for name in scope.providers if name in state.weightless),
    )
