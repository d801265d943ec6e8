"""The tournament's fifteen days, rehearsed at full speed: how long it takes, and what it says. JSON.

    python -m benchmarks.rehearsal.run --json docs/scaling/rehearsal.json

The event is the example of the repository with the timetable: up to four matches a day from 7 August on,
48 in all; both pools scale by the load. It is played twice, plainly and with every fault of ``--chaos all``; with
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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cloudsentry import conf
from cloudsentry.rehearse import Rehearsal, parsed
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import load

EVENT = Path(__file__).parents[2] / "etc/cloudsentry/events/koshien-2010-scaled.yaml"
DAYS = 15
BEGIN, END = ".. rehearsal: begin, written by benchmarks/rehearsal", ".. rehearsal: end"


def tournament(days: int = DAYS) -> Event:
    """The event with its first ``days`` days."""
    event = load(EVENT)
    assert event.calendar is not None
    last = event.calendar.first + dt.timedelta(days=days - 1)
    matches = [match for match in event.calendar.matches if match.start.date() <= last]
    return event.model_copy(update={"calendar": event.calendar.model_copy(update={"last": last, "matches": matches})})


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
    parser.add_argument("--days", type=int, default=DAYS, help="play only so many days")
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
