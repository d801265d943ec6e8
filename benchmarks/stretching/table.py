"""The tables of the page on stretching, from the JSON that `run.py` wrote.

python benchmarks/stretching/table.py docs/stretching docs/stretching-table.inc
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any


def rows(found: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    """One row per figure, one column per driver."""
    drivers = sorted(found)

    def row(title: str, key: str, unit: str = "") -> tuple[str, ...]:
        told = [found[driver].get(key) for driver in drivers]
        return title, *("–" if value is None else f"{value}{unit}" for value in told)

    images = [found[driver]["images"] for driver in drivers]
    return [
        ("", *(f"``{driver}``" for driver in drivers)),
        row("TCP handshake, median", "rtt_ms", " ms"),
        ("25 KB images fetched", *(str(one["fetched"]) for one in images)),
        ("of them failed", *(str(one["errors"]) for one in images)),
        row("one TCP stream", "stretch_mbit", " Mbit/s"),
        row("the bare tunnel, same run", "tunnel_mbit", " Mbit/s"),
        row("its share", "share"),
        row("apply, with both servers", "apply_s", " s"),
        row("load of the machine (2 cores)", "load"),
    ]


def kills(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What became of one TCP connection in each kill, in one row."""
    lost = sorted(one["lost_s"] for one in found if one["lost_s"] is not None)
    return [
        ("active gateways killed", str(len(found))),
        ("TCP connections that lived on", str(len(lost))),
        ("silence of the connection: least, median, most", f"{lost[0]:.2f}, {median(lost):.2f}, {lost[-1]:.2f} s"),
        ("partner took over", str(sum(one["taken_over"] for one in found))),
        ("came back and pre-empted", str(sum(one["preempted"] for one in found))),
        ("addresses owned twice, by ARP", str(sum(len(one["owned_twice"]) for one in found))),
    ]


def table(lines: list[tuple[str, ...]]) -> str:
    """A list-table of reStructuredText."""
    body = [f"   {'*' if not index else ' '} - {cell}" for line in lines for index, cell in enumerate(line)]
    return "\n".join([".. list-table::", "", *body, ""])


def main() -> None:
    """Write the file that the page includes."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    parts = [table(rows(found))]
    if killed := found.get("gateway", {}).get("kills"):
        parts.append(table(kills(killed)))
    out.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
