"""The source's experiment on live migration: `python -m benchmarks.migration.run`.

Guests of several sizes and loads move between two sites over a path of little and of much delay, each once as the
hypervisor does it by default and once with what cloudsentry chooses. Needs root, and once `cloudsentry lab install
migration`. Writes docs/migration/live.json after each case; `--continue` goes on where a run was ended. The table and
the plots are made from it by `python -m benchmarks.migration.table`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.migration.measure import LOADS, Case, Result, measure
from benchmarks.migration.sites import Link, sites
from cloudsentry.errors import SentryError

OUT = Path(__file__).resolve().parents[2] / "docs" / "migration" / "live.json"
MEMORIES = (256, 128, 512)
DELAYS = (0.4, 40.0)
WAYS = ("defaults", "chosen")


def cases(memories: tuple[int, ...], delays: tuple[float, ...], loads: tuple[str, ...], rate: float) -> Iterator[Case]:
    """The matrix; the two ways of a cell come one after the other, so that the machine is the same for both."""
    for memory in memories:
        for delay in delays:
            for load in loads:
                for way in WAYS:
                    link = Link(rtt_ms=delay, rate_mbit=rate)
                    yield Case(memory=memory, link=link, load=LOADS[load], way=way)


def key(case: Case | dict[str, Any]) -> tuple[Any, ...]:
    """What tells one case from another."""
    if isinstance(case, Case):
        return (case.memory, case.link.rtt_ms, case.link.rate_mbit, case.load.name, case.way)
    return (case["memory"], case["rtt_ms"], case["rate_mbit"], case["load"], case["way"])


def kept(path: Path) -> list[dict[str, Any]]:
    """The results of a file that say all that today's say."""
    fields = {field.name for field in dataclasses.fields(Result)}
    return [one for one in json.loads(path.read_text(encoding="utf-8"))["results"] if fields == set(one)]


def told(result: Result) -> str:
    """One line for whoever watches."""
    name = f"{result.memory} MB, {result.rtt_ms:g} ms, {result.load}, {result.way}"
    if result.total is None:
        return f"{name}: never"
    sound = "" if result.intact and result.session else " MEMORY OR SESSION LOST"
    return (
        f"{name}: {result.total:.1f} s, gap {1000 * (result.gap or 0):.0f} ms, {result.rounds} rounds, "
        f"{result.sent:.0f} MiB{sound}"
    )


def main() -> int:
    """Every case that is asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", type=int, nargs="+", default=MEMORIES, help="MiB of the guests")
    parser.add_argument("--rtt", type=float, nargs="+", default=DELAYS, help="ms of the path's round trip")
    parser.add_argument("--load", nargs="+", choices=sorted(LOADS), default=tuple(LOADS))
    parser.add_argument("--rate", type=float, default=1000.0, help="Mbit/s of the path")
    parser.add_argument(
        "--never", type=float, default=60.0, help="seconds after which a migration counts as never ending"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="no case begins later than that; see --continue")
    parser.add_argument("--continue", dest="further", action="store_true", help="keep what is in the file already")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    known = kept(asked.out) if asked.further and asked.out.exists() else []
    done = {key(one) for one in known}
    began, failed, left = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory(prefix="cloudsentry-sites-") as root, sites(Path(root)) as two:
        for case in cases(tuple(asked.memory), tuple(asked.rtt), tuple(asked.load), asked.rate):
            if key(case) in done:
                continue
            if time.monotonic() > began + 60 * asked.minutes:
                left += 1
                continue
            two.between(case.link)
            try:
                result = measure(two, case, seconds=asked.never)
            except (SentryError, SystemExit) as error:
                failed += 1
                print(f"{key(case)}: {error}", file=sys.stderr, flush=True)
                continue
            known.append(dataclasses.asdict(result))
            command = " ".join(["python", "-m", "benchmarks.migration.run", *sys.argv[1:]])
            text = json.dumps({"command": command, "results": known}, indent=1)
            asked.out.write_text(text + "\n", encoding="utf-8")
            print(told(result), flush=True)
    print(f"{len(known)} cases, {failed} failed, {left} left for --continue, {time.monotonic() - began:.0f} s")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
