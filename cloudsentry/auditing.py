"""The audit: what bears a mark and is wanted by no event, and what is wanted and gone, over all clouds.

A leak is offered for deletion once two passes have seen it: one look may meet what another process makes just now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cloudsentry.errors import DriverError, NotSupported, SentryError
from cloudsentry.executor import Place
from cloudsentry.looking import Looker
from cloudsentry.planner import surplus_and_gone
from cloudsentry.records.marks import PREFIX
from cloudsentry.records.orders import DeleteBalancer, DeleteServerGroups, DeleteServers, Order
from cloudsentry.records.reports import Audited
from cloudsentry.records.views import BalancerView, PoolView, View
from cloudsentry.spec.event import Event

if TYPE_CHECKING:
    from cloudsentry.journal.leaks import Leaks

SURE = 2
"""Passes after which a leak is offered for deletion."""

BETWEEN = 60.0
"""Seconds from one pass to the next that counts."""

LISTING = {"pool": ("nova", "fake"), "balancer": ("octavia", "fake")}
"""Drivers that can list what any event has made; a daemon on a balancer's host belongs to whoever runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit of ``clouds`` and ``places``.

    ``kept`` are the events of the journal that are not destroyed, with all places of each.
    """

    looker: Looker
    leaks: Leaks
    clouds: tuple[str, ...]
    kept: tuple[tuple[Event, tuple[Place, ...]], ...]
    places: tuple[Place, ...] = ()

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
        gone, unwanted = self._wanted(unseen)
        found = [one for one in seen if self._leaks(one, unwanted)]
        looked -= {one.cloud for one in unseen}
        passes = self.leaks.seen([_key(one) for one in found], looked, between)
        counted = [replace(one, passes=passes.get(_key(one), 0)) for one in found]
        return tuple(
            sorted({*counted, *gone, *unseen}, key=lambda one: (one.cloud, one.state, one.kind, one.name, one.id))
        )

    def delete(self, lines: Iterable[Audited]) -> tuple[Audited, ...]:
        """Ask for the deletion of every leak that was seen often enough, each by its id; tells how each went."""
        return tuple(self._deleted(one) for one in lines if one.state == "leak" and one.passes >= SURE)

    def _deleted(self, one: Audited) -> Audited:
        family = "balancer" if one.kind == "balancer" else "pool"
        try:
            self.looker.act((family, one.cloud, one.driver), _order(one))
        except DriverError as error:
            return replace(one, why=f"not deleted: {error}")
        return replace(one, state="deleted")

    def _places(self) -> tuple[Place, ...]:
        places = {(family, cloud, LISTING[family][0]) for family in LISTING for cloud in self.clouds}
        places |= {place for place in self.places if place[2] in LISTING.get(place[0], ())}
        return tuple(sorted(places))

    def _wanted(self, unseen: list[Audited]) -> tuple[list[Audited], set[str]]:
        """What events want and is gone, and the ids of what bears their marks beyond that."""
        gone: list[Audited] = []
        unwanted: set[str] = set()
        for event, places in self.kept:
            try:
                surplus, missing = surplus_and_gone(event, self.looker.snapshot(event, places, full=True))
            except SentryError as error:
                unseen.append(_unseen("", event.event, str(error)))
                continue
            unwanted |= surplus
            gone += [
                Audited(
                    state="gone", cloud=one.cloud, kind=one.unit, id="", name=one.unit, event=event.event, why=one.what
                )
                for one in missing
            ]
        return gone, unwanted

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
