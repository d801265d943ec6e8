"""Servers of their own for a calibration: an event beside the event, with the one pool and no balancer.

So a pool is measured before its event stands, and without touching those of an event that serves. What it makes bears
the mark of the event ``NAME-cal`` and is removed when the calibration ends, however it ends; after a kill
`event destroy NAME-cal` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudsentry.calibration.calibrate import Asked, Told, measure, silent, standing
from cloudsentry.errors import RunStopped, UserError
from cloudsentry.executor import Clock
from cloudsentry.loading import Loader
from cloudsentry.records.loading import Capacity, LoadOrder
from cloudsentry.records.marks import NAME_MAX
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

SUFFIX = "-cal"
PATIENCE = 120.0
"""Seconds that a server may take from ACTIVE to its first answer."""


def read(sentry: Sentry, name: str) -> Event:
    """The event of a file as it is written, or of that name in the journal."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return load(name)
    return sentry.event(name)[0]


def beside(event: Event, pool: str, each: int) -> Event:
    """An event with that pool alone, ``each`` servers at each of its pins. Raises `UserError`."""
    if pool not in event.pools:
        raise UserError(f"event {event.event} has no pool {pool!r}; it has {', '.join(event.pools)}")
    if each < 1:
        raise UserError(f"--boot takes a number of servers of at least 1, not {each}")
    spec = event.pools[pool]
    pins = [pin.model_copy(update={"count": each, "most": None}) for pin in spec.pins]
    alone = spec.model_copy(update={"pins": pins, "spill": [], "spares": None})
    name = event.event[: NAME_MAX - len(SUFFIX)].rstrip("-") + SUFFIX
    parts = ("balancers", "stretches", "scaling", "steering", "moves")
    empty: dict[str, object] = {key: {} for key in parts if hasattr(event, key)}
    only = {"event": name, "sites": {spec.site: event.sites[spec.site]}, "pools": {pool: alone}}
    return event.model_copy(update={**empty, **only, "calendar": None, "calibration": None})


def calibrate_booted(
    sentry: Sentry,
    asked: Asked,
    each: int,
    *,
    clock: Clock | None = None,
    loader: Loader | None = None,
    listen: Told = silent,
) -> tuple[Capacity, ...]:
    """As `cloudsentry.calibration.calibrate.calibrate`, on servers that are made for it and removed after it.

    Raises also `RunStopped` where they do not come up or cannot be removed.
    """
    event = read(sentry, asked.event)
    port = asked.port or next(
        (part.port for spec in event.balancers.values() for part in spec.members if part.pool == asked.pool), 80
    )
    ready = replace(asked, port=port)
    with _standing(sentry, beside(event, asked.pool, each), listen) as made:
        _until_served(sentry, made, ready, clock or Clock(), loader or Loader())
        return measure(sentry, made, event.event, ready, loader=loader, listen=listen)


@contextmanager
def _standing(sentry: Sentry, event: Event, listen: Told) -> Iterator[Event]:
    try:
        listen(f"{event.event}: making {sum(pin.count for pool in event.pools.values() for pin in pool.pins)} servers")
        report = sentry.apply(event)
        if report.outcome != "done":
            raise RunStopped(f"{event.event}: {'; '.join(report.left) or report.outcome}", run=report.run)
        yield event
    finally:
        gone = sentry.destroy(event)
        listen(f"{event.event}: removed" if gone.outcome == "done" else f"{event.event}: left: {', '.join(gone.left)}")


def _until_served(sentry: Sentry, event: Event, asked: Asked, clock: Clock, loader: Loader) -> None:
    """ACTIVE does not mean that anything listens: asked until every server has answered, or patience ends."""
    driver, until = loader.at(("load", asked.place, asked.driver)), clock.now() + PATIENCE
    for group in standing(sentry, event, asked):
        for target in group.targets:
            order = LoadOrder(targets=(target,), path=asked.path, connections=1, seconds=1.0)
            while not _answers(driver, order) and clock.now() < until:
                clock.sleep(1.0)


def _answers(driver: object, order: LoadOrder) -> bool:
    from cloudsentry.errors import DriverError, NotSupported

    try:
        return bool(driver.drive(order).responses)  # type: ignore[attr-defined]
    except NotSupported:
        raise
    except DriverError:
        return False
