"""The two methods of the contract, on HAProxy instances of a balancer host."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from cloudsentry.clouds.hosts import host_of, state_folder
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.haproxy.changes import changes, differs
from cloudsentry.drivers.balancer.haproxy.render import configuration, options
from cloudsentry.drivers.balancer.haproxy.runtime import Standing, standing, tell
from cloudsentry.drivers.balancer.instance import MARK, Instance, checked, identified, instance_at, instances
from cloudsentry.errors import Conflict, DriverError, NotSupported, Unreachable
from cloudsentry.records.orders import BalancerOrder, CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, BalancerView, Member

DRIVER = "haproxy"
LEAST = (2, 6)
"""First version whose socket adds checked servers without asking for its experimental mode."""
WEIGHT_MOST = 256
SOCKET_MOST = 97
"""Longest path that HAProxy binds: 108 bytes less what it appends while it starts."""


class HaproxyBalancer(BalancerDriver):
    """Members and weights change on the runtime socket; no reload, so no connection is lost."""

    def __init__(self, place: str, *, connect: Callable[[str], Any]) -> None:
        """``place`` is a balancer host, as in `cloudsentry.clouds.hosts`; ``connect`` is for clouds, and not used."""
        self._host = host_of(place)
        self._base = state_folder()

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As promised by the contract; connections are always told, by member as well."""
        found = instances(self._host, self._base, scope.event, DRIVER)
        return BalancerView(
            driver=DRIVER, cloud=self._host.place, balancers=tuple(self._balancer(instance) for instance in found)
        )

    def act(self, order: BalancerOrder) -> None:
        """As promised by the contract."""
        if isinstance(order, CreateBalancer):
            self._create(order)
        elif isinstance(order, SetMembers):
            self._set_members(order)
        elif isinstance(order, DeleteBalancer):
            self._delete(order)
        else:
            raise NotSupported(f"{type(order).__name__} is no call", cloud=self._host.place)

    # Looking

    def _balancer(self, instance: Instance) -> Balancer:
        try:
            now: Standing | None = standing(self._host, self._socket(instance), instance.mark)
        except Unreachable:
            if self._alive(instance):
                raise
            now = None
        return Balancer(
            id=instance.id,
            name=instance.name,
            mark=instance.mark,
            vip=instance.address or "::",
            provisioning="ACTIVE" if now else "ERROR",
            operating="ONLINE" if now else "OFFLINE",
            listener="front",
            pool="members",
            monitor=instance.monitor.type if instance.monitor else "",
            algorithm=instance.algorithm,
            members=now.within() if now else (),
            connections=now.sessions if now else None,
        )

    def _alive(self, instance: Instance) -> bool:
        return any(self._host.alive(pid, self._config(instance)) for pid in self._pids(instance))

    def _pids(self, instance: Instance) -> tuple[int, ...]:
        text = self._host.read(f"{instance.folder(self._base)}/pid") or b""
        return tuple(int(word) for word in text.split() if word.isdigit())

    def _config(self, instance: Instance) -> str:
        return f"{instance.folder(self._base)}/haproxy.cfg"

    def _socket(self, instance: Instance) -> str:
        # Not in the instance's folder: two long names would pass what a socket's path may have.
        digest = hashlib.sha256(f"{instance.mark.event}/{instance.mark.unit}".encode()).hexdigest()[:12]
        path = f"{self._base}/{digest}.sock"
        if len(path) > SOCKET_MOST:
            raise NotSupported(f"{self._base} is too long for a socket: at most {SOCKET_MOST - 18} characters")
        return path

    # Doing

    def _create(self, order: CreateBalancer) -> None:
        self._version()
        made = Instance.of(order, DRIVER)
        known = instance_at(self._host, self._base, order.mark.event, order.unit, DRIVER)
        if known is not None and known.mark.template != order.mark.template:
            raise Conflict(f"balancer {order.unit} stands already, and is another one", cloud=self._host.place)
        if known is not None and self._alive(known):
            return
        instance = known or made
        # The mark comes first: whatever is left by a kill from here on is found, and can be deleted.
        self._host.write(f"{instance.folder(self._base)}/{MARK}", instance.written())
        if known is None or self._host.read(self._config(instance)) is None:
            self._write(instance, configuration(instance, self._socket(instance), ()))
        pid = f"{instance.folder(self._base)}/pid"
        done = self._host.run(["haproxy", "-D", "-f", self._config(instance), "-p", pid])
        if done.code:
            raise Conflict(f"haproxy did not start: {_last(done.err)}", cloud=self._host.place)

    def _version(self) -> None:
        done = self._host.run(["haproxy", "-v"])
        if done.code == 127:
            raise NotSupported("haproxy is not installed", cloud=self._host.place)
        found = re.search(rb"version (\d+)\.(\d+)", done.out, re.IGNORECASE)
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        if version < LEAST:
            told = ".".join(map(str, version)) if found else "of unknown version"
            raise NotSupported(
                f"haproxy {told}: weights and members that change without a reload need {LEAST[0]}.{LEAST[1]} or newer",
                cloud=self._host.place,
            )

    def _write(self, instance: Instance, text: str) -> None:
        """The configuration on disk is ``text``, once HAProxy has found it good."""
        path = self._config(instance)
        trial = f"{path}.trial"
        self._host.write(trial, text.encode())
        done = self._host.run(["haproxy", "-c", "-q", "-f", trial])
        self._host.remove(trial)
        if done.code:
            raise NotSupported(f"haproxy refuses the configuration: {_last(done.err)}", cloud=self._host.place)
        self._host.write(path, text.encode())

    def _set_members(self, order: SetMembers) -> None:
        instance = self._standing_instance(order)
        wanted = tuple(checked(member, WEIGHT_MOST) for member in order.members)
        socket = self._socket(instance)
        before = standing(self._host, socket, instance.mark)
        commands = changes(before, wanted, options(instance))
        old = self._host.read(self._config(instance)) or b""
        # The file first: killed between the two, the next look sees the difference and plans it again.
        self._write(instance, configuration(instance, socket, _serving(before, wanted)))
        try:
            tell(self._host, socket, commands)
            after = standing(self._host, socket, instance.mark)
            if differs(after, wanted):
                raise DriverError("haproxy did not take the weights; they are as before", cloud=self._host.place)
        except DriverError:
            self._restore(instance, before, old)
            raise

    def _restore(self, instance: Instance, before: Standing, config: bytes) -> None:
        self._host.write(self._config(instance), config)
        ours = tuple(member for member in before.within() if member.mark is not None)
        now = standing(self._host, self._socket(instance), instance.mark)
        tell(self._host, self._socket(instance), changes(now, ours, options(instance)))

    def _standing_instance(self, order: SetMembers) -> Instance:
        found = instance_at(self._host, self._base, order.mark.event, order.unit, DRIVER)
        if found is None:
            raise Conflict(f"balancer {order.unit} is not there", cloud=self._host.place)
        return found

    def _delete(self, order: DeleteBalancer) -> None:
        event, unit = identified(order.id)
        instance = instance_at(self._host, self._base, event, unit, DRIVER)
        if instance is None or instance.id != order.id:
            return
        for pid in self._pids(instance):
            self._host.stop(pid, self._config(instance))
        # The mark goes last with its folder: until then the balancer is listed, and can be deleted again.
        self._host.remove(self._socket(instance))
        self._host.remove(instance.folder(self._base))
        self._host.prune(f"{self._base}/{event}")


def _serving(before: Standing, wanted: tuple[Member, ...]) -> list[Member]:
    """All that serves after the write, somebody else's as well: a restart must give the same."""
    others = [member for member in before.members if member.mark is None]
    return sorted((*wanted, *others), key=lambda member: member.id)


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    alerts = [line for line in lines if "ALERT" in line]
    return (alerts or lines or ["it said nothing"])[0]
