"""The harness's figures as a table of docs/reliability.rst.

CLOUDSENTRY_RELIABILITY_JSON=figures.json pytest tests/reliability
python benchmarks/reliability/table.py figures*.json > docs/reliability-table.inc
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FIGURES = ("cases", "converged", "orphans", "duplicates", "lost")
OPERATIONS = ("provision", "re-weight", "grow", "shrink", "replace", "destroy")


def rows(files: Iterable[str]) -> list[dict[str, Any]]:
    """Every row of every file, by fault and operation; the same group twice is the last one."""
    found = {(row["fault"], row["operation"]): row for file in files for row in json.loads(Path(file).read_text())}
    order = {name: place for place, name in enumerate(OPERATIONS)}
    return sorted(found.values(), key=lambda row: (row["fault"], order.get(row["operation"], len(order))))


def table(listed: list[dict[str, Any]]) -> str:
    """A list-table, with the sums below."""
    total = {name: sum(row[name] for row in listed) for name in FIGURES}
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 34 16 10 12 10 12 6",
        "",
        *_line(["What goes wrong", "Operation", "Cases", "Converged", "Orphans", "Duplicates", "Lost"]),
    ]
    for row in listed:
        lines += _line([row["fault"].replace("_", " "), row["operation"], *(str(row[name]) for name in FIGURES)])
    lines += _line(["**all**", "", *(f"**{total[name]}**" for name in FIGURES)])
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> list[str]:
    return [f"   {'* -' if place == 0 else '  -'} {cell}".rstrip() for place, cell in enumerate(cells)]


if __name__ == "__main__":
    print(table(rows(sys.argv[1:])), end="")
