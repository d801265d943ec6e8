"""Are all servers ready T−15 min? Simulated events with boot times that were measured on a cloud. JSON.

    python -m benchmarks.elasticity.ready --boots docs/scaling/boots.json \\
        --json docs/scaling/ready.json --page docs/scaling.rst

Every event has a history of its own: runs before it, drawn from the measured boots. Its lead is computed from those
(`cloudsentry.scaling.leads`), the policy `calendar` orders by it, and the boots that then really happen are drawn anew.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cloudsentry.drivers.policy.calendar import CalendarPolicy
from cloudsentry.drivers.policy.timetable import alarms
from cloudsentry.records.scaling import Boot, Demand, Inputs
from cloudsentry.scaling.gathering import boot_of
from cloudsentry.spec.event import Pin

EVENTS, TICK, LEAD = 200, 30.0, 900.0
PER_SERVER = 500.0
BEGIN, END = ".. ready: begin, written by benchmarks/elasticity/ready", ".. ready: end"


def drawn(boots: Sequence[Boot], batch: int, rng: random.Random) -> list[Boot]:
    """What the units of one measured run took, of the run whose batch is nearest; longer by what servers add."""
    sizes = sorted({boot.batch for boot in boots}, key=lambda size: abs(size - batch))
    base = [boot for boot in boots if boot.batch == sizes[0]]
    each = max(0.0, _each(boots)) * max(0, batch - sizes[0])
    units = sorted({boot.unit for boot in boots})
    pick = {unit: [boot for boot in base if boot.unit == unit] or base for unit in units}
    return [Boot(unit=unit, batch=batch, seconds=rng.choice(pick[unit]).seconds + each) for unit in units]


def _each(boots: Sequence[Boot]) -> float:
    small, large = min(boot.batch for boot in boots), max(boot.batch for boot in boots)
    if small == large:
        return 0.0

    def mean(size: int) -> float:
        took = [boot.seconds for boot in boots if boot.batch == size]
        return sum(took) / len(took)

    return (mean(large) - mean(small)) / (large - small)


def played(boots: Sequence[Boot], seed: int, runs: int) -> dict[str, Any]:
    """One event: when it was ordered, when all served, and whether that was in time or told of early enough."""
    rng = random.Random(seed)
    history: list[Boot] = []
    for _ in range(runs):
        history += drawn(boots, rng.randint(1, 8), rng)
    start = dt.datetime(2026, 8, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=rng.uniform(0, 86400))
    servers = rng.randint(3, 30)
    demand = Demand(name="m", start=start, length=7200, ramp=rng.choice((0, 300, 900)), peak=servers * PER_SERVER)
    pins = [Pin(hypervisor=unit.split("@")[1], count=1) for unit in sorted({boot.unit for boot in boots})]
    inputs = Inputs(
        event="e",
        pool=boots[0].unit.split("@")[0],
        now=start,
        current=2,
        least=2,
        most=40,
        capacities=tuple(PER_SERVER * count for count in range(41)),
        step=4,
        cooldown=300,
        ahead=LEAD,
        boot=0,
        demands=(demand,),
    )
    now = start - dt.timedelta(hours=2, seconds=rng.uniform(0, TICK))
    current, ready, alarmed, last = 2, now, False, now
    while now < start:
        seen = dataclasses.replace(inputs, now=now, current=current)
        seen = dataclasses.replace(seen, boot=boot_of(seen, tuple(history), pins))
        alarmed = alarmed or bool(alarms(seen))
        wanted = CalendarPolicy().decide(seen).wanted
        if wanted > current:
            took = max(boot.seconds for boot in drawn(boots, wanted - current, rng))
            ready, current, last = max(ready, now + dt.timedelta(seconds=took)), wanted, now
        now += dt.timedelta(seconds=TICK)
    due = start - dt.timedelta(seconds=LEAD)
    enough = current >= servers
    return {
        "ready": enough and ready <= due,
        "alarm": alarmed,
        "margin": round((due - ready).total_seconds(), 1),
        "ordered_before": round((start - last).total_seconds(), 1),
        "servers": servers,
    }


def told(figures: dict[str, Any]) -> str:
    """The figures as a list."""
    boots, margin = figures["measured_boots"], figures["margin_seconds"]
    took = f"{boots['least']:.0f} to {boots['most']:.0f} s, half of them within {boots['median']:.0f} s"
    sizes = f"{min(boots['batches'])} to {max(boots['batches'])} servers"
    ready, either = figures["ready_by_t_minus_15"], figures["ready_or_alarmed"]
    lines = (
        f"{boots['number']} boots were measured: {took}, in batches of {sizes}.",
        f"In {ready:.1%} of {figures['events']} events all servers were ready 15 minutes before the match;",
        f"in {either:.1%} they were, or an alarm had told that they would not be.",
        f"They were ready {margin['median']:.0f} s before that in the middle, {margin['least']:.0f} s at the least.",
    )
    return "\n".join((f"- {lines[0]}", f"- {lines[1]}", f"  {lines[2]}", f"- {lines[3]}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Play, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boots", type=Path, required=True, help="what benchmarks.elasticity.boots wrote")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--runs", type=int, default=10, help="runs that an event has behind it (default: 10)")
    parser.add_argument("--first", type=int, default=1000, help="first seed; the rule was made on those below 200")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="a page that has the marks for what is told")
    given = parser.parse_args(argv)
    boots = [Boot(**one) for one in json.loads(given.boots.read_text())["boots"]]
    found = [played(boots, seed, given.runs) for seed in range(given.first, given.first + given.events)]
    took = sorted(boot.seconds for boot in boots)
    margins = sorted(one["margin"] for one in found)
    figures = {
        "events": given.events,
        "first_seed": given.first,
        "ready_by_t_minus_15": sum(one["ready"] for one in found) / given.events,
        "ready_or_alarmed": sum(one["ready"] or one["alarm"] for one in found) / given.events,
        "margin_seconds": {"least": margins[0], "median": margins[len(margins) // 2], "most": margins[-1]},
        "measured_boots": {"number": len(took), "least": took[0], "median": took[len(took) // 2], "most": took[-1]}
        | {"batches": sorted({boot.batch for boot in boots})},
        "each": found,
    }
    given.json.write_text(json.dumps(figures, indent=1) + "\n")
    if given.page:
        before, _, rest = given.page.read_text().partition(BEGIN)
        given.page.write_text(f"{before}{BEGIN}\n\n{told(figures)}\n\n{END}{rest.partition(END)[2]}")
    print(json.dumps({key: value for key, value in figures.items() if key != "each"}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
