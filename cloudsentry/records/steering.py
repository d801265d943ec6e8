"""Steering: which share of the clients is sent where, by means that stand before the event's balancers.

A steering has targets. One of them is home: where all clients go without the event. What stood before is kept
beside the mark, so that it can be put back; clients that remember an old answer are waited for (``settles``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from cloudsentry.errors import Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.progress import Progress
from cloudsentry.records.serving import serves

if TYPE_CHECKING:
    from cloudsentry.records.views import Snapshot

Options = tuple[tuple[str, str], ...]
ANY = ("", "::", "0.0.0.0")
"""What a balancer on all addresses of its host calls its VIP: nothing that a client could be sent to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where clients are sent. ``share`` in percent; ``to`` are addresses or names, as the driver takes them.

    A target that is a balancer of the event has its VIP for ``to``, which is empty until the step's turn comes. Where
    ``to`` is the operator's own, ``behind`` names the balancer that serves there, if any.
    """

    name: str
    share: float
    to: tuple[str, ...] = ()
    home: bool = False
    balancer: str = ""
    behind: str = ""
    cloud: str = ""
    driver: str = ""
    port: int = 80
    rules: tuple[str, ...] = ()
    """Networks, and origin ASes as ``AS64500``, that are this target's whatever its share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """One steering as it stands.

    ``state``: ``ACTIVE`` (as it was last written), ``CHANGED`` (by somebody else since, or half written) or
    ``REVERTED`` (what stood before is back). ``settles``: seconds until no client goes by an older answer.
    ``shares`` are those that the means really give, in percent, by target.
    """

    mark: Mark
    state: str
    targets: tuple[Target, ...] = ()
    shares: tuple[tuple[str, float], ...] = ()
    settles: float = 0.0
    detail: str = ""

    def wants(self, targets: tuple[Target, ...]) -> bool:
        """Whether it was last written for just these."""
        return sent(self.targets) == sent(targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringView:
    """The steerings of one event at one place; ``cloud`` is that place (a cloud, a host, an API's address)."""

    family: ClassVar[str] = "steering"
    driver: str
    cloud: str
    steers: tuple[Steer, ...] = ()
    missing: tuple[str, ...] = ()

    def named(self, unit: str) -> Steer | None:
        """The steering of a unit, or None."""
        return next((steer for steer in self.steers if steer.mark.unit == unit), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetShares:
    """Send clients by these shares, all in one change; what stood before the first is kept.

    ``falling`` are targets that get no more clients than they have: nobody needs to answer there.
    """

    unit: str
    targets: tuple[Target, ...]
    options: Options = ()
    settle: float = 0.0
    """Seconds for which clients may go by what they have read before, at the least."""
    falling: tuple[str, ...] = ()
    mark: Mark

    def resolved(self, snapshot: Snapshot) -> SetShares:
        """The same order with the VIPs of now; a balancer behind which nobody serves leaves its target empty."""
        made = (_resolved(one, snapshot, serving=one.name not in self.falling) for one in self.targets)
        return replace(self, targets=tuple(made))

    def addressed(self, snapshot: Snapshot) -> tuple[Target, ...]:
        """The targets with the VIPs of now, whether anybody serves behind them or not."""
        return tuple(_resolved(target, snapshot, serving=False) for target in self.targets)

    def ready(self, place: str) -> None:
        """Raises `Conflict` where clients would be sent to nobody."""
        for target in self.targets:
            if (target.share or target.rules) and not target.to:
                name = target.balancer or target.behind
                raise Conflict(f"nobody serves behind balancer {name}: no client is sent there", cloud=place)

    def progress(self, view: SteeringView, elapsed: float = 0.0) -> Progress:
        """Done when it stands as ordered and no client goes by an older answer."""
        steer = view.named(self.unit)
        if steer is None or steer.state != "ACTIVE" or not steer.wants(self.targets):
            return Progress(state="waiting", wanted=1)
        return _settled(steer)

    def seen(self, view: SteeringView) -> bool:
        """Whether it stands as ordered."""
        steer = view.named(self.unit)
        return steer is not None and steer.state == "ACTIVE" and steer.wants(self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Wait until no client goes by an older answer. Calls nothing."""

    unit: str

    def progress(self, view: SteeringView, elapsed: float = 0.0) -> Progress:
        """Done when nothing has to settle."""
        steer = view.named(self.unit)
        return _settled(steer) if steer else Progress(state="done", done=1, wanted=1)

    def seen(self, view: SteeringView) -> bool:
        """There is no call whose effect could be seen."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """Put back what stood before the event, and wait until no client goes by an older answer. The mark stays.

    ``forsaken`` are hosts that are gone for good: nothing is put back there.
    """

    unit: str
    event: str
    forsaken: tuple[str, ...] = ()

    def progress(self, view: SteeringView, elapsed: float = 0.0) -> Progress:
        """Done when it is back, and settled."""
        steer = view.named(self.unit)
        if steer is None:
            return Progress(state="done", done=1, wanted=1)
        return _settled(steer) if steer.state == "REVERTED" else Progress(state="waiting", wanted=1)

    def seen(self, view: SteeringView) -> bool:
        """Whether it is back."""
        steer = view.named(self.unit)
        return steer is None or steer.state == "REVERTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Remove the mark and the backup of a steering that was reverted."""

    unit: str
    event: str

    def progress(self, view: SteeringView, elapsed: float = 0.0) -> Progress:
        """Done when it is not listed any more."""
        gone = self.seen(view)
        return Progress(state="done" if gone else "waiting", done=int(gone), wanted=1)

    def seen(self, view: SteeringView) -> bool:
        """Whether it is gone."""
        return view.named(self.unit) is None


SteeringOrder = SetShares | Settle | Revert | Forget


def sent(targets: tuple[Target, ...]) -> dict[str, tuple[float, tuple[str, ...], tuple[str, ...]]]:
    """What of targets makes a difference to clients, by name; one without a share is none."""
    return {one.name: (one.share, one.to, one.rules) for one in targets if one.share or one.home or one.rules}


def target_of(data: dict[str, Any]) -> Target:
    """A target from a mark's plain data. Raises TypeError or KeyError where it is none."""
    return Target(**{**data, "to": tuple(data["to"]), "rules": tuple(data["rules"])})


def _resolved(target: Target, snapshot: Snapshot, *, serving: bool) -> Target:
    name = target.balancer or target.behind
    if not name:
        return target
    balancer = snapshot.balancer(target.cloud, target.driver).named(name)
    if serving and (balancer is None or not serves(balancer)):
        return replace(target, to=())
    if target.behind:
        return target
    vip = balancer.vip if balancer is not None and balancer.vip not in ANY else ""
    return replace(target, to=(vip,) if vip else ())


def _settled(steer: Steer) -> Progress:
    if steer.settles <= 0:
        return Progress(state="done", done=1, wanted=1)
    told = f"old answers hold for {steer.settles:.0f} s more"
    return Progress(state="waiting", wanted=1, detail=told, left=steer.settles)
