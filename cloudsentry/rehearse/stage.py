"""Where a rehearsal plays: the event on fake clouds, with a journal of its own, behind a clock that jumps."""

from __future__ import annotations

import dataclasses
import itertools
import os
import re
from pathlib import Path

from cloudsentry.conf import Settings
from cloudsentry.drivers.pool.fake import FakeCloud, FakeHypervisor
from cloudsentry.spec.event import Event, Pin

POLL = 10.0
"""Seconds between looks while servers boot: a rehearsal has many boots."""
PREFIX = "rehearsal-"
_NUMBERS = itertools.count(1)


def real(text: str) -> str:
    """A text about a rehearsal with the names of the event's own clouds."""
    return re.sub(rf"\b{PREFIX}\d+-\d+-", "", text)


def staged(event: Event) -> tuple[Event, tuple[FakeCloud, ...]]:
    """The event with every driver a fake one, and its clouds, which have the hypervisors that its pins name.

    What is outside of it has another name than the real one, so that nothing can be mixed up; `real` gives it back.
    """
    prefix = f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}"
    sites = {
        name: site.model_copy(update={"cloud": f"{prefix}-{site.cloud}"}) for name, site in sorted(event.sites.items())
    }
    played = event.model_copy(
        update={
            "sites": sites,
            "pools": {name: pool.model_copy(update={"driver": "fake"}) for name, pool in event.pools.items()},
            "balancers": {name: one.model_copy(update={"driver": "fake"}) for name, one in event.balancers.items()},
            "stretches": {name: one.model_copy(update={"driver": "fake"}) for name, one in event.stretches.items()},
            # Where it steers is a name here; the real hosts hear nothing of a rehearsal.
            "steering": {
                name: one.model_copy(update={"driver": "fake", "at": f"{prefix}-{one.at}"})
                for name, one in event.steering.items()
            },
        }
    )
    clouds = {site.cloud: FakeCloud.named(site.cloud) for site in sites.values()}
    for name, cloud in clouds.items():
        pins = [pin for pool in event.pools.values() if sites[pool.site].cloud == name for pin in pool.pins]
        with cloud.work() as state:
            state.hypervisors = _hypervisors(pins)
    return played, tuple(clouds.values())


def _hypervisors(pins: list[Pin]) -> dict[str, FakeHypervisor]:
    found: dict[str, FakeHypervisor] = {}
    for pin in pins:
        kind, value = pin.place
        if kind == "hypervisor":
            found.setdefault(value, FakeHypervisor())
        elif kind == "zone":
            found.setdefault(f"in-{value}", FakeHypervisor(zone=value))
        elif kind == "aggregate":
            found.setdefault(f"in-{value}", FakeHypervisor(aggregates=(value,)))
        elif kind == "trait":
            found.setdefault(f"with-{value}", FakeHypervisor(traits=(value,)))
        else:
            found |= {
                f"any{number}": found.get(f"any{number}", FakeHypervisor()) for number in range(max(1, pin.count))
            }
    return found


def settings_in(folder: Path, settings: Settings) -> Settings:
    """The house's settings with a journal and locks in a folder, and looks as rare as a rehearsal can bear."""
    return dataclasses.replace(
        settings,
        state=folder,
        journal=dataclasses.replace(
            settings.journal, connection=f"sqlite:///{folder / 'journal.sqlite'}?synchronous=off"
        ),
        ownership=dataclasses.replace(settings.ownership, backend_url=f"file://{folder / 'locks'}"),
        executor=dataclasses.replace(settings.executor, poll_least=POLL),
    )


def serving(event: Event, pool: str, clouds: tuple[FakeCloud, ...]) -> dict[str, float]:
    """Requests per second that a pool's active servers answer, as its scaling has them, by hypervisor."""
    scaling, pins = event.scaling[pool], event.pools[pool].pins
    top = max((pin.weight for pin in pins), default=0)
    here = event.sites[event.pools[pool].site].cloud
    found: dict[str, float] = {}
    servers = [
        one.server
        for cloud in clouds
        if cloud.name == here
        for one in cloud.state.servers.get(event.event, {}).values()
        if one.server.status == "ACTIVE" and not one.server.task
    ]
    for server in servers:
        weight = _weight(server.mark.unit, pool, pins)
        if weight is not None:
            answers = scaling.per_server * (weight / top if top else 1.0)
            found[server.hypervisor] = found.get(server.hypervisor, 0.0) + answers
    return found


def _weight(unit: str, pool: str, pins: list[Pin]) -> int | None:
    """The weight of the pin that a unit belongs to; None where it is another pool's."""
    owner, _, place = unit.partition("@")
    for pin in pins if owner == pool else ():
        kind, value = pin.place
        name = value if kind == "hypervisor" else kind if kind == "any" else f"{kind}:{value}"
        if place == name or place.startswith(f"{name}:"):
            return pin.weight
    return None
