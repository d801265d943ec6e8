"""The tournament's fifteen days, rehearsed at full speed: how long it takes, and what it says. JSON.

    python -m benchmarks.rehearsal.run --json docs/rehearsal.json

The event is the example of the repository with a timetable as the source's: up to four matches a day from 7 August on,
48 in all. Both pools scale by the load. It is played twice, plainly and with every fault of ``--chaos all``; with
``--days`` only the first days, with ``--profile`` under cProfile, whose findings are written.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloudsentry import conf
from cloudsentry.rehearse import Rehearsal, parsed
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import dump, from_dict, load

EXAMPLE = Path(__file__).parents[2] / "etc/cloudsentry/events/koshien-2010.yaml"
FIRST = dt.date(2010, 8, 7)
MATCHES = (3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2, 2, 1, 1)
"""Matches by day: 48 in all."""
STARTS = {4: ("08:30", "11:00", "13:30", "16:00"), 3: ("09:30", "12:00", "14:30"), 2: ("11:00", "13:30"), 1: ("13:00",)}
BEGIN, END = ".. rehearsal: begin, written by benchmarks/rehearsal", ".. rehearsal: end"
CROWD = 900
"""Requests per second of a match on the first day, at one site; they grow with the rounds."""
PER_SERVER = 250


def matches(days: int) -> Iterator[dict[str, Any]]:
    """The timetable of the first ``days`` days."""
    for day, count in enumerate(MATCHES[:days]):
        for number, start in enumerate(STARTS[count], 1):
            yield {
                "match": f"day{day + 1}-match{number}",
                "start": f"{FIRST + dt.timedelta(days=day)} {start}",
                "crowd": CROWD + 60 * day,
                "uncertainty": 0.2,
                "length": "2h",
                "ramp": "30m",
                "finale": "20m",
            }


def tournament(days: int = len(MATCHES)) -> Event:
    """The example with its matches, both of its pools scaled by the load."""
    plain = dump(load(EXAMPLE))
    last = FIRST + dt.timedelta(days=days - 1)
    plain["calendar"] |= {"until": str(last), "matches": list(matches(days))}
    signal = {"driver": "fake", "query": "1"}
    bounds = {"policy": "target", "least": 2, "most": 12, "per_server": PER_SERVER, "signal": signal}
    for name, pool in plain["pools"].items():
        plain.setdefault("scaling", {})[name] = dict(bounds)
        for pin in pool["pins"]:
            pin["weight"] = 10
    return from_dict(plain)


def played(event: Event, kinds: Sequence[str], profile: str | None) -> dict[str, Any]:
    """One rehearsal: seconds of the wall and of the processor, and the verdict."""
    rehearsal = Rehearsal(event, conf.settings(), kinds=kinds, tell=lambda line: print(line, file=sys.stderr))
    profiler = cProfile.Profile() if profile else None
    wall, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    verdict = profiler.runcall(rehearsal.play) if profiler else rehearsal.play()
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - wall
    if profiler and profile:
        profiler.dump_stats(profile)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = {key: value for key, value in asdict(verdict).items() if key != "matches"}
    ready = sum(line.ready for line in verdict.matches)
    return {
        "wall_s": round(took, 1),
        "cpu_s": round(cpu, 1),
        "chaos": list(kinds),
        "matches": len({line.match for line in verdict.matches}),
        "pools": len(event.scaling),
        "lines_ready": f"{ready} of {len(verdict.matches)}",
        "times_real": round(verdict.days * 86400 / took),
        **told,
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as a table of the page."""
    rows = [("played", "verdict", "wall", "CPU", "days", "ticks", "runs", "ready in time", "servers missing")]
    for name, one in (("plainly", figures["plain"]), ("with every fault", figures["chaos"])):
        rows.append(
            (
                name,
                "GO" if one["go"] else "NO-GO",
                f"{one['wall_s']:.0f} s",
                f"{one['cpu_s']:.0f} s",
                f"{one['days']:.1f}",
                str(one["ticks"]),
                str(one["runs"]),
                one["lines_ready"],
                f"{one['short']:.2%}",
            )
        )
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "  ".join("=" * width for width in wide)
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, wide, strict=True)).rstrip() for row in rows]
    told = "\n".join(f"- {reason}" for reason in figures["chaos"]["reasons"])
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, "", "With every fault it said:", "", told])


def written(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Play it plainly, then with faults, unless it is to be profiled."""
    event = tournament(asked.days)
    figures: dict[str, Any] = {"command": "python -m benchmarks.rehearsal.run", "days": asked.days}
    figures["cpus"] = os.cpu_count()
    figures["load_before"] = round(os.getloadavg()[0], 1)
    figures["plain"] = played(event, (), asked.profile)
    if not asked.profile:
        figures["chaos"] = played(event, parsed(asked.chaos), None)
    return figures


def main() -> None:
    """Play it plainly and with faults, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there; printed where absent")
    parser.add_argument("--page", type=Path, help="write a table of both into this page, between its marks")
    parser.add_argument("--from", dest="earlier", type=Path, help="play nothing: take the figures of this JSON")
    parser.add_argument("--days", type=int, default=len(MATCHES), help="play only so many days")
    parser.add_argument("--chaos", default="all", help="faults of the second time, as of `cloudsentry rehearse`")
    parser.add_argument("--profile", help="write what cProfile saw of the first time, and play no second one")
    asked = parser.parse_args()
    figures = json.loads(asked.earlier.read_text()) if asked.earlier else measured(asked)
    text = json.dumps(figures, indent=1) + "\n"
    if asked.json:
        asked.json.write_text(text)
    elif not asked.page:
        sys.stdout.write(text)
    if asked.page:
        written(asked.page, table(figures))


if __name__ == "__main__":
    main()
