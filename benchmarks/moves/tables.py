"""The figures of the moves' benchmarks as tables of docs/migration.rst.

    python benchmarks/moves/tables.py docs > docs/migration-moves.inc

Reads migration-under-load.json, migration-copy.json and migration-once.json of that folder, those that are there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A list-table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [head, *rows]:
        lines += [f"   {'* -' if place == 0 else '  -'} {cell}".rstrip() for place, cell in enumerate(row)]
    return [*lines, ""]


def under_load(told: dict[str, Any]) -> list[str]:
    """A line per run."""
    runs = told["runs"]
    what = f"``{told['command']}``: wrk at {told['rate']} requests/s over {told['connections']} kept connections."
    keys = ("run", "to", "state", "requests", "lost", "p99_ms", "move_seconds", "machine_load")
    rows: list[Sequence[object]] = [[one[key] for key in keys] for one in runs]
    rows.append(("**all**", "", "", f"**{told['requests']}**", f"**{told['lost']}**", "", "", ""))
    head = ("Run", "To", "Ended", "Answers", "Lost", "p99, ms", "Move, s", "Load of the machine")
    return [what, "", *table(head, rows)]


def copied(told: dict[str, Any]) -> list[str]:
    """The rates, and what Glance allows."""
    rows = [(way, ", ".join(map(str, rates))) for way, rates in told["mib_per_second"].items()]
    cut, upload = told["cut"], told["second_put_of_an_upload"]
    rows += [
        ("median of cloudsentry / median of curl", told["ratio_of_medians"]),
        (f"sent twice after {cut['cuts']} cut of the download, %", cut["sent_twice_percent"]),
        ("a second PUT of an image's data", upload["file"]),
        ("a second PUT to its staging area", upload["stage"]),
        ("import methods", upload["import_methods"]),
    ]
    what = f"``{told['command']}``, an image of {told['mib']} MiB; rates in MiB/s, one per round:"
    return [what, "", *table(("What", "Found"), rows)]


def once(told: dict[str, Any]) -> list[str]:
    """A line per case."""
    keys = ("case", "state", "cloud", "asked", "twice", "longest_silence_s", "ports", "images")
    flat = [{**one, **one["arp"], **one["left"]} for one in told["cases"]]
    rows = [[one.get(key, "") for key in keys] for one in flat]
    head = (
        "Case",
        "Ended",
        "Then at",
        "ARP asked",
        "Answered twice",
        "Longest silence, s",
        "Ports left",
        "Images left",
    )
    return [f"``{told['command']}``:", "", *table(head, rows)]


PARTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "migration-under-load.json": under_load,
    "migration-copy.json": copied,
    "migration-once.json": once,
}


def main() -> None:
    """One table after the other."""
    folder = Path(sys.argv[1])
    parts = [part(json.loads((folder / name).read_text())) for name, part in PARTS.items() if (folder / name).exists()]
    print("\n".join(line for part in parts for line in part).rstrip())


if __name__ == "__main__":
    main()
