"""A history's plots as inline SVG, by matplotlib. The only importer of it."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from cloudsentry.records.history import CloudLine, Curve, DecisionLine, Figure, History

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: searchable, read aloud, in the page's own font
    "svg.hashsalt": "cloudsentry",  # the same history gives the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}
ACTIVE, WANTED, MISSED = "#2f6fb3", "#333333", "#c2410c"
"""Blue, near black and orange: told apart by people who see no red or no green."""
DASHES = ("-", "--", ":")
GAP = 3
"""Usual steps without a point after which a line is broken."""


def plots(history: History) -> tuple[tuple[str, str], ...]:
    """(what it shows, SVG) of every plot that the history has something for."""
    drawn: list[tuple[str, str]] = []
    with mpl.rc_context(STYLE):
        for number, cloud in enumerate(history.clouds):
            said = f"Servers wanted and active on {cloud.cloud}, {cloud.most} at most"
            drawn.append((said, _svg(number, said, partial(_servers, cloud=cloud, until=history.made))))
        for pool in sorted({line.pool for line in history.decisions if line.demand is not None}):
            said = f"Load that decisions about {pool} were made from, and servers that they wanted"
            lines = [line for line in history.decisions if line.pool == pool and line.demand is not None]
            drawn.append((said, _svg(len(drawn), said, partial(_load, decisions=lines))))
        for figure in history.figures:
            said = f"{figure.title}. {figure.source}" if figure.source else figure.title
            drawn.append((said, _svg(len(drawn), figure.title, partial(_curves, figure=figure))))
        ended = [run for run in history.runs if run.seconds is not None]
        if ended:
            said = "How long each run took, and how it ended"
            drawn.append((said, _svg(len(drawn), said, partial(_runs, runs=ended))))
    return tuple(drawn)


def _svg(number: int, said: str, draw: Callable[[Any], None]) -> str:
    figure = Canvas(figsize=(8.5, 2.6), layout="constrained")
    draw(figure.add_subplot())
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Title": said})
    # Several drawings share one page, so their ids may not be alike; a prolog has no place inside HTML.
    text = out.getvalue()[out.getvalue().index("<svg") :]
    text = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>plot{number}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(said)}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _servers(axes: Any, cloud: CloudLine, until: dt.datetime) -> None:
    times = [level.at for level in cloud.levels] + [until]
    active = [level.active for level in cloud.levels] + [cloud.levels[-1].active]
    wanted = [level.wanted for level in cloud.levels] + [cloud.levels[-1].wanted]
    axes.fill_between(times, active, step="post", color=ACTIVE, alpha=0.25, linewidth=0)
    # What was wanted lies beneath: it is seen where it was not there.
    axes.step(times, wanted, where="post", color=WANTED, linestyle="--", linewidth=1, label="wanted")
    axes.step(times, active, where="post", color=ACTIVE, label="active")
    axes.set_ylabel("servers")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    _dates(axes)
    _legend(axes)


def _load(axes: Any, decisions: Sequence[DecisionLine]) -> None:
    times = [time for line in decisions for time in (line.at, line.until)]
    axes.plot(times, [line.demand for line in decisions for _ in range(2)], color=MISSED, label="load")
    axes.set_ylabel("load")
    axes.set_ylim(bottom=0)
    _legend(axes)
    servers = axes.twinx()
    wanted = [line.wanted for line in decisions for _ in range(2)]
    servers.step(times, wanted, where="post", color=ACTIVE, label="servers wanted")
    servers.set_ylabel("servers wanted", color=ACTIVE)
    servers.yaxis.set_major_locator(MaxNLocator(integer=True))
    servers.set_ylim(bottom=0)
    servers.grid(visible=False)
    _dates(axes)


def _curves(axes: Any, figure: Figure) -> None:
    """A line per curve, broken where measurements are missing: a gap is never drawn as load."""
    for number, curve in enumerate(figure.curves):
        times, values = broken(curve)
        axes.plot(times, values, color=f"C{number % 10}", linestyle=DASHES[number // 10], label=curve.name or "all")
    axes.set_ylim(bottom=0)
    axes.set_ylabel(figure.unit)
    _dates(axes)
    if figure.curves:
        _legend(axes)


def broken(curve: Curve) -> tuple[list[dt.datetime], list[float]]:
    """Times and values, with a NaN where more than `GAP` usual steps have no point."""
    times, values = [time for time, _ in curve.points], [value for _, value in curve.points]
    steps = sorted(later - time for time, later in pairwise(times))
    usual = steps[len(steps) // 2] if steps else dt.timedelta()
    for place in reversed(range(1, len(times))):
        if times[place] - times[place - 1] > GAP * usual:
            times.insert(place, times[place - 1] + usual)
            values.insert(place, math.nan)
    return times, values


def _runs(axes: Any, runs: Sequence[Any]) -> None:
    for outcome, color, marker in (("done", ACTIVE, "o"), ("failed", MISSED, "X"), ("stopped", WANTED, "s")):
        mine = [run for run in runs if run.outcome == outcome]
        if mine:
            x, y = [run.started for run in mine], [run.seconds for run in mine]
            axes.scatter(x, y, color=color, marker=marker, label=outcome)
    axes.set_ylabel("seconds")
    axes.set_ylim(bottom=0)
    _dates(axes)
    _legend(axes)


def _dates(axes: Any) -> None:
    locator = AutoDateLocator(tz=dt.UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=dt.UTC))


def _legend(axes: Any) -> None:
    """Above the axes, where nothing is drawn over."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=3, borderpad=0)
