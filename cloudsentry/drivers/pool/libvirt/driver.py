"""The pool driver `libvirt`."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from cloudsentry.clouds import Connect, open_cloud
from cloudsentry.clouds.domains import Definition, Identity, Nic
from cloudsentry.clouds.libvirts import LibvirtSite
from cloudsentry.clouds.names import missing
from cloudsentry.drivers.pool.base import PoolDriver, PoolScope
from cloudsentry.drivers.pool.libvirt import calls, placing
from cloudsentry.errors import Conflict, DriverError, NotSupported, Unreachable
from cloudsentry.records.ground import Ground, Room, Size
from cloudsentry.records.orders import (
    CreateServerGroup,
    CreateServers,
    DeleteServers,
    PoolOrder,
    RestServers,
    StartServers,
)
from cloudsentry.records.views import Hypervisor, PoolView, Server


class LibvirtPool(PoolDriver):
    """Servers on the hypervisors of one site of hypervisors.yaml, persistent domains that bear the mark as metadata.

    Every hypervisor must answer: a host that is silent may hold servers, and must not be taken for empty. Server
    groups are not supported: pin by hypervisor. ``connect`` is for the signature.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._site = LibvirtSite(cloud)

    def __repr__(self) -> str:
        return f"LibvirtPool({self._site.name!r})"

    def observe(self, scope: PoolScope) -> PoolView:
        """As the contract says: one list per hypervisor."""
        found = self._found()
        servers = [_server(one) for one in found if scope.event in ("", one.identity.mark.event)]
        view = PoolView(
            driver="libvirt",
            cloud=self._site.name,
            servers=tuple(sorted(servers, key=lambda server: (server.name, server.id))),
        )
        if not scope.full:
            return view
        return PoolView(
            driver=view.driver,
            cloud=view.cloud,
            servers=view.servers,
            hypervisors=self._hypervisors(scope),
            missing=tuple(self._missing(scope)),
            ground=self._ground(scope, found) if scope.limits else Ground(),
        )

    def act(self, order: PoolOrder) -> None:
        """As the contract says; servers of an order have ids of its mark, so that making it again completes it."""
        match order:
            case CreateServers():
                self._create(order)
            case CreateServerGroup():
                raise NotSupported("libvirt hosts have no server groups: pin by hypervisor", cloud=self._site.name)
            case DeleteServers():
                self._each(order.ids, lambda one: calls.remove(self._site, one.hypervisor, one.uuid))
            case StartServers():
                self._all_there(order.ids)
                self._each(order.ids, self._start)
            case RestServers():
                if order.rest == "shelved":
                    raise NotSupported("libvirt hosts cannot shelve: stop or pause spares", cloud=self._site.name)
                self._all_there(order.ids)
                paused = order.rest == "paused"
                self._each(order.ids, lambda one: calls.rest(self._site, one.hypervisor, one.uuid, paused=paused))

    def _all_there(self, ids: tuple[str, ...]) -> None:
        known = {one.uuid for one in self._found()}
        if gone := [id for id in ids if id not in known]:
            raise Conflict(f"server {gone[0]} is not there", cloud=self._site.name)

    def _create(self, order: CreateServers) -> None:
        spec, template = self._site.spec, order.template
        faults = [
            *placing.named("image", template.image, spec.images),
            *placing.named("flavor", template.flavor, spec.flavors),
            *(fault for name in template.networks for fault in placing.named("network", name, spec.networks)),
        ]
        if order.hypervisor:
            self._site.hypervisor(order.hypervisor)
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._site.name)
        if order.group:
            raise NotSupported("libvirt hosts have no server groups: pin by hypervisor", cloud=self._site.name)
        found = self._found()
        standing = {one.uuid: one for one in found}
        ids = [str(uuid.uuid5(uuid.NAMESPACE_URL, f"cloudsentry:{order.mark.op}:{i}")) for i in range(order.count)]
        lacking = [(i, id) for i, id in enumerate(ids) if id not in standing]
        flavor = spec.flavors[template.flavor]
        names = [order.hypervisor] if order.hypervisor else sorted(spec.hypervisors)
        hosts = [calls.host(self._site, name) for name in names]
        places = placing.spread(hosts, flavor, len(lacking), pin=order.hypervisor, zone=order.zone)
        used = [address for one in found for address in one.identity.addresses]
        free = {name: placing.addresses(spec.networks[name], used, len(lacking), name) for name in template.networks}
        for number, ((i, id), hypervisor) in enumerate(zip(lacking, places, strict=True)):
            nics = tuple(Nic(network=spec.networks[name], address=free[name][number]) for name in template.networks)
            title = order.name if order.count == 1 else f"{order.name}-{i + 1}"
            calls.define(self._site, hypervisor, self._definition(order, id, title, nics, hypervisor))
        for one in self._found():
            if one.uuid in ids and one.status != "ACTIVE":
                self._start(one)

    def _definition(
        self, order: CreateServers, id: str, title: str, nics: tuple[Nic, ...], hypervisor: str
    ) -> Definition:
        spec, template = self._site.spec, order.template
        image, flavor = spec.images[template.image], spec.flavors[template.flavor]
        volume = f"{calls.pool_path(self._site, hypervisor)}/{id}.qcow2" if image.disk or flavor.disk else ""
        return Definition(
            uuid=id,
            identity=Identity(
                name=title,
                mark=order.mark,
                addresses=tuple(nic.address for nic in nics),
                image=template.image,
                size=flavor.disk,
            ),
            flavor=flavor,
            image=image,
            nics=nics,
            volume=volume,
            accelerator=spec.accelerator,
            user_data=template.user_data,
        )

    def _start(self, one: calls.Found) -> None:
        calls.start(self._site, one.hypervisor, one.uuid, one.identity)

    def _found(self) -> list[calls.Found]:
        return [one for name in sorted(self._site.spec.hypervisors) for one in calls.domains(self._site, name)]

    def _each(self, ids: tuple[str, ...], call: Callable[[calls.Found], None]) -> None:
        """Every one that is there is tried, whatever became of the others; then the first error is raised."""
        errors: list[DriverError] = []
        for one in self._found():
            if one.uuid not in ids:
                continue
            try:
                call(one)
            except DriverError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _hypervisors(self, scope: PoolScope) -> tuple[Hypervisor, ...]:
        wanted = {
            name
            for name, spec in self._site.spec.hypervisors.items()
            if name in scope.hypervisors or {*spec.aggregates} & {*scope.aggregates}
        }
        return tuple(self._host(name) for name in sorted(wanted))

    def _host(self, name: str) -> Hypervisor:
        try:
            return calls.host(self._site, name)
        except Unreachable:
            spec = self._site.hypervisor(name)
            return Hypervisor(name=name, up=False, enabled=True, zone=spec.zone, aggregates=spec.aggregates)

    def _missing(self, scope: PoolScope) -> list[str]:
        spec = self._site.spec
        hosts = spec.hypervisors.values()
        known: list[tuple[str, tuple[str, ...], set[str]]] = [
            ("image", scope.images, {*spec.images}),
            ("flavor", scope.flavors, {*spec.flavors}),
            ("network", scope.networks, {*spec.networks}),
            ("hypervisor", scope.hypervisors, {*spec.hypervisors}),
            ("available zone", scope.zones, {host.zone for host in hosts if host.zone}),
            ("aggregate", scope.aggregates, {name for host in hosts for name in host.aggregates}),
            ("trait", scope.traits, set()),
            ("keypair", scope.key_names, set()),
            ("security group", scope.security_groups, set()),
        ]
        return [missing(kind, name, there) for kind, names, there in known for name in names if name not in there]

    def _ground(self, scope: PoolScope, found: list[calls.Found]) -> Ground:
        spec = self._site.spec
        used = {address for one in found for address in one.identity.addresses}
        sizes = ((name, spec.flavors[name]) for name in scope.flavors if name in spec.flavors)
        return Ground(
            flavors=tuple(Size(name=name, vcpus=size.vcpus, ram=size.ram, disk=size.disk) for name, size in sizes),
            rooms=tuple(
                Room(network=name, free=len(set(spec.networks[name].addresses()) - used))
                for name in scope.networks
                if name in spec.networks
            ),
        )


def _server(one: calls.Found) -> Server:
    return Server(
        id=one.uuid,
        name=one.identity.name,
        status=one.status,
        mark=one.identity.mark,
        hypervisor=one.hypervisor,
        addresses=one.identity.addresses,
    )
