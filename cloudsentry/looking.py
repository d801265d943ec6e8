"""How the house looks: every place of an event, side by side, and again where nobody answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cloudsentry.clouds.guard import Holder, guarded
from cloudsentry.drivers.balancer.base import BalancerScope
from cloudsentry.drivers.pool.base import PoolScope
from cloudsentry.errors import SentryError
from cloudsentry.executor import Breaker, Circuits, Clock, Pace, Place, reading
from cloudsentry.executor.tries import RETRIED
from cloudsentry.loading import Loader
from cloudsentry.observe import scope_of
from cloudsentry.records.orders import Order
from cloudsentry.records.views import Dark, Snapshot, View
from cloudsentry.spec.event import Event

T = TypeVar("T")


class Looker:
    """Looks at places and acts at one; reads only, `act` aside. Thread-safe."""

    def __init__(self, loader: Loader, pace: Pace, clock: Clock, circuits: Circuits | None = None) -> None:
        self._loader, self._pace, self._clock = loader, pace, clock
        self.breaker = Breaker(clock.now, circuits)

    def snapshot(self, event: Event, places: Iterable[Place], *, full: bool, limits: bool = False) -> Snapshot:
        """One look at every place; raises the first place's `DriverError` that stays."""
        listed = tuple(places)
        with ThreadPoolExecutor(max(1, len(listed))) as pool:
            views = tuple(pool.map(lambda place: self._patient(place, event, full, limits), listed))
        return Snapshot.of(event.event, views)

    def lit(
        self,
        event: Event,
        places: Iterable[Place],
        *,
        full: bool,
        limits: bool = False,
        forsaken: tuple[str, ...] = (),
    ) -> Snapshot:
        """One look at every place; those where nobody answers are the snapshot's ``dark`` ones.

        Raises the first place's `DriverError` where no place answers, and every error that is an answer; a place of
        ``forsaken`` that answers by an error is dark as well.
        """
        views, failed = self._sides(event, places, full, limits)
        others = [(at, error) for at, error in failed if at[1] not in forsaken]
        hard = [error for _, error in others if not isinstance(error, RETRIED)]
        if others and (hard or not views):
            raise hard[0] if hard else others[0][1]
        dark = [Dark(family=at[0], cloud=at[1], driver=at[2], why=str(error)) for at, error in failed]
        return Snapshot.of(event.event, views, dark)

    def each(
        self, event: Event, places: Iterable[Place], *, limits: bool = False
    ) -> tuple[Snapshot, tuple[tuple[Place, SentryError], ...]]:
        """A full look at every place that answers, and why the others do not."""
        views, failed = self._sides(event, places, True, limits)
        return Snapshot.of(event.event, views), failed

    def _sides(
        self, event: Event, places: Iterable[Place], full: bool, limits: bool
    ) -> tuple[list[View], tuple[tuple[Place, SentryError], ...]]:
        listed = tuple(places)

        def look(place: Place) -> View | SentryError:
            try:
                return self._patient(place, event, full, limits)
            except SentryError as error:
                return error

        with ThreadPoolExecutor(max(1, len(listed))) as pool:
            found = tuple(pool.map(look, listed))
        failed = [(place, one) for place, one in zip(listed, found, strict=True) if isinstance(one, SentryError)]
        return [one for one in found if not isinstance(one, SentryError)], tuple(failed)

    def place(self, place: Place, event: Event) -> View:
        """One quick look at one place, for whoever waits there."""
        return self._look(place, event, full=False)

    def everything(self, place: Place) -> View:
        """What bears any event's mark at one place, asked again where nobody answers."""
        scope: PoolScope | BalancerScope = (
            BalancerScope(event="") if place[0] == "balancer" else PoolScope(event="", groups=True)
        )

        def look() -> View:
            view: View = self._loader.at(place).observe(scope)
            return view

        return reading(look, self._pace, self._clock)

    def read(self, look: Callable[[], T]) -> T:
        """What a look gives, asked again where nobody answers."""
        return reading(look, self._pace, self._clock)

    def act(self, place: Place, order: Order, holder: Holder | None = None) -> None:
        """Hand an order to the driver of a place; ``holder`` is asked before every call that changes something."""
        driver = self._loader.at(place)
        with guarded(holder):
            self.breaker.call((place[1], place[0]), lambda: driver.act(order))

    def _patient(self, place: Place, event: Event, full: bool, limits: bool) -> View:
        return reading(lambda: self._look(place, event, full=full, groups=True, limits=limits), self._pace, self._clock)

    def _look(self, place: Place, event: Event, *, full: bool, groups: bool = False, limits: bool = False) -> View:
        driver, scope = self._loader.at(place), scope_of(place, event, full=full, groups=groups, limits=limits)
        view: View = self.breaker.call((place[1], place[0]), lambda: driver.observe(scope))
        return view
