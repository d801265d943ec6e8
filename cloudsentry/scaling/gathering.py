"""What a policy is given: from the event, the journal and the signals. Decides nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloudsentry import loading
from cloudsentry.drivers.policy.templates import belongs
from cloudsentry.drivers.policy.timetable import peak, servers_for
from cloudsentry.drivers.signal.base import SignalOptions
from cloudsentry.errors import UserError
from cloudsentry.journal.boots import Boots
from cloudsentry.journal.courses import Courses
from cloudsentry.journal.decisions import Decisions
from cloudsentry.records.scaling import Ask, Boot, Count, Demand, Inputs, Missing, Reading, Sample
from cloudsentry.records.views import Balancer
from cloudsentry.scaling.leads import lead
from cloudsentry.spec.event import Event, Pin
from cloudsentry.spec.scaling import SignalSpec, capacities, count_of

if TYPE_CHECKING:
    from cloudsentry.clouds.session import Cloud

RECENT = 900.0
"""Seconds that readings are kept for the next decisions: as long as a policy looks back."""
BETWEEN = 60.0
"""Seconds from one decision to the next, at the most: cron and timers tick every minute."""
HOOK = "hook:"
"""How the source of a decision begins that a hook's worker carries out."""


class Gatherer:
    """Inputs of the events of one journal. Thread-safe."""

    def __init__(
        self,
        decisions: Decisions,
        *,
        signals: Callable[[SignalSpec], Reading | Missing] | None = None,
        boots: Callable[[str], tuple[Boot, ...]] | None = None,
        connect: Callable[[str], Cloud] | None = None,
        look: Callable[[Event, str], Balancer | None] | None = None,
    ) -> None:
        """``connect`` opens a cloud and ``look`` a balancer, for the signals that read those.

        ``signals`` reads the load, ``boots`` tells how long an event's servers took; both for a rehearsal only.
        """
        self._connect, self._look = connect, look
        self._decisions = decisions
        self._courses = Courses(decisions.url)
        self._journal_boots = Boots(decisions.url)
        self._boots = boots or self._journal_boots.of
        self._signals = signals

    def close(self) -> None:
        """Let go of the journal."""
        self._courses.close()
        self._journal_boots.close()

    def inputs(self, event: Event, pool: str, now: dt.datetime, ask: Ask | None = None) -> Inputs:
        """All that a policy may look at. Raises `UserError` for a pool that is not scaled."""
        scaling = event.scaling.get(pool)
        if scaling is None:
            known = ", ".join(sorted(event.scaling)) or "none"
            raise UserError(f"event {event.event} does not scale a pool {pool!r} (it scales: {known})")
        pins = event.pools[pool].pins
        demands = event.calendar.demands() if event.calendar else ()
        found = Inputs(
            event=event.event,
            pool=pool,
            now=now,
            current=count_of(pins),
            least=scaling.least,
            most=scaling.most,
            capacities=capacities(pins, scaling),
            step=scaling.step,
            cooldown=scaling.cooldown,
            ahead=scaling.lead,
            boot=0.0,
            utilisation=scaling.utilisation,
            demands=demands,
            signal=self._read(event, pool, scaling.signal, "signal") if scaling.signal else None,
            witness=self._read(event, pool, scaling.witness, "witness") if scaling.witness else None,
            recent=self._recent(event.event, pool, now),
            courses=self._courses.past(event.event, pool, now) if scaling.policy == "forecast" else (),
            ask=ask,
            changed=self._decisions.changed(event.event, pool),
            called=self._decisions.changed(event.event, pool, grown_by=HOOK),
            hold=scaling.hold,
        )
        return dataclasses.replace(found, boot=boot_of(found, self._boots(event.event), pins))

    def _read(self, event: Event, pool: str, spec: SignalSpec, part: str) -> Reading | Missing:
        if self._signals is not None:
            return self._signals(spec)
        look = self._look
        options = SignalOptions(
            url=spec.url or "",
            query=spec.query or "",
            unit=spec.unit,
            timeout=spec.timeout,
            event=event.event,
            pool=pool,
            cloud=spec.cloud or (event.cloud_of(event.pools[pool].site) if spec.driver == "nova" else ""),
            balancer=spec.balancer or "",
            community=os.environ.get("CLOUDSENTRY_SNMP_COMMUNITY", "public"),
            before=self._before(event.event, pool, part),
            connect=self._connect,
            look=(lambda name: look(event, name)) if look else None,
        )
        found: Reading | Missing = loading.load("cloudsentry.signal", spec.driver)(options).read()
        return found

    def _before(self, event: str, pool: str, part: str) -> tuple[Count, ...]:
        """The counters that the newest decision saw: a rate needs two looks, and a one-shot tick has only its own."""
        row = self._decisions.newest(event, pool)
        told = (row.inputs.get(part) or {}) if row else {}
        return tuple(
            Count(name=one["name"], value=one["value"], at=dt.datetime.fromisoformat(one["at"]))
            for one in told.get("counts", ())
        )

    def remember(self, inputs: Inputs) -> None:
        """Keep what was read of matches that are on, for the forecasts of later ones."""
        if not isinstance(inputs.signal, Reading):
            return
        sample = Sample(at=inputs.now, value=inputs.signal.value)
        on = [demand for demand in inputs.demands if demand.begins <= inputs.now <= demand.ends]
        shares = ((demand, belongs(sample, demand, on)) for demand in on)
        known: list[tuple[Demand, float]] = [(demand, share) for demand, share in shares if share is not None]
        self._courses.note(inputs.event, inputs.pool, inputs.now, known)

    def _recent(self, event: str, pool: str, now: dt.datetime) -> tuple[Sample, ...]:
        """What the signal read lately: each decision hands on what it saw, so that a one-shot tick knows it too."""
        row = self._decisions.newest(event, pool)
        if row is None:
            return ()
        known = [(dt.datetime.fromisoformat(old["at"]), old["value"]) for old in row.inputs.get("recent", ())]
        if "value" in (row.inputs.get("signal") or {}):
            known.append((row.until, row.inputs["signal"]["value"]))
        return tuple(Sample(at=at, value=value) for at, value in known if 0 < (now - at).total_seconds() < RECENT)


def boot_of(inputs: Inputs, boots: tuple[Boot, ...], pins: list[Pin]) -> float:
    """Seconds until servers serve that the next decision orders, for as many as the timetable wants at most by then."""
    places = {f"{inputs.pool}@{pin.hypervisor}" for pin in pins if pin.hypervisor}
    units = places or {boot.unit for boot in boots if boot.unit.split("@")[0] == inputs.pool}
    longest = BETWEEN + lead(boots, units, max(1, inputs.most - inputs.current))
    last = inputs.now + dt.timedelta(seconds=inputs.ahead + longest)
    batch = servers_for(inputs.capacities, peak(inputs.demands, inputs.now, last)) - inputs.current
    return BETWEEN + lead(boots, units, max(1, batch))
