"""A group that moves with its router: who belongs to it, and what its router's move wishes of the event.

The router is no pool's server. Its move is one more of the group's, by the same mover, and ends with the event's saying
where the router stands now, and the router's leaving by the network of that place.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from cloudsentry.drivers.stretch.base import StretchScope
from cloudsentry.errors import Conflict, UserError
from cloudsentry.planner.stretches import opening
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Memo, MoveOrder, Wish
from cloudsentry.records.orders import Template
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import StretchLine
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, from_dict

if TYPE_CHECKING:
    from cloudsentry.journal import Journal
    from cloudsentry.loading import Loader
    from cloudsentry.migrate.asking import Asked


def with_routers(event: Event, asked: Asked) -> Asked:
    """Where a `router` stretch is asked for, its whole group: every pool behind the router, and the router, as one.

    Raises `UserError` where they would not come to one hypervisor, or where something behind a router is asked for
    without it.
    """
    named = (asked.what, *asked.group)
    routers = [name for name in named if name in event.stretches]
    for name in routers:
        _one_place(event, name, asked)
    for one in named:
        router = routed(event).get(one)
        if router and router not in routers:
            raise UserError(f"pool {one} is behind the router of {router}, and moves with it: move {router}")
    if not routers:
        return asked
    whole = dict.fromkeys(member for name in routers for member in (name, *group_of(event, name)))
    first, *rest = dict.fromkeys((*whole, *named))
    return dataclasses.replace(asked, what=first, group=tuple(rest), together=True)


def _one_place(event: Event, name: str, asked: Asked) -> None:
    spec = event.stretches[name]
    if spec.driver != "router":
        raise UserError(f"stretch {name} does not move: its driver is {spec.driver}, not router")
    site = next(site for site in spec.between if spec.roams(site))
    if asked.to not in (site, event.cloud_of(site)):
        raise UserError(f"the group of {name} moves within {event.cloud_of(site)}, from hypervisor to hypervisor")
    if len(asked.hypervisors) != 1:
        raise UserError(f"the group of {name} moves to one hypervisor, router and all: name it with --hypervisor")
    if asked.mover not in (None, "live"):
        raise UserError(f"the group of {name} moves while it runs: by live, not by {asked.mover}")


def group_of(event: Event, name: str) -> tuple[str, ...]:
    """The pools whose servers are behind a stretch's router; none where it has no router."""
    spec = event.stretches[name]
    return tuple(
        pool for pool, one in sorted(event.pools.items()) if name in one.network_names and spec.roams(one.site)
    )


def routed(event: Event) -> dict[str, str]:
    """The stretch behind whose router a pool's servers are, by pool."""
    return {pool: name for name in sorted(event.stretches) for pool in group_of(event, name)}


def router_of(lines: Sequence[StretchLine], name: str) -> StretchLine:
    """The line of a stretch's router. Raises `UserError` where there is none."""
    found = next((line for line in lines if line.unit == name and line.server), None)
    if found is None:
        raise UserError(f"stretch {name} has no router that could move: apply the event first")
    return found


def router_order(event: Event, memo: Memo, clouds: tuple[str, str]) -> MoveOrder:
    """What a mover is asked of a router."""
    name = str(memo["stretch"])
    spec = event.stretches[name]
    site = next(site for site in spec.between if spec.roams(site))
    return MoveOrder(
        event=event.event,
        pool=name,
        new_pool=name,
        source=clouds[0],
        target=clouds[1],
        driver=spec.driver,
        count=1,
        server=str(memo["server_id"]),
        name=str(memo["name"]),
        hypervisor=str(memo["hypervisors"][0]),
        hypervisors=tuple(memo["hypervisors"]),
        template=Template(image=spec.image.get(site, ""), flavor=spec.flavor.get(site, "")),
        mark=Mark(event=event.event, unit=name, op=str(memo["op"])),
    )


class Placing:
    """Grants of a router's move."""

    def __init__(
        self,
        loader: Loader,
        journal: Journal,
        event: Event,
        order: MoveOrder,
        turn: AbstractContextManager[Any],
    ) -> None:
        self._loader, self._journal, self._event, self._order = loader, journal, event, order
        self._turn = turn

    def grant(self, wish: Wish, elapsed: float) -> Progress:
        """``adopt``: the event says where the router is, and the router leaves by that place's network.

        Raises `DriverError`; `Conflict` for any other wish.
        """
        if wish.kind != "adopt":
            raise Conflict(f"no router is moved by {wish.kind!r}")
        name = self._order.pool
        with self._turn:
            newest = self._journal.revision(self._event.event)
            event = from_dict(json.loads(newest.body)) if newest else self._event
            spec = event.stretches[name]
            if spec.hypervisor != self._order.hypervisor:
                spec = spec.model_copy(update={"hypervisor": self._order.hypervisor})
                event = event.model_copy(update={"stretches": {**event.stretches, name: spec}})
                self._journal.revise(event.event, digest(event), json.dumps(dump(event), sort_keys=True))
        site = next(site for site in spec.between if spec.roams(site))
        order = opening(event, name, site)
        driver: Any = self._loader.at(("stretch", event.cloud_of(site), spec.driver))
        progress = order.progress(driver.observe(StretchScope(event=event.event)))
        if progress.state == "waiting":
            driver.act(order)
        return progress
