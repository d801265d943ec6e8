"""A history's plots as inline SVG, by matplotlib. The only importer of it."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from cloudsentry.records.history import CloudLine, History

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


def plots(history: History) -> tuple[tuple[str, str], ...]:
    """(what it shows, SVG) of every plot that the history has something for."""
    drawn: list[tuple[str, str]] = []
    with mpl.rc_context(STYLE):
        for number, cloud in enumerate(history.clouds):
            said = f"Servers wanted and active on {cloud.cloud}, {cloud.most} at most"
            drawn.append((said, _svg(number, said, partial(_servers, cloud=cloud, until=history.made))))
        ended = [run for run in history.runs if run.seconds is not None]
        if ended:
            said = "How long each run took, and how it ended"
            drawn.append((said, _svg(len(drawn), said, partial(_runs, runs=ended))))
    return tuple(drawn)


def _svg(number: int, said: str, draw: Callable[[Any], None]) -> str:
    figure = Figure(figsize=(8.5, 2.6), layout="constrained")
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
    axes.step(times, active, where="post", color=ACTIVE, label="active")
    axes.step(times, wanted, where="post", color=WANTED, linestyle="--", linewidth=1, label="wanted")
    axes.set_ylabel("servers")
    axes.set_ylim(bottom=0)
    _dates(axes)
    _legend(axes)


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
