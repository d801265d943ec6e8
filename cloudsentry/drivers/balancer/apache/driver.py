"""The two methods of the contract, on Apache instances of a balancer host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cloudsentry.clouds.hosts import Host, host_of, state_folder
from cloudsentry.drivers.balancer.apache.console import Console, Standing, differs, posts
from cloudsentry.drivers.balancer.apache.program import Program, program_of
from cloudsentry.drivers.balancer.apache.render import able, configuration, url
from cloudsentry.drivers.balancer.base import BalancerDriver, BalancerScope
from cloudsentry.drivers.balancer.daemon import Daemon, exactly, known, wanted
from cloudsentry.drivers.balancer.instance import Instance, checked, instances
from cloudsentry.errors import Busy, DriverError, NotSupported, Unreachable
from cloudsentry.records.orders import BalancerOrder, CreateBalancer, DeleteBalancer, SetMembers
from cloudsentry.records.views import Balancer, BalancerView, Member

DRIVER = "apache"
WEIGHT_MOST = 100
"""mod_proxy_balancer's load factors end here."""


class ApacheBalancer(BalancerDriver):
    """Load factors, drains and new members go through the balancer-manager; no reload, so no connection is lost."""

    def __init__(self, place: str, *, connect: Callable[[str], Any], host: Host | None = None, base: str = "") -> None:
        """``place`` is a balancer host, as in `cloudsentry.clouds.hosts`; ``connect`` is for clouds, and not used.

        Who has opened the ``host`` already hands it over, and may have its state in a folder of its own.
        """
        self._host = host or host_of(place)
        self._base = base or state_folder()

    def observe(self, scope: BalancerScope) -> BalancerView:
        """As promised by the contract; connections are requests under way, told by member as well."""
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
            instance = exactly(self._host, self._base, order, DRIVER)
            if instance is not None:
                self._daemon(instance).remove()
        else:
            raise NotSupported(f"{type(order).__name__} is no call", cloud=self._host.place)

    def _daemon(self, instance: Instance) -> Daemon:
        return Daemon(host=self._host, base=self._base, instance=instance, file="apache.conf")

    def _balancer(self, daemon: Daemon) -> Balancer:
        instance = daemon.instance
        with _console(daemon) as console:
            try:
                now: Standing | None = console.standing()
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
            listener="main",
            pool="members",
            monitor=instance.monitor.type if instance.monitor else "",
            algorithm=instance.algorithm,
            members=now.within() if now else (),
            connections=sum(member.connections or 0 for member in now.members) if now else None,
        )

    # Doing

    def _create(self, order: CreateBalancer) -> None:
        program = program_of(self._host)
        daemon = self._daemon(wanted(self._host, self._base, order, DRIVER))
        able(daemon.instance)
        if daemon.alive():
            return
        daemon.remember()
        if self._host.read(daemon.config) is None:
            self._configure(daemon, program, ())
        # A pid file of a machine that went down names anybody by now; Apache would not start beside it.
        self._host.remove(f"{daemon.folder}/pid")
        daemon.start(*program.argv(daemon.config, "-k", "start"))

    def _configure(self, daemon: Daemon, program: Program, members: tuple[Member, ...]) -> None:
        daemon.configure(configuration(daemon, program, members), (program.name, "-t", "-f"))

    def _set_members(self, order: SetMembers) -> None:
        daemon = self._daemon(known(self._host, self._base, order.mark.event, order.unit, DRIVER))
        members = tuple(checked(member, order.mark, WEIGHT_MOST) for member in order.members)
        program = program_of(self._host)
        with _console(daemon) as console:
            before = console.standing()
            old = self._host.read(daemon.config) or b""
            # The file first: killed between the two, the next look sees the difference and plans it again.
            self._configure(daemon, program, _serving(before, members))
            daemon.expect(before.within(), members)
            try:
                room = console.tell(posts(before, members, daemon.instance.monitor))
                after = console.standing()
                if not room:
                    self._make_room(daemon, program, after)
                    raise Busy("apache frees the places of members that left", cloud=self._host.place, after=1.0)
                if differs(after, members):
                    raise DriverError("apache did not take the weights; they are as before", cloud=self._host.place)
            except Busy:
                raise
            except DriverError:
                self._restore(daemon, console, before, old)
                raise

    def _make_room(self, daemon: Daemon, program: Program, now: Standing) -> None:
        """Start again gracefully, with those that answer alone: Apache sends clients to all that its file names."""
        self._configure(daemon, program, tuple(member for member in now.within() if member.operating != "OFFLINE"))
        daemon.start(*program.argv(daemon.config, "-k", "graceful"))

    def _restore(self, daemon: Daemon, console: Console, before: Standing, config: bytes) -> None:
        self._host.write(daemon.config, config)
        ours = tuple(member for member in before.within() if member.mark is not None)
        console.tell(posts(console.standing(), ours, daemon.instance.monitor))


@contextmanager
def _console(daemon: Daemon) -> Iterator[Console]:
    console = Console(daemon)
    try:
        yield console
    finally:
        console.close()


def _provisioning(daemon: Daemon, now: Standing | None) -> str:
    if now is None:
        return "ERROR"
    return "PENDING_UPDATE" if daemon.settling(now.within()) else "ACTIVE"


def _serving(before: Standing, members: tuple[Member, ...]) -> tuple[Member, ...]:
    """All that serves after the write, somebody else's as well: a restart must give the same."""
    mine = {url(member) for member in members}
    others = [member for member in before.members if member.mark is None and url(member) not in mine]
    return tuple(sorted((*members, *others), key=url))
