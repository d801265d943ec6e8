"""What is asked to be moved, in the house's words: one candidate per move, with every reason against it."""

from __future__ import annotations

import datetime as dt
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.errors import PlanError, UserError
from cloudsentry.granting import way_of
from cloudsentry.migrate.placing import routed, router_of, router_order, with_routers
from cloudsentry.planner import moves as planner
from cloudsentry.planner.servers import template_of
from cloudsentry.planner.units import digest, template_digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Budget, Findings, Memo, Move, MoveOrder, WindowKind
from cloudsentry.records.reports import ServerLine, StretchLine
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest as event_digest
from cloudsentry.spec.scaling import count_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asks to be moved.

    ``what`` is one of the event's ``moves``, a pool, a server's name or its id, or a stretch whose router moves
    with all that is behind it; ``to`` a cloud or a site. ``wave`` is how many servers are made, and later drained, at
    once; 0 is all of them. ``hypervisors`` are the target's, to be spread over; none leaves it to its scheduler.
    ``group`` are further pools and servers, moved after ``what``, and ``together`` with it: all of them or none.
    """

    event: str
    what: str
    to: str = ""
    mover: str | None = None
    wave: int = 0
    hypervisors: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    together: bool = False
    budget: Budget | None = None
    window: WindowKind | None = None

    def resolved(self, event: Event) -> Asked:
        """With what the event's ``moves`` say where nothing else is said here. Raises `UserError` without a target."""
        planned = event.moves.get(self.what)
        if planned is None:
            if not self.to:
                known = ", ".join(sorted(event.moves)) or "none"
                raise UserError(f"--to is missing, and {self.what!r} is none of the event's moves (known: {known})")
            return with_routers(event, self)
        asked = replace(
            self,
            what=planned.what[0],
            group=(*planned.what[1:], *self.group),
            to=self.to or planned.to,
            mover=self.mover or planned.mover,
            wave=self.wave or planned.wave,
            hypervisors=self.hypervisors or tuple(planned.hypervisors),
            together=self.together or planned.together,
            budget=self.budget or planned.budget,
            window=self.window or planned.window,
        )
        return with_routers(event, asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One move that could be made."""

    move: Move
    order: MoveOrder
    found: Findings
    why: str
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Candidates of an event. ``servers`` are what stands; ``unplannable`` says why an event cannot be planned.

    ``mover`` makes the driver of a move, ``check`` lets it look, trying again while nobody answers; ``warmer`` says
    why a move by `image` should rather be one by `warm`, if it should. All of them are asked by ``at_once`` threads.
    """

    event: Event
    servers: tuple[ServerLine, ...]
    stretches: tuple[StretchLine, ...] = ()
    mover: Callable[[Move], MoverDriver]
    check: Callable[[MoverDriver, MoveOrder], Findings]
    unplannable: Callable[[Event], tuple[str, ...]]
    warmer: Callable[[Move, Findings], str] = lambda move, found: ""
    at_once: int = 1

    def candidates(self, asked: Asked) -> list[Candidate]:
        """One per move, in order. Raises `UserError` for what is neither a pool nor a server."""
        named = (asked.what, *asked.group)
        made = [one for what in named for one in self._of(replace(asked, what=what))]
        found = _together(made) if asked.together else made
        if asked.together and any(one.move.mover == "replace" for one in found) and len(found) > 1:
            raise UserError("replace moves a pool by itself: what moves together takes another mover (--mover)")
        return found

    def _of(self, asked: Asked) -> list[Candidate]:
        event = self.event
        cloud = spec.cloud_named(event, asked.to)
        if asked.what in event.stretches:
            return [self._router(asked, cloud)]
        mine = [line for line in self.servers if asked.what in (line.name, line.id)]
        if len(mine) > 1:
            raise UserError(f"{len(mine)} servers are called {asked.what!r}: take an id")
        pool = mine[0].unit.split("@")[0] if mine else asked.what
        spec.pool_of(event, pool)
        if mine and (router := routed(event).get(pool)):
            raise UserError(f"server {asked.what} is behind the router of {router}, and moves with it: move {router}")
        within = event.cloud_of(event.pools[pool].site) == cloud and bool(asked.hypervisors)
        behind = bool(spec.balancers_of(event, pool))
        choice = planner.choose(
            asked.mover,
            pool=not mine,
            behind_balancer=behind,
            within=within,
            driver=event.pools[pool].driver,
        )
        if choice[0] == "replace":
            return [self._candidate(asked, choice, cloud, pool, mine[0] if mine else None, asked.hypervisors)]
        listed = mine or [line for line in self.servers if line.unit.split("@")[0] == pool]
        if choice[0] == "live" and not mine:
            listed = [line for line in listed if line.hypervisor not in asked.hypervisors] or listed

        def made(index: int, line: ServerLine) -> Candidate:
            one = self._candidate(asked, choice, cloud, pool, line, _turn(asked.hypervisors, index))
            return one if asked.mover else self._warmer(one)

        return self._each(made, listed)

    def _each(self, made: Callable[[int, ServerLine], Candidate], lines: list[ServerLine]) -> list[Candidate]:
        """In the order of the servers, some looked at at once: a look at one is a dozen calls, one after the other."""
        with ThreadPoolExecutor(max(1, min(self.at_once, len(lines)))) as pool:
            return list(pool.map(made, range(len(lines)), lines))

    def _warmer(self, one: Candidate) -> Candidate:
        """By `warm`, where that is worth it and nothing speaks against it."""
        why = self.warmer(one.move, one.found) if one.move.mover == "image" and not one.refusals else ""
        better = self._checked(replace(one.move, mover="warm"), why) if why else one
        return one if better.refusals else better

    def _candidate(
        self,
        asked: Asked,
        choice: tuple[str, str],
        cloud: str,
        pool: str,
        line: ServerLine | None,
        hypervisors: tuple[str, ...],
    ) -> Candidate:
        event, now = self.event, dt.datetime.now(dt.UTC)
        source = event.cloud_of(event.pools[pool].site)
        count = count_of(event.pools[pool].pins)
        live = choice[0] == "live"
        memo: Memo = {
            "pool": pool,
            "new_pool": pool if live else spec.new_name(event, pool, cloud),
            "count": count,
            "waves": math.ceil(count / asked.wave) if asked.wave else 1,
            "hypervisors": list(hypervisors),
            "op": digest(event.event, line.id if line else pool, cloud, now.isoformat()),
            "holds": choice[0] != "replace",
        }
        if line is not None:
            memo |= {"server_id": line.id, "name": line.name, "unit": line.unit, "old_address": line.address}
            memo |= {"hypervisor": line.hypervisor}
        if live and line is not None and hypervisors:
            memo |= {"new_unit": spec.unit_on(event, pool, line.unit, hypervisors[0])}
        move = Move(
            event=event.event,
            server=line.id if line else pool,
            source=source,
            target=cloud,
            mover=choice[0],
            memo=memo,
            started=now,
            updated=now,
        )
        if source == cloud and not live:
            reason = f"pool {pool} is on {cloud} already: name a hypervisor to move within it"
            order = order_of(event, move)
            return Candidate(move=move, order=order, found=Findings(), why=choice[1], refusals=(reason,))
        return self._checked(move, choice[1])

    def _router(self, asked: Asked, cloud: str) -> Candidate:
        """The router of a group: one more move, by the same mover, to the same hypervisor."""
        event, now = self.event, dt.datetime.now(dt.UTC)
        line = router_of(self.stretches, asked.what)
        memo: Memo = {
            "stretch": asked.what,
            "pool": asked.what,
            "new_pool": asked.what,
            "count": 1,
            "waves": 1,
            "hypervisors": list(asked.hypervisors),
            "op": digest(event.event, line.server, cloud, now.isoformat()),
            "holds": True,
            "server_id": line.server,
            "name": f"{asked.what} router",
            "unit": asked.what,
            "hypervisor": line.hypervisor,
        }
        move = Move(
            event=event.event,
            server=line.server,
            source=line.cloud,
            target=cloud,
            mover="live",
            memo=memo,
            started=now,
            updated=now,
        )
        return self._checked(move, "a router moves with its group, while it runs")

    def _checked(self, move: Move, why: str) -> Candidate:
        """With every reason against it: the mover's, the balancers', and what planning the new pool refuses."""
        event, order = self.event, order_of(self.event, move)
        found = self.check(self.mover(move), order)
        memo = move.memo | {"joined": found.joined, "copy_bytes": found.copy_bytes, "memory_mb": found.memory_mb}
        move = replace(move, memo=memo)
        if order.source == order.target:
            return Candidate(move=move, order=order, found=found, why=why, refusals=found.refusals)
        way = way_of(order, move.memo)
        refusals = (*found.refusals, *spec.refusals(event, way))
        count = 1 if order.server else order.count
        if order.new_pool in event.pools and not order.server:
            refusals += (f"event {event.event} has a pool {order.new_pool} already: its servers would be taken over",)
        else:
            refusals += self.unplannable(spec.weighed(event, way, count, 0))
        return Candidate(move=move, order=order, found=found, why=why, refusals=refusals)


def order_of(event: Event, move: Move) -> MoveOrder:
    """What the mover is asked, made anew from the event each time: a memo holds no secrets."""
    memo = move.memo
    if "stretch" in memo:
        return router_order(event, memo, (move.source, move.target))
    pool = event.pools[memo["pool"] if memo["pool"] in event.pools else memo["new_pool"]]
    hypervisors = tuple(memo["hypervisors"])
    place = hypervisors[0] if hypervisors else "any"
    unit = memo.get("new_unit") or f"{memo['new_pool']}@{place}"
    return MoveOrder(
        event=event.event,
        pool=memo["pool"],
        new_pool=memo["new_pool"],
        source=move.source,
        target=move.target,
        driver=pool.driver,
        count=memo["count"],
        waves=memo["waves"],
        server=memo.get("server_id", ""),
        name=memo.get("name", ""),
        hypervisor=hypervisors[0] if hypervisors else "",
        hypervisors=hypervisors,
        template=template_of(pool),
        mark=Mark(event=event.event, unit=unit, op=memo["op"], template=template_digest(pool)),
    )


def unplannable(plan: Callable[[Event], object]) -> Callable[[Event], tuple[str, ...]]:
    """Why an event cannot be planned, by planning it; once for the same event, as fifty servers of a pool ask it."""
    known: dict[str, tuple[str, ...]] = {}
    one = threading.Lock()

    def reasons(event: Event) -> tuple[str, ...]:
        key = event_digest(event)
        with one:
            if key not in known:
                known[key] = _refused(plan, event)
            return known[key]

    return reasons


def _refused(plan: Callable[[Event], object], event: Event) -> tuple[str, ...]:
    try:
        plan(event)
    except PlanError as error:
        return error.refusals
    return ()


def _turn(hypervisors: tuple[str, ...], index: int) -> tuple[str, ...]:
    """One after the other gets another first choice; the rest are what it may turn to."""
    at = index % len(hypervisors) if hypervisors else 0
    return hypervisors[at:] + hypervisors[:at]


def _together(candidates: list[Candidate]) -> list[Candidate]:
    """Moves of one group know of each other, also after a crash."""
    group = digest(*(one.move.memo["op"] for one in candidates))
    return [replace(one, move=replace(one.move, memo=one.move.memo | {"group": group})) for one in candidates]
