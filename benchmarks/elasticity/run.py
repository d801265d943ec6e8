"""Elasticity: the product's policies against reactive scaling, on seeded crowds. JSON, a table and plots.

    python -m benchmarks.elasticity.run [--seeds 1 2] [--only t1 t3] [--json FILE] [--page FILE] [--plots DIR]

Walk-forward: who decides sees the load of the past and the announcements, nothing else. The constants of the policies
were chosen on other seeds (101 and up) than those that are reported.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Sequence
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
OURS = ("calendar", "target", "target + witness", "target, not waiting for boots", "forecast")
BEGIN, END = ".. elasticity: begin, written by benchmarks/elasticity", ".. elasticity: end"


def scalers(trace: Trace) -> list[Scaler]:
    """Those of the product, then the others; fresh ones for every run."""
    ours: list[Scaler] = [Production("target", trace)]
    ours.append(Production("target", trace, waits=False, name="target, not waiting for boots"))
    if trace.demands:
        ours.insert(0, Production("calendar", trace))
    if trace.flood is not None:
        ours.append(Production("target", trace, witness=True, name="target + witness"))
    return [*ours, *baselines()]


def ran(name: str, seeds: Iterable[int]) -> dict[str, Any]:
    """Means over the seeds, by scaler; and the first seed's courses for the plot."""
    found: dict[str, list[dict[str, Any]]] = {}
    courses: dict[str, Any] = {}
    for seed in seeds:
        trace = traces.ALL[name](np.random.default_rng([seed, list(traces.ALL).index(name)]))
        for scaler in scalers(trace):
            demand, supply = play(trace, scaler, seed)
            row = asdict(measured(demand, supply))
            if trace.events and trace.demands:
                after = [settled_after(demand, supply, start, 4 * 3600, 3) for start in trace.events]
                row["settled_after"] = max(after)
            found.setdefault(scaler.name, []).append(row)
            courses.setdefault(scaler.name, (demand, supply))
    rows = [
        {"scaler": scaler, **{key: float(np.mean([run[key] for run in runs])) for key in runs[0]}}
        for scaler, runs in found.items()
    ]
    return {"trace": trace.name, "rows": rows, "courses": courses}


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
    parser.add_argument("--json", type=Path, help="where the figures go; default: standard output")
    parser.add_argument("--page", type=Path, help="a page that has the marks for the table")
    parser.add_argument("--plots", type=Path, help="a folder for plots; needs matplotlib (extra [report])")
    given = parser.parse_args(argv)
    began = time.process_time()
    results = [ran(name, given.seeds) for name in given.only]
    spent = time.process_time() - began
    plain = [{"trace": one["trace"], "rows": one["rows"], "best": best(one["rows"])["scaler"]} for one in results]
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
