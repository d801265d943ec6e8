"""Would a statistical model foretell better than the templates? A walk-forward test of forecasts alone. JSON.

    pip install statsmodels scikit-learn
    python -m benchmarks.elasticity.models --json docs/models.json --page docs/scaling.rst

Every two minutes of a match each of them says how much load comes at the most until servers ordered now serve, so that
it is enough 99 times of 100. Nothing is seen that is not over then: regressions are fitted on earlier matches, once
per match, Holt-Winters on the last readings. Counted are the pinball loss, which is least for whoever tells that
quantile best, how often it was enough, and what it would have cost.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.elasticity import traces
from benchmarks.elasticity.run import ruled
from benchmarks.elasticity.traces import STEP, Trace
from benchmarks.elasticity.world import Production, Seen, play
from cloudsentry.drivers.policy.templates import foretold
from cloudsentry.drivers.policy.trend import course, followed
from cloudsentry.records.scaling import Inputs

QUANTILE = 0.99
EVERY = 120
"""Seconds between forecasts. What is ordered changes nothing of them, so the quickest policy orders."""
ROWS = 1500
"""Newest moments that a regression is fitted on."""
LEARNT = 300
"""Moments of earlier matches, without which there is no regression: some three matches."""
BEGIN, END = ".. models: begin, written by benchmarks/elasticity/models", ".. models: end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """A moment of a match: what could be known, what the templates said, and what came (a share of the peak)."""

    match: str
    at: float
    over: float
    """Seconds at which it is, and at which what came is known."""
    peak: float
    known: np.ndarray
    lately: tuple[float, ...]
    templates: float
    came: float


class Noting(Production):
    """Notes what the policy forecast would see."""

    def __init__(self, trace: Trace) -> None:
        super().__init__("calendar", trace)
        self.minutes: list[Minute] = []
        self._load = trace.load

    def _inputs(self, seen: Seen, now: Any, near: Any) -> Inputs:
        inputs = super()._inputs(seen, now, near)
        on = [demand for demand in near if demand.begins <= now <= demand.ends]
        soon = foretold(inputs, inputs.boot) if seen.second % EVERY == 0 and len(on) == 1 else None
        if soon is not None:
            first = int(seen.second / STEP)
            came = float(self._load[first : first + int(inputs.boot / STEP)].max())
            self.minutes.append(_minute(inputs, on[0], soon, came, seen.second))
        return inputs


def _minute(inputs: Inputs, demand: Any, soon: float, came: float, at: float) -> Minute:
    found = course(inputs, 900.0)
    load = followed(inputs)
    ago = {back: min(found, key=lambda one: abs(one[0] - back))[1] for back in (60.0, 180.0, 600.0)}
    since = (inputs.now - demand.start).total_seconds()
    left = demand.length - since
    finale = 1.0 if left <= demand.finale + inputs.boot and left > 0 else 0.0
    most = max(value for _, value in found)
    known = [load, load - ago[60.0], load - ago[180.0], load - ago[600.0], most, soon]
    told = [finale, min(1.0, max(0.0, left / demand.length)), 1.0 if since < 0 else 0.0, 1.0 if left < 0 else 0.0]
    return Minute(
        match=demand.name,
        at=at,
        over=at + inputs.boot,
        peak=demand.peak,
        known=np.array([1.0, *(value / demand.peak for value in known), *told]),
        lately=tuple(value / demand.peak for _, value in found),
        templates=soon / demand.peak,
        came=came / demand.peak,
    )


Forecast = Callable[[Minute, Sequence[Minute]], float]


def learnt(make: Callable[[], Any], minutes: Sequence[Minute]) -> Forecast:
    """A regression (scikit-learn) of the quantile on what could be known, fitted anew before every match."""
    told: dict[str, dict[float, float]] = {}

    def tell(minute: Minute, past: Sequence[Minute]) -> float:
        if minute.match not in told:
            rows = [one for one in past if one.match != minute.match][-ROWS:]
            told[minute.match] = {}
            if len(rows) >= LEARNT:
                model = make().fit(np.array([one.known for one in rows]), np.array([one.came for one in rows]))
                mine = [one for one in minutes if one.match == minute.match]
                found = model.predict(np.array([one.known for one in mine]))  # at once, for speed: each from its own
                told[minute.match] = {one.at: max(0.0, float(value)) for one, value in zip(mine, found, strict=True)}
        return told[minute.match].get(minute.at, float("nan"))

    return tell


def linear() -> Any:
    """Quantile regression."""
    from sklearn.linear_model import QuantileRegressor

    return QuantileRegressor(quantile=QUANTILE, alpha=1e-5, solver="highs")


def boosted() -> Any:
    """Gradient boosting with the quantile's loss."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(loss="quantile", quantile=QUANTILE, max_iter=100, random_state=0)


def holt_winters() -> Forecast:
    """Holt's linear trend (statsmodels) over the last readings, and the 99th percentile of its own errors so far."""
    from statsmodels.tsa.holtwinters import Holt

    errors: list[float] = []
    waiting: list[tuple[float, float]] = []

    def tell(minute: Minute, past: Sequence[Minute]) -> float:
        values = minute.lately[-30:]
        if len(values) < 10:
            return float("nan")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = Holt(np.array(values), damped_trend=True, initialization_method="estimated")
            made = model.fit(smoothing_level=0.6, smoothing_trend=0.2, damping_trend=0.9, optimized=False)
            mean = float(np.max(made.forecast(6)))
        while waiting and waiting[0][0] <= minute.at:
            errors.append(waiting.pop(0)[1])
        margin = float(np.quantile(errors, QUANTILE)) if len(errors) >= LEARNT else float("nan")
        waiting.append((minute.over, minute.came - mean))
        return mean + margin

    return tell


def pinball(told: np.ndarray, came: np.ndarray) -> float:
    """Mean loss of a forecast of the quantile, as a share of the announced crowd."""
    short = came - told
    return float(np.mean(np.maximum(QUANTILE * short, (QUANTILE - 1) * short)))


def once(name: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By model: what it told and what came, at the minutes at which all of them told something."""
    trace = traces.ALL[name](np.random.default_rng([seed, list(traces.ALL).index(name)]))
    noting = Noting(trace)
    play(trace, noting, seed)
    models: dict[str, Forecast] = {
        "templates": lambda minute, past: minute.templates,
        "quantile regression": learnt(linear, noting.minutes),
        "gradient boosting": learnt(boosted, noting.minutes),
        "Holt-Winters": holt_winters(),
    }
    told: dict[str, list[float]] = {model: [] for model in models}
    known = 0
    for minute in noting.minutes:
        while known < len(noting.minutes) and noting.minutes[known].over <= minute.at:
            known += 1
        for model, forecast in models.items():
            told[model].append(forecast(minute, noting.minutes[:known]))
    came = np.array([minute.came for minute in noting.minutes])
    both = {model: np.array(values) for model, values in told.items()}
    fine = np.all([np.isfinite(values) for values in both.values()], axis=0)
    return {model: (values[fine], came[fine]) for model, values in both.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Foretell, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=(1, 2))
    parser.add_argument("--only", nargs="+", default=("t1", "t3-announced"))
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="a page that has the marks for the table")
    given = parser.parse_args(argv)
    began, rows = time.process_time(), []
    for name in given.only:
        runs = [once(name, seed) for seed in given.seeds]
        for model in runs[0]:
            told, came = (np.concatenate([run[model][part] for run in runs]) for part in (0, 1))
            row = {"trace": name, "model": model, "moments": len(came), "pinball": pinball(told, came)}
            row["enough"] = float(np.mean(told >= came))
            row["too_much"] = float(np.mean(np.maximum(0, told - came)) / np.mean(came))
            rows.append(row)
            print(row, flush=True)
    seconds = round(time.process_time() - began, 1)
    given.json.write_text(
        json.dumps({"seeds": list(given.seeds), "cpu_seconds": seconds, "rows": rows}, indent=1) + "\n"
    )
    if given.page:
        before, _, rest = given.page.read_text().partition(BEGIN)
        given.page.write_text(f"{before}{BEGIN}\n\n{table(rows)}\n\n{END}{rest.partition(END)[2]}")
    return 0


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As RST."""
    head = ("trace", "who foretells", "moments", "loss, of 1000", "enough", "too much")
    told = [
        (
            row["trace"],
            row["model"],
            str(row["moments"]),
            f"{1000 * row['pinball']:.2f}",
            f"{row['enough']:.1%}",
            f"{row['too_much']:.0%}",
        )
        for row in rows
    ]
    return ruled([head, *told])


if __name__ == "__main__":
    sys.exit(main())
