"""The harnesses' figures as tables of docs/reliability.rst.

CLOUDSENTRY_RELIABILITY_JSON=figures.json pytest tests/reliability/test_crashes.py
python benchmarks/reliability/table.py figures*.json > docs/reliability-table.inc

python tests/reliability/exhaust.py FOLDER
python benchmarks/reliability/table.py --sum FOLDER/cases.jsonl > docs/reliability-lab.json
python benchmarks/reliability/table.py docs/reliability-lab.json > docs/reliability-lab.inc

python benchmarks/reliability/spill.py > docs/reliability-spill.json
python benchmarks/reliability/table.py --spill docs/reliability-spill.json > docs/reliability-spill.inc

python benchmarks/reliability/peers.py > docs/reliability-peers.json
python benchmarks/reliability/table.py --peers docs/reliability-peers.json > docs/reliability-peers.inc
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FIGURES = ("cases", "alone", "converged", "orphans", "duplicates", "lost")
OPERATIONS = (
    *("provision", "re-weight", "grow", "stretch", "shrink", "replace", "spill", "steer", "destroy", "steer home"),
)
PEERS = ("accident", "contender", "active", "missing", "duplicates", "broken", "seconds", "orphans")


def rows(files: Iterable[str]) -> list[dict[str, Any]]:
    """Every row of every file, by fault and operation; the same group twice is the last one."""
    found = {(row["fault"], row["operation"]): row for file in files for row in json.loads(Path(file).read_text())}
    order = {name: place for place, name in enumerate(OPERATIONS)}
    return sorted(found.values(), key=lambda row: (row["fault"], order.get(row["operation"], len(order))))


def table(listed: list[dict[str, Any]]) -> str:
    """A csv-table: faults by operations, each cell the number of cases, and more only where not all of them ended well.

    The columns behind the operations are sums over them.
    """
    operations = [name for name in OPERATIONS if any(row["operation"] == name for row in listed)]
    faults = dict.fromkeys(row["fault"] for row in listed)
    groups = {fault.replace("_", " "): [row for row in listed if row["fault"] == fault] for fault in faults}
    heads = ["What goes wrong", *operations, *(name.capitalize() for name in FIGURES)]
    widths = " ".join(map(str, [30, *(9 for _ in operations), *(9 for _ in FIGURES)]))
    lines = [".. csv-table::", f"   :header: {_csv(heads)}", f"   :widths: {widths}", ""]
    for fault, rows_of_fault in {**groups, "**all**": listed}.items():
        cells = [_cell([row for row in rows_of_fault if row["operation"] == name]) for name in operations]
        lines.append(f"   {_csv([fault, *cells, *(str(_sum(rows_of_fault, name)) for name in FIGURES)])}")
    return "\n".join(lines) + "\n"


def _cell(found: list[dict[str, Any]]) -> str:
    """How many cases; in brackets what of them did not end well."""
    cases = _sum(found, "cases")
    bad = {"not converged": cases - _sum(found, "converged")} | {name: _sum(found, name) for name in FIGURES[3:]}
    told = ", ".join(f"{count} {name}" for name, count in bad.items() if count)
    return f"{cases or ''}" + (f" ({told})" if told else "")


def _sum(found: list[dict[str, Any]], name: str) -> int:
    return sum(row.get(name, 0) for row in found)


def _csv(cells: list[str]) -> str:
    return ", ".join(f'"{cell}"' for cell in cells)


def summed(file: str) -> list[dict[str, Any]]:
    """The lab's cases by fault and operation; those whose fault struck nothing do not count."""
    cases = [json.loads(line) for line in Path(file).read_text().splitlines()]
    struck = [case for case in cases if case["struck"]]
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for case in struck:
        fault = (
            case["fault"] if case["place"] != "journal" else case["fault"].replace("the call", "a line of the journal")
        )
        row = found.setdefault(
            (fault, case["operation"]),
            {"operation": case["operation"], "fault": fault, **dict.fromkeys((*FIGURES, "rewritten"), 0)},
        )
        row["cases"] += 1
        row["converged"] += case["converged"]
        # Where kills followed each other, it is the last one's run that may have ended by itself.
        row["alone"] += case["alone"] and not case["fault"].startswith("killed")
        row["rewritten"] += bool(case["writes"])
        for name in ("orphans", "duplicates", "lost"):
            row[name] += case[name]
    return list(found.values())


def peers(listed: list[dict[str, Any]]) -> str:
    """A list-table of what each contender left."""
    heads = ["Accident", "", "Exits", "Active", "Missing", "Twice", "Broken", "Seconds", "Left", "Exit"]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 26 14 10 8 9 8 8 9 8 8", "", *_line(heads)]
    for row in listed:
        cells = ["never" if row[name] is None else str(row[name]) for name in PEERS]
        exits = ", ".join(map(str, row["exits"]))
        lines += _line([*cells[:2], exits, *cells[2:], str(row["exit_down"])])
    return "\n".join(lines) + "\n"


def spill(told: dict[str, Any]) -> str:
    """A list-table of times to capacity."""
    heads = ["Case", "Runs", "Complete", "Seconds (median)", "Against the clean run"]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 40 8 10 16 20", "", *_line(heads)]
    for row in told["cases"]:
        lines += _line([str(row[name]) for name in ("case", "runs", "complete", "seconds", "ratio")])
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> list[str]:
    return [f"   {'* -' if place == 0 else '  -'} {cell}".rstrip() for place, cell in enumerate(cells)]


if __name__ == "__main__":
    if sys.argv[1] == "--sum":
        print(json.dumps(sorted(summed(sys.argv[2]), key=lambda row: (row["fault"], row["operation"])), indent=1))
    elif sys.argv[1] == "--spill":
        print(spill(json.loads(Path(sys.argv[2]).read_text())), end="")
    elif sys.argv[1] == "--peers":
        print(peers(json.loads(Path(sys.argv[2]).read_text())), end="")
    else:
        print(table(rows(sys.argv[1:])), end="")
