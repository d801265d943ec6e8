"""Elasticity: the product's policies against reactive scaling, on seeded crowds. JSON, a table and plots.

    python -m benchmarks.elasticity.run --json docs/scaling/elasticity.json --page docs/scaling.rst --plots docs/plots

Every trace and seed is a piece that is kept (``--pieces``) as long as the code is the same: what was cut off goes on.
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

from benchmarks.elasticity import pieces, traces
from benchmarks.elasticity.baselines import baselines, frontier
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


def once(name: str, seed: int) -> pieces.Piece:
    """One trace of one seed: a row and the course per scaler, and a row per setting of the baselines."""
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
    settings = []
    for kind, scalers_ in frontier().items():
        for scaler in scalers_:
            settings.append({"scaler": scaler.name, "kind": kind, **asdict(measured(*play(trace, scaler, seed)))})
    return pieces.Piece(
        trace=trace.name, rows=rows, settings=settings, courses=courses, seconds=time.process_time() - began
    )


def ran(names: Sequence[str], seeds: Sequence[int], jobs: int, folder: Path) -> tuple[list[dict[str, Any]], float]:
    """Means over the seeds, by trace and scaler, with the first seed's courses for the plot; and CPU seconds."""
    asked = [(name, seed) for name in names for seed in seeds]
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        played = list(pool.map(pieces.kept, *zip(*((once, folder, *one) for one in asked), strict=True)))
    results = []
    for start in range(0, len(played), len(seeds)):
        runs = played[start : start + len(seeds)]
        rows = [_mean([one.rows[number] for one in runs]) for number in range(len(runs[0].rows))]
        settings = [_mean([one.settings[number] for one in runs]) for number in range(len(runs[0].settings))]
        results.append({"trace": runs[0].trace, "rows": rows, "settings": settings, "courses": runs[0].courses})
    return results, sum(one.seconds for one in played)


def _mean(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    words = {key: value for key, value in rows[0].items() if isinstance(value, str)}
    numbers = [key for key in rows[0] if key not in words]
    return {**words, **{key: float(np.mean([row[key] for row in rows])) for key in numbers}}


COST = 0.25
"""Servers too many, as a share of those needed: what the aims allow."""


BOUND = "sees the load at once"
"""The baseline that there cannot be."""


def within(settings: Sequence[dict[str, Any]], cost: float) -> dict[str, Any] | None:
    """The setting of a baseline that was short for the least time, of those with at most so many servers too many."""
    found = [row for row in settings if row["kind"] != BOUND and row["over_amount"] <= cost]
    return min(found, key=lambda row: row["under_time"], default=None)


def bound(settings: Sequence[dict[str, Any]], cost: float) -> dict[str, Any] | None:
    """The same of whoever sees the load at once."""
    found = [row for row in settings if row["kind"] == BOUND and row["over_amount"] <= cost]
    return min(found, key=lambda row: row["under_time"], default=None)


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The baseline that was short for the least time, whatever that cost."""
    return min((row for row in rows if row["scaler"] not in OURS), key=lambda row: row["under_time"])


def ours(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the product does there: ``forecast``, which is ``target`` where nothing is announced."""
    return next(row for name in ("forecast", "target") for row in rows if row["scaler"] == name)


def aims(results: Sequence[dict[str, Any]]) -> str:
    """An RST table: the product against the baselines that may cost as much as the aim, or as the product, allows."""
    head = ("trace", "who decides", "short, time", "too many", "best baseline at 25 %", "at as many as ours", "bound")
    lines = []
    for result in results:
        row = ours(result["rows"])
        cells = [within(result["settings"], cost) for cost in (COST, row["over_amount"])]
        cells.append(bound(result["settings"], max(COST, row["over_amount"])))
        told = (f"{cell['under_time']:.2%} ({cell['scaler']})" if cell else "none" for cell in cells)
        lines.append((result["trace"], row["scaler"], f"{row['under_time']:.2%}", f"{row['over_amount']:.0%}", *told))
    return ruled([head, *lines])


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
    return ruled(lines)


def ruled(lines: Sequence[Sequence[str]]) -> str:
    """Lines as an RST table, the first being its head."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
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
    parser.add_argument("--pieces", type=Path, default=Path("build/elasticity"), help="where pieces are kept")
    parser.add_argument("--plots", type=Path, help="a folder for plots; needs matplotlib (extra [report])")
    given = parser.parse_args(argv)
    results, spent = ran(given.only, given.seeds, given.jobs, given.pieces)
    plain = [
        {
            "trace": one["trace"],
            "rows": one["rows"],
            "settings": one["settings"],
            "best": best(one["rows"])["scaler"],
            "best_within_25_percent": (within(one["settings"], COST) or {}).get("scaler"),
            "best_at_our_cost": (within(one["settings"], ours(one["rows"])["over_amount"]) or {}).get("scaler"),
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
        written(given.page, f"{aims(results)}\n\n{table(results)}")
    if given.plots:
        from benchmarks.elasticity.plots import drawn

        drawn(results, given.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
