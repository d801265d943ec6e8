"""A stretched network: two ends, each on its own cloud, that never see each other.

An end is opened from what the event says of its own side, makes an offer (what the far end
must know of it), and is joined to the far end's offer. Secrets travel as a reference.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from cloudsentry.records.marks import Mark
from cloudsentry.records.progress import Progress

if TYPE_CHECKING:
    from cloudsentry.records.views import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the far end must know. Sorted pairs of plain text; a secret only as ``…_ref``."""

    facts: tuple[tuple[str, str], ...] = ()

    def get(self, key: str, default: str = "") -> str:
        """One fact."""
        return dict(self.facts).get(key, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What an end's own servers saw of the far end when they last tried.

    ``up``: packets come back. ``loss`` in percent, ``rtt`` in ms (None: nothing came back). ``whole``: a packet of
    full size (``mtu`` bytes) crosses unfragmented; None where it was not tried. ``twice`` are addresses that two
    own. ``age`` is in seconds, by the cloud's clock. ``heard``: anything at all has come by the tunnel since the far
    end was called; None where nobody tells. ``detail`` says by what a far end is seen that no packets were sent to.
    """

    by: str
    up: bool
    loss: float = 0.0
    rtt: float | None = None
    whole: bool | None = None
    mtu: int = 0
    twice: tuple[str, ...] = ()
    age: float = 0.0
    heard: bool | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One such finding as the journal keeps it: which end's, and when it was made."""

    event: str
    stretch: str
    cloud: str
    at: dt.datetime
    up: bool
    loss: float = 0.0
    rtt: float | None = None
    whole: bool | None = None
    twice: tuple[str, ...] = ()

    @property
    def finding(self) -> tuple[object, ...]:
        """What matters of it: whether the end's stretch is as it should be, and how not."""
        return self.up, self.whole, self.twice


FRESH_S = 120.0
"""Seconds for which a probe counts: its servers tell at least every 15 s, some clouds keep consoles back for longer."""


def fresh(probe: Probe | None) -> Probe | None:
    """The probe, unless it is too old to say anything."""
    return probe if probe is not None and probe.age < FRESH_S else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Until when an end lets anything cross: ``until`` in seconds since 1970, ``left`` when it was read."""

    until: float
    left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end as it stands. ``joined`` is the offer that it is joined to, or None.

    ``state``: ``ACTIVE``, ``BUILD``, ``DOWN`` or ``ERROR``. ``objects`` are (kind, id) of everything marked, in
    the order in which they may be deleted. ``probe`` is there after a full look, where the driver has servers that
    try; ``lease`` where the driver's ends have one. ``place`` are sorted pairs of text that say where an end's one
    server stands which moves (``server``, its ``hypervisor``, the ``external`` network that it leaves by).
    """

    mark: Mark
    state: str
    offer: Offer | None = None
    joined: Offer | None = None
    objects: tuple[tuple[str, str], ...] = ()
    detail: str = ""
    probe: Probe | None = None
    lease: Lease | None = None
    place: tuple[tuple[str, str], ...] = ()

    def at(self, key: str) -> str:
        """One fact of the place."""
        return dict(self.place).get(key, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something of one side that must fit the other. ``kind``: ``cidr`` (reached there), ``address`` (in use), and
    of a BGPVPN ``exports`` and ``imports`` (route targets).
    """

    unit: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchView:
    """The ends of one driver on one cloud, for one event."""

    family: ClassVar[str] = "stretch"
    driver: str
    cloud: str
    ends: tuple[End, ...] = ()
    missing: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    """Of a full look, also for ends that are not there yet."""

    def named(self, unit: str) -> End | None:
        """The end of a unit, or None."""
        return next((end for end in self.ends if end.mark.unit == unit), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEnd:
    """Make what one end needs on its own side, as far as it is not there. ``options`` are the driver's own.

    ``external`` is the network by which a router is to leave that stands already; empty where that does not change.
    """

    unit: str
    options: tuple[tuple[str, str], ...] = field(default=())
    mark: Mark
    external: str = ""

    def progress(self, view: StretchView, elapsed: float = 0.0) -> Progress:
        """Done when the end makes its offer, and leaves by the wanted network."""
        end = view.named(self.unit)
        if end is not None and end.state == "ERROR":
            return Progress(state="failed", wanted=1, detail=end.detail or "the end is in ERROR")
        done = end is not None and end.offer is not None and self.external in ("", end.at("external"))
        return Progress(state="done" if done else "waiting", done=int(done), wanted=1)

    def seen(self, view: StretchView) -> bool:
        """Whether the end is there with its offer."""
        return self.progress(view).state == "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinEnd:
    """Join an end to the far end's offer. ``offer`` is empty in a plan, and read off the far end's view in a run."""

    unit: str
    far_cloud: str
    far_driver: str
    options: tuple[tuple[str, str], ...] = ()
    mark: Mark
    offer: Offer | None = None

    def resolved(self, snapshot: Snapshot) -> JoinEnd:
        """The same order with the far end's offer of now."""
        far = snapshot.stretch(self.far_cloud, self.far_driver).named(self.unit)
        return replace(self, offer=far.offer if far else None)

    def progress(self, view: StretchView, elapsed: float = 0.0) -> Progress:
        """Done when the end is joined to exactly this offer."""
        if self.offer is None:
            return Progress(state="failed", wanted=1, detail="the far end makes no offer")
        end = view.named(self.unit)
        if end is not None and end.state == "ERROR":
            return Progress(state="failed", wanted=1, detail=end.detail or "the end is in ERROR")
        done = end is not None and end.joined == self.offer
        return Progress(state="done" if done else "waiting", done=int(done), wanted=1)

    def seen(self, view: StretchView) -> bool:
        """Whether it is joined so already."""
        return self.progress(view).state == "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewLease:
    """An end may let packets cross for another ``seconds`` from now, and never after ``last`` (0: no such time)."""

    unit: str
    seconds: float
    last: float = 0.0
    mark: Mark

    def due(self, end: End | None) -> bool:
        """Whether half of the time is gone, and more can be had."""
        if end is None or end.lease is None:
            return True
        if 0 < self.last < end.lease.until:  # the event ends earlier than it did
            return True
        return end.lease.left < self.seconds / 2 and not 0 < self.last <= end.lease.until

    def progress(self, view: StretchView, elapsed: float = 0.0) -> Progress:
        """Done when the end says so."""
        state: Literal["done", "waiting"] = "waiting" if self.due(view.named(self.unit)) else "done"
        return Progress(state=state, done=int(state == "done"), wanted=1)

    def seen(self, view: StretchView) -> bool:
        """Whether it has that time already."""
        return not self.due(view.named(self.unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseEnd:
    """Delete everything of one end by exact id, in the order in which it may go."""

    unit: str
    objects: tuple[tuple[str, str], ...]

    def progress(self, view: StretchView, elapsed: float = 0.0) -> Progress:
        """Done when none of the objects is listed any more."""
        left = [item for end in view.ends for item in end.objects if item in self.objects]
        gone = len(self.objects) - len(left)
        return Progress(state="waiting" if left else "done", done=gone, wanted=len(self.objects))

    def seen(self, view: StretchView) -> bool:
        """Whether all of them are gone."""
        return self.progress(view).state == "done"


StretchOrder = OpenEnd | JoinEnd | RenewLease | CloseEnd
