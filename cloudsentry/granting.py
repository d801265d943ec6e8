"""What movers wish of an event and of its balancers, done through the corridor that everything else goes through.

`Revisions` is for whole pools: every wish is a revision of the event, applied. `Members` is for one server whose event
is held meanwhile: its weight behind the pool's balancers, written directly, and one revision at the end.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.errors import Busy, Conflict, Owned, PlanStale
from cloudsentry.observe import scope_of
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import Memo, MoveOrder, Wish
from cloudsentry.records.orders import SetMembers
from cloudsentry.records.progress import Progress
from cloudsentry.records.reports import Listener
from cloudsentry.records.views import Balancer, BalancerView, Member, PoolView
from cloudsentry.spec import moves as spec
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, from_dict

if TYPE_CHECKING:
    from cloudsentry.journal import Journal
    from cloudsentry.loading import Loader
    from cloudsentry.sentry import Sentry

HEALTHY = ("ONLINE", "DRAINING", "NO_MONITOR", "")
"""Octavia's operating states of a member that answers its monitor; at weight 0 an answering one is DRAINING."""

DONE = Progress(state="done", done=1, wanted=1)


def way_of(order: MoveOrder, memo: Memo) -> spec.Way:
    """The way of a move, as it was found at its check."""
    return spec.Way(
        pool=order.pool,
        new_pool=order.new_pool,
        cloud=order.target,
        joined=bool(memo.get("joined")),
        hypervisors=tuple(memo.get("hypervisors", ())),
    )


class Revisions:
    """Grants of a pool's move. Thread-safe as `Sentry` is."""

    def __init__(self, sentry: Sentry, order: MoveOrder, memo: Memo, listen: Listener) -> None:
        self._sentry, self._order, self._listen = sentry, order, listen
        self._way = way_of(order, memo)

    def grant(self, wish: Wish, elapsed: float) -> Progress:
        """Do it; twice is once. Raises `DriverError`, or `PlanError` where it cannot be planned."""
        order, way = self._order, self._way
        part = math.ceil(order.count / max(1, order.waves)) * (wish.wave + 1)
        there = min(order.count, part)
        match wish.kind:
            case "grow":
                return self._apply(lambda event: spec.weighed(event, way, there, 0))
            case "weigh":
                return self._apply(lambda event: spec.weighed(event, way, order.count, wish.percent))
            case "serving":
                return self._serving()
            case "shrink":
                return self._shrink(order.count - there)
            case "ungrow":
                self._apply(lambda event: spec.emptied(event, way.new_pool))
                return self._apply(lambda event: spec.dropped(event, way.new_pool, way.pool))
            case _:
                raise Conflict(f"no pool is moved by {wish.kind!r}")

    def _shrink(self, left: int) -> Progress:
        if left > 0:
            return self._apply(lambda event: spec.shrunk(event, self._way, left))
        self._apply(lambda event: spec.emptied(event, self._way.pool))
        return self._apply(lambda event: spec.dropped(event, self._way.pool, self._way.new_pool))

    def _apply(self, change: Callable[[Event], Event]) -> Progress:
        """The newest revision, changed and applied; where somebody else writes just now, later."""
        event, number = self._sentry.event(self._order.event)
        try:
            report = self._sentry.apply(change(event), since=number, listen=self._listen)
        except (Owned, PlanStale) as later:
            raise Busy(str(later)) from later
        if report.outcome == "stopped":
            raise KeyboardInterrupt
        if report.outcome != "done":
            raise Conflict(f"run {report.run}: " + "; ".join(report.left))
        return DONE

    def _serving(self) -> Progress:
        """Every server of the new pool is ACTIVE and, behind a balancer, answers its monitor."""
        event, _ = self._sentry.event(self._order.event)
        status = self._sentry.status(self._order.event)
        behind = bool(spec.balancers_of(event, self._way.new_pool))
        mine = [line for line in status.servers if line.unit.split("@")[0] == self._way.new_pool]
        good = [
            line
            for line in mine
            if line.status == "ACTIVE" and (not behind or (line.weight is not None and line.member in HEALTHY))
        ]
        state = "done" if len(good) >= self._order.count else "waiting"
        late = [line for line in mine if line not in good]
        told = ", ".join(f"{line.address or line.name} {line.member or line.status}" for line in late)
        return Progress(state=state, done=len(good), wanted=self._order.count, detail=told)  # type: ignore[arg-type]


class Members:
    """Grants of one server's move. The caller holds the event; nobody else writes to its balancers."""

    def __init__(
        self,
        loader: Loader,
        journal: Journal,
        event: Event,
        order: MoveOrder,
        memo: Memo,
        *,
        turn: AbstractContextManager[object],
        hidden: Callable[[], frozenset[str]],
    ) -> None:
        """``turn`` is held by one of the moves under way at once; ``hidden`` are servers that may still go back."""
        self._loader, self._journal, self._event, self._order = loader, journal, event, order
        self._turn, self._hidden = turn, hidden
        self._way, self._memo = way_of(order, memo), memo
        self._unit = str(memo["unit"])

    def grant(self, wish: Wish, elapsed: float, memo: Memo) -> Progress:
        """Do it, or a bit of it; twice is once. ``memo`` is the newest one. Raises `DriverError`."""
        with self._turn:
            return self._granted(wish, elapsed, memo)

    def _granted(self, wish: Wish, elapsed: float, memo: Memo) -> Progress:
        weight = self._weight
        match wish.kind:
            case "quiet":
                done = self._write(self._own, {self._order.server: 0}, {})
                return self._drained(elapsed) if done.state == "done" else done
            case "join":
                return self._write(self._taking, {}, {memo["server"]: (memo["address"], 0)})
            case "serving":
                return self._serving(memo["server"])
            case "loud":
                new = {memo["server"]: (memo["address"], weight)}
                done = self._write(self._taking, {self._order.server: None}, new)
                if done.state == "done":
                    return self._write(self._only_own, {self._order.server: None}, {})
                return done
            case "unquiet":
                done = self._write(self._taking, {memo.get("server", ""): None}, {})
                back = {self._order.server: (memo["old_address"], weight)} if memo.get("old_address") else {}
                return self._write(self._own, {}, back) if done.state == "done" else done
            case "adopt":
                return self._adopt(memo)
            case _:
                raise Conflict(f"no server is moved by {wish.kind!r}")

    @property
    def _weight(self) -> int:
        pool = self._order.pool
        return spec.weight_of(self._event, pool, self._unit) if pool in self._event.pools else 1

    @property
    def _own(self) -> tuple[str, ...]:
        return spec.balancers_of(self._event, self._order.pool)

    @property
    def _taking(self) -> tuple[str, ...]:
        if self._order.pool not in self._event.pools:
            return spec.balancers_of(self._event, self._order.new_pool)
        return spec.taking(self._event, self._way)

    @property
    def _only_own(self) -> tuple[str, ...]:
        return tuple(name for name in self._own if name not in self._taking)

    def _look(self, name: str) -> Balancer:
        found = self._view(name).named(name)
        if found is None:
            raise Conflict(f"balancer {name} is gone")
        return found

    def _view(self, name: str) -> BalancerView:
        place = self._place(name)
        view: BalancerView = self._loader.at(place).observe(scope_of(place, self._event, full=False))
        return view

    def _place(self, name: str) -> tuple[str, str, str]:
        balancer = self._event.balancers[name]
        return "balancer", self._event.place_of(balancer), balancer.driver

    def _write(self, names: tuple[str, ...], old: dict[str, int | None], new: dict[str, tuple[str, int]]) -> Progress:
        """One write per balancer that is not so yet: members in ``old`` get a weight or go, those in ``new`` come."""
        for name in names:
            balancer = self._look(name)
            if not balancer.settled:
                return Progress(state="waiting", wanted=1, detail=f"balancer {name} is at work")
            wanted = self._members(name, balancer, old, new)
            if _plain(wanted) != _plain(balancer.members):
                order = SetMembers(unit=name, mark=self._mark(balancer), members=wanted)
                self._loader.at(self._place(name)).act(order)
                return Progress(state="waiting", wanted=1, detail=f"balancer {name} is written")
        return DONE

    def _members(
        self, name: str, balancer: Balancer, old: dict[str, int | None], new: dict[str, tuple[str, int]]
    ) -> tuple[Member, ...]:
        pools = (self._order.pool, self._order.new_pool)
        parts = sorted(self._event.balancers[name].members, key=lambda member: member.pool not in pools)
        port = parts[0].port
        kept = [member for member in balancer.members if member.mark is not None and member.name not in new]
        made = [
            dataclasses.replace(member, weight=weight)
            for member in kept
            if (weight := old.get(member.name, member.weight)) is not None
        ]
        addresses = {address for address, _ in new.values()}
        made = [member for member in made if member.address not in addresses]
        made += [
            Member(name=id, address=address, port=port, weight=weight, mark=self._mark(balancer))
            for id, (address, weight) in new.items()
        ]
        return tuple(sorted(made, key=lambda member: (member.address, member.port)))

    @staticmethod
    def _mark(balancer: Balancer) -> Mark:
        return balancer.mark

    def _drained(self, elapsed: float) -> Progress:
        longest = max((self._event.balancers[name].drain for name in self._own), default=0.0)
        state: Any = "done" if elapsed >= longest else "waiting"
        return Progress(state=state, wanted=1, detail=f"clients finish: {max(0.0, longest - elapsed):.0f} s left")

    def _serving(self, server: str) -> Progress:
        for name in self._taking:
            member = next((one for one in self._look(name).members if one.name == server), None)
            if member is None or member.operating not in HEALTHY:
                told = member.operating if member else "no member"
                return Progress(state="waiting", wanted=1, detail=f"behind {name}: {told}")
        return DONE

    def _adopt(self, memo: Memo) -> Progress:
        """One revision, where fewer servers are wanted in the new unit than there are.

        Nobody else revises the event meanwhile. Counted is what stands, so that it does not matter which of several
        moves has come before, or whether this very one was killed in between.
        """
        newest = self._journal.revision(self._event.event)
        event = from_dict(json.loads(newest.body)) if newest else self._event
        place = str(memo.get("on") or self._order.hypervisor)
        unit = self._order.mark.unit
        if place and not self._within:
            unit = f"{self._order.new_pool}@{place}" if self._order.hypervisor else unit
        if self._order.pool in event.pools and self._standing(unit) > spec.count_in(event, self._order.new_pool, unit):
            if self._within:
                wanted = spec.relocated(event, self._order.pool, self._unit, place)
            else:
                way = dataclasses.replace(self._way, hypervisors=(place,) if self._order.hypervisor else ())
                wanted = spec.adopted(event, way, self._unit)
            self._journal.revise(wanted.event, digest(wanted), json.dumps(dump(wanted), sort_keys=True))
        return DONE

    @property
    def _within(self) -> bool:
        return self._order.source == self._order.target

    def _standing(self, unit: str) -> int:
        """Servers of the unit at the target that are there to stay."""
        place = ("pool", self._order.target, self._order.driver)
        view: PoolView = self._loader.at(place).observe(PoolScope(event=self._event.event))
        hidden = self._hidden()
        mine = [one for one in view.servers if one.mark.unit == unit and one.alive]
        return sum(one.id not in hidden for one in mine)


def _plain(members: tuple[Member, ...]) -> set[tuple[str, int, int, str]]:
    return {(one.address, one.port, one.weight, one.name) for one in members if one.mark is not None}
