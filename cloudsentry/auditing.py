"""The audit: what bears a mark and is wanted by no event, and what is wanted and gone, over all clouds and hosts.

Servers, groups and balancers are found by their drivers; networks, ports, VPNs and images by a sweep of each cloud;
what stands on hosts (daemons, steering) by what a destroy of its event would still take away there.

A leak is offered for deletion once two passes have seen it: one look may meet what another process makes just now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cloudsentry.clouds import marked
from cloudsentry.clouds.marked import Marked
from cloudsentry.errors import DriverError, NotSupported, SentryError
from cloudsentry.executor import Place
from cloudsentry.looking import Looker
from cloudsentry.planner import plan_destroy, surplus_and_gone
from cloudsentry.records.marks import PREFIX
from cloudsentry.records.orders import DeleteBalancer, DeleteServerGroups, DeleteServers, Order
from cloudsentry.records.plans import Step
from cloudsentry.records.reports import Audited
from cloudsentry.records.views import BalancerView, PoolView, View
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.clouds.session import Cloud
    from cloudsentry.journal.leaks import Leaks

SURE = 2
"""Passes after which a leak is offered for deletion."""

BETWEEN = 60.0
"""Seconds from one pass to the next that counts."""

LISTING = {"pool": ("nova", "fake"), "balancer": ("octavia", "fake")}
"""Drivers that can list what any event has made; a daemon on a balancer's host belongs to whoever runs it."""

ORDER = ("balancer", "server", "server group", *marked.KINDS)
"""In which order things are deleted: what uses others goes before them."""

SWEPT = ("vlan", "vpnaas", "bgpvpn", "gateway", "router")
"""Drivers of stretches whose objects the sweep of a cloud finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit of ``clouds`` and ``places``.

    ``kept`` are the events of the journal that are not destroyed, ``ended`` those that are, with all places of each.
    ``moving`` are the ids of calls of moves that have not ended: what they make is wanted. ``open`` gives a cloud.
    """

    looker: Looker
    leaks: Leaks
    clouds: tuple[str, ...]
    kept: tuple[tuple[Event, tuple[Place, ...]], ...]
    open: Callable[[str], Cloud]
    ended: tuple[tuple[Event, tuple[Place, ...]], ...] = ()
    moving: frozenset[str] = frozenset()
    places: tuple[Place, ...] = ()
    _orders: dict[tuple[str, str, str], tuple[Place, Order]] = field(default_factory=dict, repr=False)

    def lines(self, between: float = BETWEEN) -> tuple[Audited, ...]:
        """Every leak and everything gone, sorted; what could not be looked at is told as ``unseen``."""
        seen: list[Audited] = []
        unseen: list[Audited] = []
        looked: set[str] = set()
        for place in self._places():
            try:
                seen += _marked(self.looker.everything(place))
                looked.add(place[1])
            except NotSupported:
                continue  # no such service on this cloud: nothing of ours can be there
            except SentryError as error:
                unseen.append(_unseen(place[1], "", str(error)))
        gone, unwanted, on_hosts = self._wanted(unseen)
        found = [one for one in seen if self._leaks(one, unwanted)]
        found += [*on_hosts, *self._left_by_ended(unseen, looked)]
        standing = {one.id for one in seen if one.kind == "server"} - {one.id for one in found}
        for name in self.clouds:
            found += self._swept(name, standing, unseen)
        looked -= {one.cloud for one in unseen}
        passes = self.leaks.seen([_key(one) for one in found], looked, between)
        counted = [replace(one, passes=passes.get(_key(one), 0)) for one in found]
        return tuple(
            sorted({*counted, *gone, *unseen}, key=lambda one: (one.cloud, one.state, one.kind, one.name, one.id))
        )

    def delete(self, lines: Iterable[Audited]) -> tuple[Audited, ...]:
        """Ask for the deletion of every leak that was seen often enough, each by its id; tells how each went."""
        sure = [one for one in lines if one.state == "leak" and one.passes >= SURE]
        return tuple(self._deleted(one) for one in sorted(sure, key=_rank))

    def _deleted(self, one: Audited) -> Audited:
        family = "balancer" if one.kind == "balancer" else "pool"
        place, order = self._orders.get(_key(one), ((family, one.cloud, one.driver), None))
        try:
            if one.kind in marked.KINDS:
                marked.remove(self.open(one.cloud), one.kind, one.id)
            else:
                self.looker.act(place, order or _order(one))
        except DriverError as error:
            return replace(one, why=f"not deleted: {error}")
        return replace(one, state="deleted")

    def _places(self) -> tuple[Place, ...]:
        places = {(family, cloud, LISTING[family][0]) for family in LISTING for cloud in self.clouds}
        places |= {place for place in self.places if place[2] in LISTING.get(place[0], ())}
        return tuple(sorted(places))

    def _wanted(self, unseen: list[Audited]) -> tuple[list[Audited], set[str], list[Audited]]:
        """What events want and is gone, the ids of what bears their marks beyond that, and what they left on hosts."""
        gone: list[Audited] = []
        unwanted: set[str] = set()
        on_hosts: list[Audited] = []
        for event, places in self.kept:
            try:
                surplus, missing, steps = surplus_and_gone(event, self.looker.snapshot(event, places, full=True))
            except SentryError as error:
                unseen.append(_unseen("", event.event, str(error)))
                continue
            unwanted |= surplus
            on_hosts += self._steps(event.event, steps)
            gone += [
                Audited(
                    state="gone", cloud=one.cloud, kind=one.unit, id="", name=one.unit, event=event.event, why=one.what
                )
                for one in missing
            ]
        return gone, unwanted, on_hosts

    def _left_by_ended(self, unseen: list[Audited], looked: set[str]) -> Iterator[Audited]:
        """What stands on hosts of an event that was destroyed."""
        for event, places in self.ended:
            for place in (place for place in places if _on_host(place[0], place[2])):
                try:
                    snapshot = self.looker.snapshot(event, (place,), full=False)
                except SentryError as error:
                    unseen.append(_unseen(place[1], event.event, str(error)))
                    continue
                looked.add(place[1])
                yield from self._steps(event.event, plan_destroy(event.event, snapshot).steps)

    def _steps(self, event: str, steps: Iterable[Step]) -> Iterator[Audited]:
        for step in steps:
            if _on_host(step.family, step.driver):
                why = f"{step.why}: `event apply` of its file, or `event destroy`, takes it away in order"
                one = Audited(
                    state="leak",
                    cloud=step.cloud,
                    kind=step.family,
                    id=step.id[-64:],
                    name=step.unit,
                    event=event,
                    why=why,
                    driver=step.driver,
                )
                self._orders[_key(one)] = ((step.family, step.cloud, step.driver), step.subject)
                yield one

    def _swept(self, cloud: str, standing: set[str], unseen: list[Audited]) -> list[Audited]:
        """What bears a mark on a cloud, and is neither of a stretch, nor a server's, nor of a move under way."""
        try:
            found = self.looker.read(lambda: marked.marked(self.open(cloud)))
        except NotSupported:
            return []
        except SentryError as error:
            unseen.append(_unseen(cloud, "", str(error)))
            return []
        return [
            Audited(
                state="leak",
                cloud=cloud,
                kind=one.kind,
                id=one.id,
                name=one.name,
                event=one.mark.event,
                why="a server's that is gone" if one.server else "no event of the journal wants it",
            )
            for one in found
            if not (one.server in standing or one.mark.op in self.moving or self._stretches(one, cloud))
        ]

    def _stretches(self, one: Marked, cloud: str) -> bool:
        """Whether a kept event has a stretch of that name with an end on the cloud."""
        event = next((event for event, _ in self.kept if event.event == one.mark.event), None)
        spec = event.stretches.get(one.mark.unit) if event else None
        return bool(event and spec and cloud in {event.cloud_of(site) for site in spec.between})

    def _leaks(self, one: Audited, unwanted: set[str]) -> bool:
        known = {event.event: places for event, places in self.kept}
        if one.event not in known:
            return True
        return one.id in unwanted or one.cloud not in {cloud for _, cloud, _ in known[one.event]}


def _marked(view: View) -> Iterator[Audited]:
    if isinstance(view, PoolView):
        for server in view.servers:
            if not server.gone:
                yield _leak(view, "server", server.id, server.name, server.mark.event)
        for group in view.groups:
            event = group.name.removeprefix(f"{PREFIX}.").partition(".")[0]
            yield _leak(view, "server group", group.id, group.name, event)
    elif isinstance(view, BalancerView):
        for balancer in view.balancers:
            yield _leak(view, "balancer", balancer.id, balancer.name, balancer.mark.event)


def _leak(view: View, kind: str, id: str, name: str, event: str) -> Audited:
    why = "no event of the journal wants it"
    return Audited(
        state="leak", cloud=view.cloud, kind=kind, id=id, name=name, event=event, why=why, driver=view.driver
    )


def _unseen(cloud: str, event: str, why: str) -> Audited:
    return Audited(state="unseen", cloud=cloud, kind="", id="", name="", event=event, why=why)


def _on_host(family: str, driver: str) -> bool:
    """Whether only the event's own driver can tell what is there."""
    return family in ("balancer", "steering", "stretch") and driver not in (*LISTING.get(family, ()), *SWEPT)


def _rank(one: Audited) -> int:
    return ORDER.index(one.kind) if one.kind in ORDER and not _on_host(one.kind, one.driver or "octavia") else -1


def _key(one: Audited) -> tuple[str, str, str]:
    return one.cloud, one.kind, one.id


def _order(one: Audited) -> Order:
    match one.kind:
        case "server":
            return DeleteServers(unit=one.name, ids=(one.id,))
        case "server group":
            return DeleteServerGroups(unit=one.name, ids=(one.id,))
        case _:
            return DeleteBalancer(unit=one.name, id=one.id)
