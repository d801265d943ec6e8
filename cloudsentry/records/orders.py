"""What a step asks of a driver, and how far it has come.

An order is plain data; drivers turn it into calls. Whether it is done is read off the
next view by the order itself, so that a lost answer, a killed process and somebody's
hand in the console all look the same: the world is asked, never the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cloudsentry.records.marks import Mark
from cloudsentry.records.progress import Progress, State
from cloudsentry.records.serving import AwaitMembers as AwaitMembers
from cloudsentry.records.steering import SetShares, SteeringOrder
from cloudsentry.records.stretching import JoinEnd, StretchOrder
from cloudsentry.records.views import RESTING, Balancer, BalancerView, Member, PoolView, Server, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a server of a pool looks like; names as the user gave them, resolved by the driver."""

    image: str
    flavor: str
    networks: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    key_name: str = ""
    user_data: str = field(default="", repr=False)
    metadata: tuple[tuple[str, str], ...] = ()
    config_drive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateServers:
    """Make ``count`` servers of one unit with one call. Exactly one of the pins is set, or none.

    Names: Nova appends ``-1 … -n`` to ``name`` in a multi-create. ``group`` is the name of a
    server group that an earlier step of the same plan makes.
    """

    unit: str
    name: str
    count: int
    template: Template
    hypervisor: str = ""
    zone: str = ""
    group: str = ""
    mark: Mark

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when ``count`` servers of this very call are ACTIVE; failed when all have settled and some have not."""
        mine = [server for server in view.servers if server.mark.op == self.mark.op]
        active = sum(server.active for server in mine)
        broken = [server for server in mine if server.status == "ERROR"]
        if active >= self.count:
            return Progress(state="done", done=active, wanted=self.count)
        if mine and broken and active + len(broken) >= self.count:
            why = broken[0].fault or "no reason given"
            return Progress(
                state="failed", done=active, wanted=self.count, detail=f"{len(broken)} of {self.count} in ERROR: {why}"
            )
        return Progress(state="waiting", done=active, wanted=self.count, detail=f"{len(mine)} seen")

    def seen(self, view: PoolView) -> bool:
        """Whether the call has visibly had its effect."""
        return any(server.mark.op == self.mark.op for server in view.servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateServerGroup:
    """Make one server group; its name carries the mark."""

    unit: str
    name: str
    policy: str
    max_per_host: int = 1
    mark: Mark

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when a group of that name is listed."""
        return _done(self.seen(view))

    def seen(self, view: PoolView) -> bool:
        """Whether the group is there."""
        return any(group.name == self.name for group in view.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitServers:
    """Wait for servers that an earlier, interrupted run has asked for. Calls nothing."""

    unit: str
    ids: tuple[str, ...]

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when all of them are ACTIVE; failed when all have settled and some have not come up."""
        mine = [server for server in view.servers if server.id in self.ids]
        active = sum(server.active for server in mine)
        if active == len(self.ids):
            return Progress(state="done", done=active, wanted=active)
        if not any(server.alive and not server.active for server in mine):
            return Progress(state="failed", done=active, wanted=len(self.ids), detail="some did not come up")
        return Progress(state="waiting", done=active, wanted=len(self.ids))

    def seen(self, view: PoolView) -> bool:
        """There is no call whose effect could be seen."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteServers:
    """Delete servers by exact id, and wait until they are gone from the list."""

    unit: str
    ids: tuple[str, ...]

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when none of the ids is listed any more; failed when all that are left are in ERROR."""
        left = [server for server in view.servers if server.id in self.ids]
        gone = len(self.ids) - len(left)
        if not left:
            return Progress(state="done", done=gone, wanted=gone)
        return Progress(state="waiting", done=gone, wanted=len(self.ids))

    def seen(self, view: PoolView) -> bool:
        """Whether every delete has visibly been accepted."""
        return all(server.gone for server in view.servers if server.id in self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartServers:
    """Bring back servers that rest, by exact id: all stopped, all paused or all shelved.

    ``hypervisor`` is where shelved ones are to come back, empty where the cloud may choose.
    """

    unit: str
    ids: tuple[str, ...]
    rest: str = "stopped"
    hypervisor: str = ""

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when all of them are ACTIVE."""
        active = sum(server.active for server in view.servers if server.id in self.ids)
        state: State = "done" if active == len(self.ids) else "waiting"
        return Progress(state=state, done=active, wanted=len(self.ids))

    def seen(self, view: PoolView) -> bool:
        """Whether none of them rests any more."""
        return not any(server.rests for server in view.servers if server.id in self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestServers:
    """Stop, pause or shelve servers by exact id: they wait for the next crowd.

    With ``op`` those that this call has made, which are not known before it has: `resolved` fills in ``ids``.
    """

    unit: str
    ids: tuple[str, ...]
    rest: str
    op: str = ""

    def resolved(self, snapshot: Snapshot) -> RestServers:
        """The same order with the ids of the servers that its call has made."""
        if not self.op:
            return self
        listed = (server for view in snapshot.pools for server in view.servers)
        mine = sorted(server.id for server in listed if (server.mark.unit, server.mark.op) == (self.unit, self.op))
        return replace(self, ids=tuple(mine))

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when none of them is up any more; failed when one is in ERROR. What is gone rests."""
        mine = [server for server in view.servers if server.id in self.ids]
        up = [server for server in mine if not server.gone and server.status not in RESTING]
        done = len(self.ids) - len(up)
        if any(server.status == "ERROR" for server in up):
            return Progress(state="failed", done=done, wanted=len(self.ids), detail="one of them is in ERROR")
        return Progress(state="waiting" if up else "done", done=done, wanted=len(self.ids))

    def seen(self, view: PoolView) -> bool:
        """Whether all of them rest, or are about to."""
        return not any(server.active for server in view.servers if server.id in self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteServerGroups:
    """Delete server groups by exact id."""

    unit: str
    ids: tuple[str, ...]

    def progress(self, view: PoolView, elapsed: float = 0.0) -> Progress:
        """Done when none is listed."""
        return _done(self.seen(view))

    def seen(self, view: PoolView) -> bool:
        """Whether all are gone."""
        return not any(group.id in self.ids for group in view.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A health monitor: seconds, and the HTTP path for type HTTP."""

    type: str = "HTTP"
    path: str = "/"
    delay: int = 5
    timeout: int = 3
    retries: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBalancer:
    """Make a balancer with listener, pool and monitor in one call (Octavia's fully populated create)."""

    unit: str
    name: str
    subnet: str = ""
    network: str = ""
    address: str = ""
    protocol: str = "HTTP"
    port: int = 80
    algorithm: str = "ROUND_ROBIN"
    provider: str = ""
    monitor: Monitor | None = None
    mark: Mark

    def progress(self, view: BalancerView, elapsed: float = 0.0) -> Progress:
        """Done when it is ACTIVE with its pool."""
        return _balancer_progress(view.named(self.unit))

    def seen(self, view: BalancerView) -> bool:
        """Whether the balancer is there, in whatever state."""
        return view.named(self.unit) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The weight of every server of one unit behind a balancer."""

    unit: str
    cloud: str
    driver: str
    weight: int
    count: int
    port: int
    backup: bool = False
    """Asked only where no member answers that is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMembers:
    """Make a balancer pool's members exactly the active servers of ``shares``, in one write.

    Servers named in ``drained`` stay as members with weight 0. Servers in ``removed`` are left out
    although they may still be listed. Members without a mark stay as they are, and so do those of ``kept``,
    whose cloud does not answer. ``members`` is empty in a plan: the executor fills it from the newest snapshot
    (`resolved`) when the step's turn comes.
    """

    unit: str
    shares: tuple[Share, ...] = ()
    drained: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    subnet: str = ""
    mark: Mark
    members: tuple[Member, ...] = ()
    kept: tuple[Member, ...] = ()

    def resolved(self, snapshot: Snapshot) -> SetMembers:
        """The same order with ``members`` from the servers that are active now, sorted by address."""
        out = set(self.removed)
        members = [
            self._member(server, share, 0 if server.id in self.drained else share.weight)
            for share in self.shares
            for server in snapshot.pool(share.cloud, share.driver).servers
            if server.mark.unit == share.unit and server.active and server.addresses and server.id not in out
        ]
        members += [member for member in self.kept if member.name not in out]
        return replace(self, members=tuple(sorted(members, key=lambda member: (member.address, member.port))))

    def _member(self, server: Server, share: Share, weight: int) -> Member:
        return Member(
            name=server.id,
            address=server.addresses[0],
            port=share.port,
            weight=weight,
            mark=self.mark,
            subnet=self.subnet,
            backup=share.backup,
        )

    def progress(self, view: BalancerView, elapsed: float = 0.0) -> Progress:
        """Done when the pool's marked members and weights are these and the balancer has settled."""
        balancer = view.named(self.unit)
        if balancer is None:
            return Progress(state="failed", detail="the balancer is gone")
        state = _balancer_progress(balancer)
        if state.state != "done":
            return state
        wanted = {(member.address, member.port, member.weight) for member in self.members}
        found = {(member.address, member.port, member.weight) for member in balancer.members if member.mark is not None}
        same = len(wanted & found)
        return Progress(state="done" if wanted == found else "waiting", done=same, wanted=len(wanted))

    def seen(self, view: BalancerView) -> bool:
        """Whether the pool is already as ordered."""
        return self.progress(view).state == "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Wait until members at weight 0 carry nothing, or the deadline is over. Calls nothing."""

    unit: str
    ids: tuple[str, ...]
    seconds: float

    def progress(self, view: BalancerView, elapsed: float = 0.0) -> Progress:
        """Done when the deadline is over, the members are gone, or nothing is open on them.

        Where the driver does not tell the members' own connections, the whole balancer's decide.
        """
        balancer = view.named(self.unit)
        held = [member for member in balancer.members if member.name in self.ids] if balancer else []
        if balancer is None or not held or elapsed >= self.seconds or _open_on(balancer, held) == 0:
            return Progress(state="done", done=len(self.ids), wanted=len(self.ids))
        return Progress(state="waiting", done=0, wanted=len(self.ids), detail=f"{self.seconds - elapsed:.0f} s left")

    def seen(self, view: BalancerView) -> bool:
        """There is no call whose effect could be seen."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBalancer:
    """Delete a balancer and what hangs on it, by exact id, in one call (cascade)."""

    unit: str
    id: str

    def progress(self, view: BalancerView, elapsed: float = 0.0) -> Progress:
        """Done when it is not listed any more."""
        left = next((balancer for balancer in view.balancers if balancer.id == self.id), None)
        if left is not None and left.provisioning == "ERROR":
            return Progress(state="failed", wanted=1, detail="the balancer is in ERROR")
        return _done(left is None)

    def seen(self, view: BalancerView) -> bool:
        """Whether the delete has visibly been accepted."""
        return not any(b.id == self.id and b.provisioning != "PENDING_DELETE" for b in view.balancers)


PoolOrder = (
    CreateServers | CreateServerGroup | AwaitServers | DeleteServers | StartServers | RestServers | DeleteServerGroups
)
BalancerOrder = CreateBalancer | SetMembers | AwaitMembers | Drain | DeleteBalancer
Order = PoolOrder | BalancerOrder | StretchOrder | SteeringOrder
LateOrder = SetMembers | JoinEnd | SetShares | RestServers
"""Orders that are filled in from the newest snapshot when their turn comes."""


def _done(done: bool) -> Progress:
    return Progress(state="done" if done else "waiting", done=int(done), wanted=1)


def _open_on(balancer: Balancer, members: list[Member]) -> int | None:
    own = [member.connections for member in members if member.connections is not None]
    return sum(own) if len(own) == len(members) else balancer.connections


def _balancer_progress(balancer: Balancer | None) -> Progress:
    if balancer is None:
        return Progress(state="waiting", wanted=1)
    if balancer.provisioning == "ERROR":
        return Progress(state="failed", wanted=1, detail=f"balancer {balancer.name} is in ERROR")
    return _done(balancer.provisioning == "ACTIVE" and bool(balancer.pool))
