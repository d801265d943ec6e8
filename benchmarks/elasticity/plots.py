"""Plots of what was needed and what served; matplotlib, from the extra [report]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.elasticity.traces import STEP

SHOWN = ("target", "forecast", "target tracking 70 %")
WINDOWS = {"T1 tournament": (4 * 24 + 7, 4 * 24 + 20), "T2 unannounced": (0.9, 2.6), "T3 spikes, announced": (0.5, 12)}
"""Hours of a trace that are drawn; the others whole."""


CHOICES = ("T1", "T2", "T3")
LINES = {"Heat + Aodh": "C1", "target tracking": "C2", "cluster autoscaler": "C4", "sees the load at once": "0.6"}
AIM = (0.25, 0.01)
"""Servers too many and time short, as shares, at the most."""
LEAST = 1e-5


def drawn(results: Sequence[dict[str, Any]], folder: Path) -> None:
    """One SVG per trace, and one that compares all; the same figures give the same bytes."""
    plt.rcParams["svg.hashsalt"] = "elasticity"
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        if result["trace"] in WINDOWS:
            _course(result, folder)
    _compared(results, folder)
    _settings([result for result in results if result["trace"][:2] in CHOICES], folder)


def _course(result: dict[str, Any], folder: Path) -> None:
    first, last = (int(hour * 3600 / STEP) for hour in WINDOWS[result["trace"]])
    figure, axes = plt.subplots(figsize=(9, 3.2))
    hours = np.arange(first, last) * STEP / 3600
    demand = next(iter(result["courses"].values()))[0][first:last]
    axes.fill_between(hours, demand, step="post", color="0.85", label="needed")
    for name in [name for name in SHOWN if name in result["courses"]]:
        axes.step(hours, result["courses"][name][1][first:last], where="post", linewidth=1, label=name)
    axes.set(xlabel="hours", ylabel="servers", title=result["trace"])
    axes.legend(fontsize=7, loc="upper left")
    _saved(figure, folder / f"elasticity-{result['trace'].split()[0].lower()}.svg")


def _compared(results: Sequence[dict[str, Any]], folder: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 4))
    for marker, result in zip("osD^vP*X", results, strict=False):
        for row in result["rows"]:
            ours = row["scaler"].startswith("forecast") or row["scaler"] == "target"
            colour = "tab:blue" if ours else "tab:green" if row["scaler"] == "calendar" else "0.6"
            axes.scatter(row["over_amount"], max(1e-5, row["under_time"]), marker=marker, color=colour, s=25)
        axes.scatter([], [], marker=marker, color="0.3", label=result["trace"])
    axes.set(xlabel="servers too many, share of those needed", ylabel="share of time short", yscale="log")
    axes.set_title("target and forecast blue, calendar green, reactive baselines grey")
    axes.legend(fontsize=7)
    _saved(figure, folder / "elasticity.svg")


def _settings(results: Sequence[dict[str, Any]], folder: Path) -> None:
    """What each kind of baseline gives at every setting, and the product at its one."""
    figure, panels = plt.subplots(1, len(results), figsize=(3.2 * len(results), 3.6), sharey=True, squeeze=False)
    for axes, result in zip(panels[0], results, strict=True):
        axes.fill_between([0, AIM[0]], LEAST, AIM[1], color="0.93", label="aimed at")
        for kind, colour in LINES.items():
            rows = [row for row in result["settings"] if row["kind"] == kind]
            short = [max(LEAST, row["under_time"]) for row in rows]
            dash = "--" if kind == "sees the load at once" else "-"
            axes.plot([row["over_amount"] for row in rows], short, dash, marker=".", color=colour, lw=1, label=kind)
        for row, marker in zip(result["rows"], "*Xo", strict=False):
            if row["scaler"] in ("forecast", "target", "calendar"):
                short = max(LEAST, row["under_time"])
                axes.plot(row["over_amount"], short, marker, ms=9, color="tab:blue", label=row["scaler"])
        axes.set(title=result["trace"], xlabel="too many, share", xlim=(0, 1), yscale="log", ylim=(LEAST, 0.3))
        axes.title.set_fontsize(9)
        axes.legend(fontsize=6)
    panels[0][0].set_ylabel("share of time short")
    _saved(figure, folder / "elasticity-settings.svg")


def _saved(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
