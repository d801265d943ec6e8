"""The pool driver `fake`."""

from __future__ import annotations

from collections.abc import Iterable

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.pool.base import PoolDriver, PoolScope
from cloudsentry.drivers.pool.fake.cloud import FakeCloud, State
from cloudsentry.records.ground import Ground, Limit, Room, Size
from cloudsentry.records.marks import PREFIX
from cloudsentry.records.orders import PoolOrder
from cloudsentry.records.views import Hypervisor, PoolView


class FakePool(PoolDriver):
    """Servers of the `FakeCloud` of that name. ``connect`` is for the signature: nothing is opened."""

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._cloud = FakeCloud.named(cloud)

    def __repr__(self) -> str:
        return f"FakePool({self._cloud.name!r})"

    def observe(self, scope: PoolScope) -> PoolView:
        """As the contract says; every look moves the event's servers on by one."""
        with self._cloud.call("observe") as state:
            servers = self._cloud.look(state, scope.event)
            prefix = f"{PREFIX}.{scope.event}." if scope.event else f"{PREFIX}."
            groups = self._cloud.groups(state, lambda name: name.startswith(prefix)) if scope.groups else ()
            full = scope.full
            return PoolView(
                driver="fake",
                cloud=self._cloud.name,
                servers=servers,
                groups=groups,
                hypervisors=_hypervisors(state, scope) if full and state.admin else (),
                pins_allowed=state.admin or not (full and scope.pinned),
                missing=tuple(_missing(state, scope)) if full else (),
                ground=_ground(state, scope) if full and scope.limits else Ground(),
            )

    def act(self, order: PoolOrder) -> None:
        """As the contract says."""
        self._cloud.act(order)


def _hypervisors(state: State, scope: PoolScope) -> tuple[Hypervisor, ...]:
    wanted = {
        name: host
        for name, host in state.hypervisors.items()
        if name in scope.hypervisors or {*host.aggregates} & {*scope.aggregates} or {*host.traits} & {*scope.traits}
    }
    load = FakeCloud.load(state) if wanted else {}
    return tuple(
        Hypervisor(
            name=name,
            up=host.up,
            enabled=host.enabled,
            zone=host.zone,
            aggregates=host.aggregates,
            traits=host.traits,
            free_vcpus=max(0, host.room - load[name]) if host.room >= 0 else -1,
            free_ram=host.memory,
        )
        for name, host in sorted(wanted.items())
    )


def _ground(state: State, scope: PoolScope) -> Ground:
    used = sum(map(len, state.servers.values()))
    quotas = {"instances": state.quota, **state.limits}
    return Ground(
        limits=tuple(
            Limit(kind=kind, limit=limit, used=used if kind in ("instances", "cores") else 0)
            for kind, limit in sorted(quotas.items())
        ),
        flavors=tuple(state.sizes.get(name, Size(name=name, vcpus=1)) for name in scope.flavors),
        images=tuple(state.needs[name] for name in scope.images if name in state.needs),
        rooms=tuple(
            Room(network=name, free=state.addresses[name]) for name in scope.networks if name in state.addresses
        ),
        skew=state.skew,
        until=state.until,
    )


def _missing(state: State, scope: PoolScope) -> list[str]:
    hosts = state.hypervisors.values()
    checks: list[tuple[str, tuple[str, ...], Iterable[str] | None]] = [
        ("image", scope.images, state.images),
        ("flavor", scope.flavors, state.flavors),
        ("network", scope.networks, state.networks),
        ("keypair", scope.key_names, state.key_names),
        ("security group", scope.security_groups, state.security_groups),
        ("available zone", scope.zones, {host.zone for host in hosts}),
    ]
    if state.admin:
        checks += [
            ("hypervisor", scope.hypervisors, state.hypervisors),
            ("aggregate", scope.aggregates, {name for host in hosts for name in host.aggregates}),
            ("trait", scope.traits, {name for host in hosts for name in host.traits}),
        ]
    return [
        missing(kind, name, known)
        for kind, names, known in checks
        if known is not None
        for name in names
        if name not in set(known)
    ]
