"""Elasticity: the product's policies against reactive scaling, on seeded crowds. JSON, a table and plots.

    python -m benchmarks.elasticity.run [--seeds 1 2] [--only t1 t3] [--json FILE] [--page FILE] [--plots DIR]

Walk-forward: who decides sees the load of the past and the announcements, nothing else. The constants of the policies
were chosen on other seeds (101 and up) than those that are reported.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.elasticity import traces
from benchmarks.elasticity.baselines import baselines
from benchmarks.elasticity.measures import measured, settled_after
from benchmarks.elasticity.traces import Trace
from benchmarks.elasticity.world import Production, Scaler, play

SEEDS = (1, 2)
OURS = ("calendar", "target", "forecast", "forecast + witness")
BEGIN, END = ".. elasticity: begin, written by benchmarks/elasticity", ".. elasticity: end"


def scalers(trace: Trace) -> list[Scaler]:
    """Those of the product, then the others; fresh ones for every run."""
    ours: list[Scaler] = [Production("target", trace)]
    if trace.demands:
        ours = [Production("calendar", trace), *ours, Production("forecast", trace)]
    if trace.flood is not None:
        ours.append(Production("forecast", trace, witness=True, name="forecast + witness"))
    return [*ours, *baselines()]


def once(name: str, seed: int) -> tuple[str, list[dict[str, Any]], dict[str, Any], float]:
    """One trace of one seed: its title, a row and the course per scaler, CPU seconds."""
    began = time.process_time()
    trace = traces.ALL[name](np.random.default_rng([seed, list(traces.ALL).index(name)]))
    rows, courses = [], {}
    for scaler in scalers(trace):
        demand, supply = play(trace, scaler, seed)
        row: dict[str, Any] = {"scaler": scaler.name, **asdict(measured(demand, supply))}
        if trace.events and trace.demands:
            row["settled_after"] = max(settled_after(demand, supply, start, 4 * 3600, 3) for start in trace.events)
        rows.append(row)
        courses[scaler.name] = (demand, supply)
    return trace.name, rows, courses, time.process_time() - began


def ran(names: Sequence[str], seeds: Sequence[int], jobs: int) -> tuple[list[dict[str, Any]], float]:
    """Means over the seeds, by trace and scaler, with the first seed's courses for the plot; and CPU seconds."""
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        played = list(pool.map(once, *zip(*((name, seed) for name in names for seed in seeds), strict=True)))
    results = []
    for start in range(0, len(played), len(seeds)):
        runs = played[start : start + len(seeds)]
        rows = [_mean([one[1][number] for one in runs]) for number in range(len(runs[0][1]))]
        results.append({"trace": runs[0][0], "rows": rows, "courses": runs[0][2]})
    return results, sum(one[3] for one in played)


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    keys = [key for key in rows[0] if key != "scaler"]
    return {"scaler": rows[0]["scaler"], **{key: float(np.mean([row[key] for row in rows])) for key in keys}}


COST = 0.25
"""Servers too many, as a share of those needed: what the aims allow."""


def equal(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The baseline that was short for the least time among those that cost no more than the aims allow, or we did."""
    ours = max((row["over_amount"] for row in rows if row["scaler"] == "forecast"), default=COST)
    found = [row for row in rows if row["scaler"] not in OURS and row["over_amount"] <= max(COST, ours)]
    return min(found, key=lambda row: row["under_time"], default=None)


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The baseline that was short for the least time, whatever that cost."""
    return min((row for row in rows if row["scaler"] not in OURS), key=lambda row: row["under_time"])


def table(results: Sequence[dict[str, Any]]) -> str:
    """An RST table, one line per trace and scaler."""
    head = ("trace", "who decides", "short, time", "longest", "missing", "too many", "too many, time", "jitter/h")
    lines = [tuple(head)]
    for result in results:
        for row in result["rows"]:
            lines.append(
                (
                    result["trace"],
                    row["scaler"],
                    f"{row['under_time']:.2%}",
                    f"{row['longest_short']:.0f} s",
                    f"{row['under_amount']:.2%}",
                    f"{row['over_amount']:.0%}",
                    f"{row['over_time']:.0%}",
                    f"{row['jitter']:+.2f}",
                )
            )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = "  ".join("=" * width for width in widths)
    body = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([rule, body[0], rule, *body[1:], rule])


def written(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    old = page.read_text()
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--only", nargs="+", choices=list(traces.ALL), default=list(traces.ALL))
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--json", type=Path, help="where the figures go; default: standard output")
    parser.add_argument("--page", type=Path, help="a page that has the marks for the table")
    parser.add_argument("--plots", type=Path, help="a folder for plots; needs matplotlib (extra [report])")
    given = parser.parse_args(argv)
    results, spent = ran(given.only, given.seeds, given.jobs)
    plain = [
        {
            "trace": one["trace"],
            "rows": one["rows"],
            "best": best(one["rows"])["scaler"],
            "best_at_equal_cost": (equal(one["rows"]) or {}).get("scaler"),
        }
        for one in results
    ]
    figures = json.dumps({"seeds": list(given.seeds), "cpu_seconds": round(spent, 1), "traces": plain}, indent=1)
    if given.json:
        given.json.write_text(figures + "\n")
        print(table(results))
        print(f"{spent:.0f} CPU seconds")
    else:
        print(figures)
    if given.page:
        written(given.page, table(results))
    if given.plots:
        from benchmarks.elasticity.plots import drawn

        drawn(results, given.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
