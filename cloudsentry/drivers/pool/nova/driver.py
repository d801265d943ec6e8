"""The pool driver `nova`."""

from __future__ import annotations

from collections.abc import Callable

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.drivers.pool.base import PoolDriver, PoolScope
from cloudsentry.drivers.pool.nova import calls, ground, places, quota, read
from cloudsentry.drivers.pool.nova.names import Names
from cloudsentry.drivers.pool.nova.reasons import Reasons
from cloudsentry.errors import Conflict, Denied, DriverError, NotSupported
from cloudsentry.records.ground import Ground
from cloudsentry.records.orders import (
    CreateServerGroup,
    CreateServers,
    DeleteServerGroups,
    DeleteServers,
    PoolOrder,
    RestServers,
    StartServers,
)
from cloudsentry.records.views import FALLING, RESTING, PoolView, ServerGroup


class NovaPool(PoolDriver):
    """Servers of the account's own project on one OpenStack cloud.

    Needs Nova 2.64 (2018); a pin by hypervisor needs 2.74 and an administrator's rights. The cloud
    is opened at the first call.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._connect = connect
        self._opened: tuple[Cloud, Names] | None = None
        self._reasons = Reasons()

    def __repr__(self) -> str:
        return f"NovaPool({self._name!r})"

    def observe(self, scope: PoolScope) -> PoolView:
        """As the contract says; pins are looked up only where the scope has some."""
        cloud = self._cloud
        listed = read.servers(calls.servers(cloud, scope.event), scope.event)
        servers = places.awaited(cloud, self._reasons.told(cloud, listed))
        groups = read.groups(calls.groups(cloud), scope.event) if scope.groups else ()
        if not scope.full:
            return PoolView(driver="nova", cloud=self._name, servers=servers, groups=groups)
        found = places.observe(cloud, scope) if scope.pinned else places.Places()
        missing = tuple(self._missing(scope)) + found.missing
        return PoolView(
            driver="nova",
            cloud=self._name,
            servers=servers,
            groups=groups,
            hypervisors=found.hypervisors,
            pins_allowed=found.allowed and self._can_pin(scope),
            missing=missing,
            ground=ground.observe(cloud, self._names) if scope.limits else Ground(),
        )

    def act(self, order: PoolOrder) -> None:
        """As the contract says; the servers of an order are made by one call."""
        match order:
            case CreateServers():
                self._create(order)
            case CreateServerGroup():
                self._create_group(order)
            case DeleteServers():
                # First, for what is left of a server that is gone would never be found again.
                calls.delete_ports_made_for(self._cloud, order.ids)
                self._each(order.ids, calls.delete_server)
            case StartServers():
                self._each(order.ids, lambda cloud, id: _start(cloud, id, order))
            case RestServers():
                self._each(order.ids, lambda cloud, id: _rest(cloud, id, order.rest))
            case DeleteServerGroups():
                self._each(order.ids, calls.delete_group)

    def _create(self, order: CreateServers) -> None:
        cloud, names, template = self._cloud, self._names, order.template
        if order.hypervisor and calls.microversion(cloud) < calls.PIN:
            raise NotSupported("this Nova cannot pin a server to a hypervisor (2.74 can)", cloud=self._name)
        flavor = names.flavor(template.flavor)
        group = self._group(order)
        body = calls.servers_body(
            order,
            image=names.image(template.image),
            flavor=flavor.id,
            networks=names.network_ids(template.networks),
            group=group.id if group else "",
        )
        try:
            calls.create_servers(cloud, body)
        except Denied as denied:
            asked = quota.of_servers(order.count, flavor, group)
            raise quota.explained(cloud, denied, asked=asked, ports=order.count * len(template.networks)) from denied
        except NotSupported:
            names.forget()  # an id of ours may have gone stale: the next look starts afresh
            raise

    def _create_group(self, order: CreateServerGroup) -> None:
        try:
            calls.create_group(self._cloud, order)
        except Denied as denied:
            raise quota.explained(self._cloud, denied, asked={"server groups": 1}) from denied

    def _group(self, order: CreateServers) -> ServerGroup | None:
        if not order.group:
            return None
        groups = read.groups(calls.groups(self._cloud), order.mark.event)
        found = next((group for group in groups if group.name == order.group), None)
        if found is None:
            raise Conflict(f"server group {order.group!r} is not there", cloud=self._name)
        return found

    def _each(self, ids: tuple[str, ...], call: Callable[[Cloud, str], None]) -> None:
        """Every id is tried, whatever became of the others; then the first error is raised."""
        errors: list[DriverError] = []
        for id in ids:
            try:
                call(self._cloud, id)
            except DriverError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _missing(self, scope: PoolScope) -> list[str]:
        names = self._names
        return [
            *names.images(scope.images),
            *names.flavors(scope.flavors),
            *names.networks(scope.networks),
            *names.key_names(scope.key_names),
            *names.security_groups(scope.security_groups),
            *names.zones(scope.zones),
        ]

    def _can_pin(self, scope: PoolScope) -> bool:
        return not scope.pinned or calls.microversion(self._cloud) >= calls.PIN

    @property
    def _cloud(self) -> Cloud:
        return self._open()[0]

    @property
    def _names(self) -> Names:
        return self._open()[1]

    def _open(self) -> tuple[Cloud, Names]:
        if self._opened is None:
            cloud = self._connect(self._name)
            self._opened = (cloud, Names(cloud))
        return self._opened


def _start(cloud: Cloud, id: str, order: StartServers) -> None:
    """Bring back; a server that runs already is back. One that lost its host is told which to come back to."""
    host = order.hypervisor if order.rest == "shelved" else ""
    if host and calls.server(cloud, id)["status"] != "SHELVED_OFFLOADED":
        host = ""  # it still is where it was, and Nova refuses to be told
    if host and calls.microversion(cloud) < calls.UNSHELVE_AT:
        raise NotSupported("this Nova cannot unshelve on a hypervisor (2.91 can): use stopped spares", cloud=cloud.name)
    try:
        calls.wake_server(cloud, id, order.rest, host)
    except Conflict as conflict:
        if conflict.status != 409 or calls.server(cloud, id)["status"] != "ACTIVE":
            raise


def _rest(cloud: Cloud, id: str, rest: str) -> None:
    """Lay to rest; a server that rests already, or is about to, does."""
    try:
        calls.rest_server(cloud, id, rest)
    except Conflict as conflict:
        if conflict.status != 409:
            raise
        found = calls.server(cloud, id)
        if found["status"] not in RESTING and (found.get("OS-EXT-STS:task_state") or "") not in FALLING:
            raise
