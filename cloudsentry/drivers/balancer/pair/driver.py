"""The two methods of the contract, over the drivers of one balancer host each."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.hosts import Host, state_folder
from cloudsentry.drivers.balancer.apache import ApacheBalancer
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.haproxy import HaproxyBalancer
from cloudsentry.drivers.balancer.instance import instance_at
from cloudsentry.drivers.balancer.pair import address, keepalived
from cloudsentry.drivers.balancer.pair.place import Carrier, PairPlace, keys_of
from cloudsentry.errors import Ambiguous, Busy, Conflict, Denied, NotSupported, Unreachable
from cloudsentry.records.orders import BalancerOrder, CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, BalancerView, Member

BOOTING = 2.0
"""Seconds to the next try while a server that is ACTIVE does not answer yet."""


class Pair(BalancerDriver):
    """The same balancer on every server of a pool; what holds on all of them is what stands.

    A server that came later, in the place of one that went, has nothing yet: the members of the whole then count as
    none, so that they are written again, and it is made like the others before.
    """

    kind: ClassVar[type[HaproxyBalancer] | type[ApacheBalancer]]
    name: ClassVar[str]

    def __init__(self, place: str, *, connect: Callable[[str], Any]) -> None:
        """``place`` as `cloudsentry.drivers.balancer.pair.place` has it."""
        self._place = PairPlace.of(place)
        self._cloud: Cloud = connect(self._place.cloud)

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As promised by the contract: a list of ports, one of servers, and a look at each of these."""
        ports = address.kept(self._cloud, scope.event, self._device)
        made = [self._whole(mark, port) for mark, port in ports]
        missing = address.missing(self._cloud, scope.networks) if scope.full else ()
        return BalancerView(
            driver=self.name,
            cloud=self._place.text,
            balancers=tuple(one for one in made if one is not None),
            missing=missing,
        )

    def act(self, order: BalancerOrder) -> None:
        """As promised by the contract. `Busy` while no server is up, or one that is does not answer yet."""
        try:
            self._act(order)
        except (Unreachable, Ambiguous) as error:
            raise Busy(f"{error}: it may still boot", cloud=self._place.text, after=BOOTING) from error

    def _act(self, order: BalancerOrder) -> None:
        if isinstance(order, CreateBalancer):
            if not order.network:
                raise NotSupported("servers that carry a balancer need the network of its address")
            port = address.keep(self._cloud, order, self._device)
            self._everywhere(port, replace(order, address=address.vip(port)))
        elif isinstance(order, SetMembers):
            self._set_members(order)
        elif isinstance(order, DeleteBalancer):
            self._delete(order)
        else:
            raise NotSupported(f"{type(order).__name__} is no call", cloud=self._place.text)

    # Reaching

    @property
    def _device(self) -> str:
        return f"{self.name}/{self._place.pool}"

    def _carriers(self, event: str) -> tuple[Carrier, ...]:
        return address.carriers(self._cloud, event, self._place.pool)

    def _host(self, carrier: Carrier) -> Host:
        if not self._place.by_ssh:
            return self._place.host(carrier)
        keys = keys_of(address.console(self._cloud, carrier))
        if not keys:
            # Never at first sight: without them it would be whoever answers at that address.
            raise Unreachable(f"{carrier.name} has not yet told its host keys on its console", cloud=self._place.text)
        return self._place.host(carrier, keys)

    def _on(self, host: Host, carrier: Carrier) -> BalancerDriver:
        return self.kind(host.place, connect=lambda name: None, host=host, base=_base(carrier))

    # Looking

    def _whole(self, mark: Any, port: dict[str, Any]) -> Balancer | None:
        """What all servers have; those that do not answer are left out, unless none does."""
        found: list[Balancer | None] = []
        for carrier in self._carriers(mark.event):
            try:
                host = self._host(carrier)
                view = self._on(host, carrier).observe(BalancerScope(event=mark.event))
                found.append(_alive(view.named(mark.unit), host, _folder(carrier, mark.event, mark.unit)))
            except (Unreachable, Ambiguous, Denied):
                continue
        standing = [one for one in found if one is not None]
        if not standing:
            # Nobody answers: they boot, or will be made again. Some answer, and none knows it: it is to be remade.
            state = "ERROR" if found else "PENDING_UPDATE"
            return Balancer(
                id=str(port["id"]), name=mark.unit, mark=mark, vip=address.vip(port), provisioning=state, members=()
            )
        first = standing[0]
        return replace(
            first,
            id=str(port["id"]),
            mark=replace(first.mark, op=mark.op or first.mark.op),
            vip=address.vip(port),
            provisioning=_state(standing),
            operating="ONLINE" if all(one and one.operating == "ONLINE" for one in found) else "DEGRADED",
            members=() if len(standing) < len(found) else tuple(_agreed(standing)),
            connections=_sum(one.connections for one in standing),
        )

    # Doing

    def _everywhere(self, port: dict[str, Any], order: CreateBalancer) -> None:
        carriers = self._carriers(order.mark.event)
        if not carriers:
            raise Busy(f"no server of {self._place.pool} is up yet", cloud=self._place.text, after=BOOTING)
        address.share(self._cloud, port, carriers)
        for carrier in carriers:
            host = self._host(carrier)
            six = ipaddress.ip_address(order.address).version == 6
            host.run(["sysctl", "-q", "-w", f"net.ipv{6 if six else 4}.ip_nonlocal_bind=1"])
            self._on(host, carrier).act(order)
            device, prefix = keepalived.card(host, carrier.address)
            peers = tuple(other.address for other in carriers if other.id != carrier.id)
            part = keepalived.Vrrp(
                folder=_folder(carrier, order.mark.event, order.unit),
                own=carrier.address,
                vip=order.address,
                peers=peers,
                device=device,
                prefix=prefix,
            )
            keepalived.ensure(host, part)

    def _set_members(self, order: SetMembers) -> None:
        port = self._port(order.mark.event, order.unit)
        if port is None:
            raise Conflict(f"balancer {order.unit} is not there", cloud=self._place.text)
        self._everywhere(port, self._known(order))
        for carrier in self._carriers(order.mark.event):
            self._on(self._host(carrier), carrier).act(order)

    def _known(self, order: SetMembers) -> CreateBalancer:
        """What the balancer was made like, from the first server that knows."""
        for carrier in self._carriers(order.mark.event):
            host = self._host(carrier)
            found = instance_at(host, _base(carrier), order.mark.event, order.unit, _driver(self.kind))
            if found is not None:
                return CreateBalancer(
                    unit=order.unit,
                    name=found.name,
                    address=found.address,
                    protocol=found.protocol,
                    port=found.port,
                    algorithm=found.algorithm,
                    monitor=found.monitor,
                    mark=found.mark,
                )
        raise Conflict(f"no server of {self._place.pool} knows balancer {order.unit}", cloud=self._place.text)

    def _port(self, event: str, unit: str) -> dict[str, Any] | None:
        return next((port for mark, port in address.kept(self._cloud, event, self._device) if mark.unit == unit), None)

    def _delete(self, order: DeleteBalancer) -> None:
        """The servers first; what does not answer goes with its server. The port, by which it is found, goes last."""
        for mark, port in address.kept(self._cloud, "", self._device):
            if str(port["id"]) != order.id:
                continue
            for carrier in self._carriers(mark.event):
                try:
                    self._remove(carrier, mark.event, mark.unit)
                except (Unreachable, Ambiguous, Denied):
                    continue
            self._cloud.delete("network", f"/ports/{order.id}")

    def _remove(self, carrier: Carrier, event: str, unit: str) -> None:
        host = self._host(carrier)
        keepalived.end(host, _folder(carrier, event, unit))
        driver = self._on(host, carrier)
        standing = driver.observe(BalancerScope(event=event)).named(unit)
        if standing is not None:
            driver.act(DeleteBalancer(unit=unit, id=standing.id))
        host.prune(_base(carrier))


class HaproxyPair(Pair):
    """HAProxy on every server of a pool."""

    kind = HaproxyBalancer
    name = "haproxy-pair"


class ApachePair(Pair):
    """Apache on every server of a pool."""

    kind = ApacheBalancer
    name = "apache-pair"


def _driver(kind: type[HaproxyBalancer] | type[ApacheBalancer]) -> str:
    return "haproxy" if kind is HaproxyBalancer else "apache"


def _base(carrier: Carrier) -> str:
    """A folder of its own for each server, wherever their disks are."""
    return f"{state_folder()}/{carrier.id}"


def _folder(carrier: Carrier, event: str, unit: str) -> str:
    return f"{_base(carrier)}/{event}/{unit}"


def _alive(found: Balancer | None, host: Host, folder: str) -> Balancer | None:
    """A server's balancer; None where its daemon, or who keeps the address, does not run."""
    return found if found and found.provisioning != "ERROR" and keepalived.alive(host, folder) else None


def _state(standing: list[Balancer]) -> str:
    return next((one.provisioning for one in standing if one.provisioning != "ACTIVE"), "ACTIVE")


def _agreed(standing: list[Balancer]) -> Iterable[Member]:
    """Members that are the same everywhere; what is counted is the sum."""
    others = [{(m.address, m.port, m.weight): m for m in one.members} for one in standing[1:]]
    for member in standing[0].members:
        key = (member.address, member.port, member.weight)
        if not all(key in other for other in others):
            continue
        alike = [member, *(other[key] for other in others)]
        up = any(one.operating == "ONLINE" for one in alike)
        yield replace(
            member,
            operating="ONLINE" if up else member.operating,
            connections=_sum(one.connections for one in alike),
            served=_sum(one.served for one in alike),
            octets=_sum(one.octets for one in alike),
            time_ms=max((one.time_ms for one in alike if one.time_ms is not None), default=None),
        )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
