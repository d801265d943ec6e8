"""The two methods of the contract, on HAProxy instances of a balancer host."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cloudsentry.clouds.hosts import Host, host_of, state_folder
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.daemon import Daemon, exactly, known, wanted
from cloudsentry.drivers.balancer.haproxy.changes import changes, differs
from cloudsentry.drivers.balancer.haproxy.render import configuration, options
from cloudsentry.drivers.balancer.haproxy.runtime import Standing, standing, tell
from cloudsentry.drivers.balancer.instance import Instance, checked, instances
from cloudsentry.errors import DriverError, NotSupported, Unreachable
from cloudsentry.records.orders import BalancerOrder, CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, BalancerView, Member

DRIVER = "haproxy"
LEAST = (2, 6)
"""First version whose socket adds checked servers without asking for its experimental mode."""
WEIGHT_MOST = 256
SOCKET_MOST = 97
"""Longest path that HAProxy binds: 108 bytes less what it appends while it starts."""
CHECK = ("haproxy", "-c", "-q", "-f")


class HaproxyBalancer(BalancerDriver):
    """Members and weights change on the runtime socket; no reload, so no connection is lost."""

    def __init__(self, place: str, *, connect: Callable[[str], Any], host: Host | None = None, base: str = "") -> None:
        """``place`` is a balancer host, as in `cloudsentry.clouds.hosts`; ``connect`` is for clouds, and not used.

        Who has opened the ``host`` already hands it over, and may have its state in a folder of its own.
        """
        self._host = host or host_of(place)
        self._base = base or state_folder()

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As promised by the contract; connections are always told, by member as well."""
        found = instances(self._host, self._base, scope.event, DRIVER)
        balancers = tuple(self._balancer(self._daemon(instance)) for instance in found)
        return BalancerView(driver=DRIVER, cloud=self._host.place, balancers=balancers)

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

    def _daemon(self, instance: Instance) -> Daemon:
        return Daemon(host=self._host, base=self._base, instance=instance, file="haproxy.cfg")

    # Looking

    def _balancer(self, daemon: Daemon) -> Balancer:
        instance = daemon.instance
        try:
            now: Standing | None = self._look(daemon)
        except Unreachable:
            if daemon.alive():
                raise
            now = None
        return Balancer(
            id=instance.id,
            name=instance.name,
            mark=instance.mark,
            vip=instance.address or "::",
            provisioning=_provisioning(daemon, now),
            operating="ONLINE" if now else "OFFLINE",
            listener="front",
            pool="members",
            monitor=instance.monitor.type if instance.monitor else "",
            algorithm=instance.algorithm,
            members=now.within() if now else (),
            connections=now.sessions if now else None,
        )

    def _look(self, daemon: Daemon) -> Standing:
        return standing(self._host, self._socket(daemon), daemon.instance.mark)

    def _socket(self, daemon: Daemon) -> str:
        # Not in the instance's folder: two long names would pass what a socket's path may have.
        path = f"{self._base}/{daemon.digest}.sock"
        if len(path) > SOCKET_MOST:
            raise NotSupported(f"{self._base} is too long for a socket: at most {SOCKET_MOST - 18} characters")
        return path

    # Doing

    def _create(self, order: CreateBalancer) -> None:
        self._check_version()
        daemon = self._daemon(wanted(self._host, self._base, order, DRIVER))
        if daemon.alive():
            return
        daemon.remember()
        if self._host.read(daemon.config) is None:
            daemon.configure(configuration(daemon.instance, self._socket(daemon), ()), CHECK)
        daemon.start("haproxy", "-D", "-f", daemon.config, "-p", f"{daemon.folder}/pid")

    def _check_version(self) -> None:
        done = self._host.run(["haproxy", "-v"])
        if done.code == 127:
            raise NotSupported("haproxy is not installed", cloud=self._host.place)
        found = re.search(rb"version (\d+)\.(\d+)", done.out, re.IGNORECASE)
        version = (int(found[1]), int(found[2])) if found else (0, 0)
        if version < LEAST:
            have = ".".join(map(str, version)) if found else "of unknown version"
            need = ".".join(map(str, LEAST))
            raise NotSupported(
                f"haproxy {have}: weights that change without a reload need {need} or newer", cloud=self._host.place
            )

    def _set_members(self, order: SetMembers) -> None:
        daemon = self._daemon(known(self._host, self._base, order.mark.event, order.unit, DRIVER))
        members = tuple(checked(member, order.mark, WEIGHT_MOST) for member in order.members)
        before = self._look(daemon)
        commands = changes(before, members, options(daemon.instance))
        old = self._host.read(daemon.config) or b""
        # The file first: killed between the two, the next look sees the difference and plans it again.
        daemon.configure(configuration(daemon.instance, self._socket(daemon), _serving(before, members)), CHECK)
        daemon.expect(before.within(), members)
        try:
            tell(self._host, self._socket(daemon), commands)
            if differs(self._look(daemon), members):
                raise DriverError("haproxy did not take the weights; they are as before", cloud=self._host.place)
        except DriverError:
            self._restore(daemon, before, old)
            raise

    def _restore(self, daemon: Daemon, before: Standing, config: bytes) -> None:
        self._host.write(daemon.config, config)
        ours = tuple(member for member in before.within() if member.mark is not None)
        tell(self._host, self._socket(daemon), changes(self._look(daemon), ours, options(daemon.instance)))

    def _delete(self, order: DeleteBalancer) -> None:
        instance = exactly(self._host, self._base, order, DRIVER)
        if instance is not None:
            daemon = self._daemon(instance)
            daemon.remove(self._socket(daemon))


def _provisioning(daemon: Daemon, now: Standing | None) -> str:
    if now is None:
        return "ERROR"
    return "PENDING_UPDATE" if daemon.settling(now.within()) else "ACTIVE"


def _serving(before: Standing, members: tuple[Member, ...]) -> list[Member]:
    """All that serves after the write, somebody else's as well: a restart must give the same."""
    others = [member for member in before.members if member.mark is None]
    return sorted((*members, *others), key=lambda member: member.id)
