"""Draws docs/balancing/*.json, as `run.py` beside this wrote them, into docs/plots/balancing-*.svg.

What the page shows of them (docs/balancing/figures.inc, and door.inc of `door.py`) is written as well, from the same
figures.

python benchmarks/weights/plots.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

DRIVERS = ("haproxy", "apache", "octavia")
DOCS = Path(__file__).parents[2] / "docs"


def read(name: str) -> Any:
    """One part's figures; None where it was not measured."""
    path = DOCS / "balancing" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write(figure: Any, name: str) -> None:
    """As SVG, without a date in it."""
    figure.tight_layout()
    figure.savefig(DOCS / "plots" / f"balancing-{name}.svg", metadata={"Date": None})


def knee(found: Any) -> None:
    """Responses per second, and p99, by connections."""
    figure, (rates, times) = plt.subplots(1, 2, figsize=(9, 3.4))
    for host, steps in found["knees"].items():
        connections, responses, p99 = zip(*steps, strict=True)
        rates.plot(connections, responses, marker="o", label=host)
        times.plot(connections, p99, marker="o", label=host)
    for row in found["calibration"]:
        if row["Unit"].endswith(("xeon1", "opteron1")):
            rates.axhline(row["Responses/s"], color="grey", linewidth=0.7, linestyle=":")
    for axes, title in ((rates, "responses/s (dotted: calibrated)"), (times, "p99, ms")):
        axes.set_xscale("log", base=2)
        axes.set_xlabel("connections")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(bottom=0)
    rates.legend(fontsize=8)
    write(figure, "knee")


def timeline(found: Any) -> None:
    """Shares over time, with what was changed when; and the mean time of an answer."""
    seconds = found["seconds"]
    servers = sorted({server for second in seconds for server in second if server})
    figure, (parts, times) = plt.subplots(2, 1, figsize=(9, 5.5), sharex=True)
    for server in servers:
        short = server.rsplit("-", 1)[-1]
        whole = [sum(count for count, _ in second.values()) or 1 for second in seconds]
        parts.plot(
            [100 * second.get(server, [0, 0])[0] / all for second, all in zip(seconds, whole, strict=True)], label=short
        )
        times.plot([second.get(server, [0, float("nan")])[1] for second in seconds], label=short)
    for moment, what in found["changes"]:
        for axes in (parts, times):
            axes.axvline(moment, color="grey", linewidth=0.7)
        parts.text(moment, 101, what, fontsize=6, rotation=20)
    parts.set_ylabel("share of answers, %")
    parts.set_ylim(0, 100)
    times.set_ylabel("mean time, ms")
    times.set_xlabel("seconds")
    times.set_yscale("log")
    parts.legend(fontsize=8, loc="center left")
    write(figure, "timeline")


def shares(found: Any) -> None:
    """Wanted and served, by driver."""
    figure, axes = plt.subplots(figsize=(7, 3))
    hosts = list(found["wanted"])
    bars = {
        "weights": found["wanted"],
        **{name: found[name]["percent"] for name in DRIVERS if name in found},
    }
    for number, (name, percent) in enumerate(bars.items()):
        axes.bar([place + 0.2 * number for place in range(len(hosts))], [percent[h] for h in hosts], 0.19, label=name)
    axes.set_xticks([place + 0.3 for place in range(len(hosts))], hosts, fontsize=8)
    axes.set_ylabel("share, %")
    axes.legend(fontsize=8)
    write(figure, "shares")


CAPTIONS = {
    "calibration": ("knee", "The knee of a server of each kind."),
    "timeline": ("timeline", "Shares and times around changes of weights, a drain, and a host that slows down."),
    "shares": ("shares", "Shares wanted and served, by driver."),
}


def told(name: str, found: Any) -> str:
    """What a part found, in a sentence, and how busy the machine was."""
    busy = f" CPU pressure: {found['machine']['cpu_pressure_percent']} %." if "machine" in found else ""
    if name == "calibration":
        each = {name: sorted(round(run["p99_ms"], 1) for run in runs) for name, runs in found["runs"].items()}
        p99 = (
            ", ".join(
                f"{weights} {ms} ms (median of {len(each[weights])}, {each[weights][0]} to {each[weights][-1]})"
                for weights, ms in found["p99_ms"].items()
            )
            or "not measured"
        )
        limits = ", ".join(sorted({row["Limit"] for row in found["calibration"]}))
        return (
            f"Ratio of the kinds found: {found['ratio']}, by quotas {found['ratio_of_quotas']} (limit: {limits}). "
            f"p99 at 85 % of the load: {p99}.{busy}"
        )
    if name == "shares":
        off = ", ".join(f"{driver} {found[driver]['off_most']}" for driver in DRIVERS if driver in found)
        return f"Over {found['requests']} requests the largest difference in points: {off}.{busy}"
    lost = found["lost_after_seconds"]
    when = f"within {lost + 1} s of slowing down" if lost is not None else "not, although it had slowed down"
    return f"opteron1, at half its speed, lost weight {when}; changes are marked when they were in place.{busy}"


def door() -> str:
    """A row for each driver: what failed of what was asked, from the user's door."""
    rows = []
    for driver in ("octavia", "haproxy", "apache", "haproxy-late", "apache-late"):
        found = read(f"door-{driver}")
        if found is None:
            continue
        late = f", {found['late_s']:g} s late" if found.get("late_s") else ""
        parts = {"come": [], "destroyed": [], "runs": []}
        for one in found["each"]:
            parts["runs" if "replaced" in one["what"] else one["what"]].append(one)
        cells = [f"``{found['driver']}``{late}", str(found["runs"])]
        cells += [_failed(parts[kind]) for kind in ("come", "runs", "destroyed")]
        rows.append("   * - " + "\n     - ".join(cells) + "\n")
    head = "   * - driver\n     - runs\n     - coming\n     - grown and replaced, shrunk\n     - destroyed\n"
    return (
        ".. Written by benchmarks/weights/plots.py.\n\n.. list-table::\n   :header-rows: 1\n\n" + head + "".join(rows)
    )


def _failed(found: list[dict[str, Any]]) -> str:
    """``failed of asked``, images and downloads."""
    told = []
    for kind in ("images", "downloads"):
        failed = sum(one[kind]["failed"] for one in found)
        told.append(f"{failed} of {failed + sum(one[kind]['good'] for one in found):,} {kind}")
    return ", ".join(told)


def main() -> None:
    """Draw what was measured."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "cloudsentry"  # the same figures give the same file
    lines = [".. Written by benchmarks/weights/plots.py.\n"]
    for name, draw in {"calibration": knee, "timeline": timeline, "shares": shares}.items():
        found = read(name)
        if found is None:
            continue
        draw(found)
        file, caption = CAPTIONS[name]
        lines.append(f".. figure:: plots/balancing-{file}.svg\n\n   {caption} {told(name, found)}".rstrip() + "\n")
        print(f"docs/plots/balancing-{file}.svg")
    (DOCS / "balancing" / "door.inc").write_text(door(), encoding="utf-8")
    (DOCS / "balancing" / "figures.inc").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
