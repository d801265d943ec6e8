"""docs/migration/live.json as a table beside the source's findings, and as plots.

python -m benchmarks.migration.table
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
HEAD = (
    "guest, load",
    "RTT ms",
    "total s, defaults",
    "total s, chosen",
    "ratio",
    "client gap ms, defaults",
    "client gap ms, chosen",
    "rounds",
    "MiB sent",
    "predicted s",
    "chosen",
)
PIECES = ("paused", "handed", "announced", "answered")
PIECES_HEAD = (
    "way, RTT",
    "cells",
    "libvirt agrees, before",
    "stopped, till all is there",
    "till it may run",
    "till the client's network hears of it",
    "till the client's first answer",
)
ORDER = ("idle", "sequential", "random", "flood")


def cells(results: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(defaults, chosen) of every cell that has both, in order."""
    found: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for one in results:
        key = (one["memory"], one["rtt_ms"], ORDER.index(one["load"]))
        found.setdefault(key, {})[one["way"]] = one
    whole = [(key, pair) for key, pair in sorted(found.items()) if len(pair) == 2]
    return [(pair["defaults"], pair["chosen"]) for _, pair in whole]


def mispredicted(results: list[dict[str, Any]]) -> tuple[int, int]:
    """(wrong, all): cases whose convergence was foretold wrongly, of the defaults and of what was chosen."""
    wrong = sum((one["predicted"] is not None) != (one["total"] is not None) for one in results)
    return wrong, len(results)


def ways(parameters: dict[str, Any]) -> str:
    """What was chosen, in short."""
    parts = [f"{parameters['channels']} streams"] if parameters["channels"] > 1 else []
    parts += ["post-copy"] if parameters["postcopy"] else []
    parts += [f"windows of {parameters['window'] // 2**20} MiB"] if parameters["window"] else []
    parts += [f"slowed from {parameters['throttle']} %"] if parameters["throttle"] > 20 else []
    return ", ".join(parts) or "one stream"


def rows(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The table's."""
    return [_row(defaults, chosen) for defaults, chosen in cells(results)]


def _row(defaults: dict[str, Any], chosen: dict[str, Any]) -> tuple[str, ...]:
    ratio = f"{chosen['total'] / defaults['total']:.2f}" if defaults["total"] and chosen["total"] else "—"
    predicted = chosen["predicted"]
    return (
        f"{chosen['memory']} MB, {chosen['load']}",
        f"{chosen['rtt_ms']:g}",
        _seconds(defaults["total"]),
        _seconds(chosen["total"]),
        ratio,
        _gap(defaults["gap"]),
        _gap(chosen["gap"]) + ("" if chosen["promised"] else " (not promised)"),
        f"{defaults['rounds']} / {chosen['rounds']}",
        f"{defaults['sent']:.0f} / {chosen['sent']:.0f}",
        _seconds(predicted["total"] if predicted else None),
        ways(chosen["parameters"]),
    )


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.1f}"


def _gap(value: float | None) -> str:
    return "—" if value is None else f"{1000 * value:.0f}"


def table(found: dict[str, Any]) -> str:
    """reStructuredText, with what the whole of it says."""
    results = found["results"]
    pairs = cells(results)
    far = [(a, b) for a, b in pairs if a["rtt_ms"] >= 20 and a["load"] != "idle"]
    ended = [(a, b) for a, b in far if a["total"] and b["total"]]
    both = [b["total"] / a["total"] for a, b in ended]
    sending = [b["times"]["memory"] / a["times"]["memory"] for a, b in ended if a["times"]["memory"]]
    never = [b for a, b in pairs if a["total"] is None]
    promised = [b for _, b in pairs if b["promised"] and b["gap"] is not None]
    wrong, count = mispredicted(results)
    whole = sum(one["intact"] and one["session"] for one in results)
    load = max(one["machine_load"] for one in results)
    lines = [
        f".. Made by ``python -m benchmarks.migration.table`` from live.json, which ``{found['command']}`` wrote.",
        "",
        *_listed(
            f"With load, on the long path, total time is {_span(both)} × that of the defaults where those end at all "
            f"({len(both)} cells, {sum(ratio <= 0.5 for ratio in both)} of them within 0.5).",
            f"Without what libvirt needs to agree beforehand, the same for both, it is {_span(sending)} ×.",
            f"Of {len(never)} cells that the defaults never end, {sum(b['total'] is not None for b in never)} end.",
            f"The client's gap is within 1 s in {sum(b['gap'] <= 1 for b in promised)} of the {len(promised)} cells "
            "for which the mover promises it.",
            f"Convergence was foretold wrongly in {wrong} of {count} cases.",
            f"Memory was what it must be, word by word, and a TCP session went on, in {whole} of {count} cases.",
            f"The machine's load average was up to {load:.0f}; while guests moved, {_share(results)} of its processors "
            f"worked, and the relay had {max(one['times']['relay'] for one in results):.0%} of one at the most.",
        ),
        ".. list-table::",
        "   :header-rows: 1",
        "",
    ]
    lines += _cells(HEAD, *rows(results))
    lines += ["", "Where the time goes, in the middle of the cells (medians, ms):", "", ".. list-table::"]
    lines += ["   :header-rows: 1", "", *_cells(PIECES_HEAD, *pieces(results))]
    return "\n".join(lines) + "\n"


def _cells(*rows: tuple[str, ...]) -> list[str]:
    return [f"   {'*' if i == 0 else ' '} - {cell}" for row in rows for i, cell in enumerate(row)]


def pieces(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """For each path and kind of move: what libvirt needs beforehand, and the gap piece by piece."""
    kinds: dict[tuple[float, str], list[dict[str, Any]]] = {}
    for one in results:
        if one["total"] is not None:
            kinds.setdefault((one["rtt_ms"], _kind(one)), []).append(one)
    return [_piece(f"{kind}, {rtt:g} ms", found) for (rtt, kind), found in sorted(kinds.items())]


def _kind(one: dict[str, Any]) -> str:
    late = one["parameters"]["postcopy"]
    return "defaults" if one["way"] == "defaults" else "chosen, post-copy" if late else "chosen, pre-copy"


def _piece(name: str, found: list[dict[str, Any]]) -> tuple[str, ...]:
    times = [one["times"] for one in found]
    agreeing = [one["total"] - one["times"]["memory"] for one in found if one["times"]["memory"] and one["begun"] == 1]
    parts = [[each[part] for each in times if each[part] is not None] for part in PIECES]
    return (name, str(len(found)), *(_middle(values) for values in (agreeing, *parts)))


def _middle(values: list[float]) -> str:
    return f"{1000 * statistics.median(values):.0f}" if values else "—"


def _share(results: list[dict[str, Any]]) -> str:
    shares = sorted(one["times"]["busy"] for one in results)
    return f"{shares[0]:.0%} to {shares[-1]:.0%}" if shares else "(not measured)"


def _listed(*sentences: str) -> list[str]:
    return [line for sentence in sentences for line in (f"* {sentence}", "")]


def _span(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}" if values else "(not measured)"


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Total time and the client's gap of both ways, cell by cell."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "cloudsentry"
    pairs = cells(results)
    names = [f"{b['memory']} MB {b['load']}, {b['rtt_ms']:g} ms" for _, b in pairs]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 0.35 * len(pairs) + 1.2), sharey=True)
    for axis, value, title in ((axes[0], "total", "total, s"), (axes[1], "gap", "client's gap, s")):
        for offset, way, colour in ((0.2, 0, "#b0b0b0"), (-0.2, 1, "#1f6f8b")):
            lengths = [pair[way][value] or 0 for pair in pairs]
            places = [index + offset for index in range(len(pairs))]
            axis.barh(places, lengths, height=0.38, color=colour, label=("defaults", "chosen")[way])
            for place, pair in zip(places, pairs, strict=True):
                if pair[way][value] is None:
                    axis.text(0, place, " never", va="center", fontsize=7)
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=7)
    axes[0].set_yticks(range(len(pairs)), names)
    axes[0].invert_yaxis()
    axes[1].axvline(1.0, color="#c04040", linewidth=0.8)
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Table and plot, beside the page that shows them."""
    found = json.loads((DOCS / "migration" / "live.json").read_text(encoding="utf-8"))
    (DOCS / "migration" / "live-table.inc").write_text(table(found), encoding="utf-8")
    plot(found["results"], DOCS / "plots" / "migration.svg")


if __name__ == "__main__":
    main()
