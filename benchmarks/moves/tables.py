"""The figures of the moves' benchmarks as tables of docs/migration.rst.

    python benchmarks/moves/tables.py docs/migration > docs/migration/moves.inc

Reads the JSON of that folder that `PARTS` names, as far as it is there.
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
    keys = ("case", "state", "cloud", "asked", "twice", "gap_s", "serves_again_s", "ports", "images")
    flat = [{**one, **one["arp"], **one["left"]} for one in told["cases"]]
    rows = [["" if one.get(key) is None else one[key] for key in keys] for one in flat]
    head = (
        "Fault",
        "Ended",
        "Then at",
        "ARP asked",
        "Answered twice",
        "Gap, s",
        "Source again after, s",
        "Ports left",
        "Images left",
    )
    return [f"``{told['command']}``:", "", *table(head, rows)]


def warm(told: dict[str, Any]) -> list[str]:
    """A line per mover, then per cut."""
    path = f"{told['rtt_ms']:g} ms and {told['rate_mbit']:g} Mbit/s"
    what = f"``{told['command']}``, a disk of {told['mib']} MiB over {path}; the gap is what a client saw:"
    keys = ("mover", "state", "gap_s", "total_s", "path_mib", "blocks_written_meanwhile", "same_disk")
    rows: list[list[object]] = [[one[key] for key in keys] for one in told["cases"]]
    rows.append(["**gap of image / gap of warm**", "", f"**{told.get('gap_ratio', '')}**", "", "", "", ""])
    head = ("Mover", "Ended", "Gap, s", "Whole, s", "MiB on the path", "Blocks written meanwhile", "Same disk")
    lines = [what, "", *table(head, rows)] if told["cases"] else []
    if told["cuts"]:
        rows = [
            ["with" if one["conversion_host"] else "without", one["state"], one["percent_of_disk"], one["same_disk"]]
            for one in told["cuts"]
        ]
        lines += [f"``{told['command']}``: the path cut once, in the middle of the copy:", ""]
        lines += table(("Conversion host", "Ended", "Bytes on the path, % of the image", "Same bytes"), rows)
    return lines


def fifty(told: dict[str, Any]) -> list[str]:
    """A line per figure."""
    end, left, struck, which = told["end"], told["left_after_destroy"], told["faults_struck"], told["struck"]
    rows: list[list[object]] = [
        ["servers", end["wanted"]],
        ["faults that struck, kills", f"{'not kept' if struck is None else struck}, {told['kills']}"],
        *([["of them", "; ".join(f"{name} {hits}" for name, hits in which.items())]] if which else []),
        ["moves done, undone, other", ", ".join(str(told["moves"].get(state, 0)) for state in ("done", "undone")) + ", "
         + str(sum(count for state, count in told["moves"].items() if state not in ("done", "undone")))],
        ["in the end at the new cloud, at home, ACTIVE", f"{end['at_target']}, {end['at_home']}, {end['active']}"],
        ["behind the balancer with a weight", end["members_serving"]],
        ["servers twice, members of nobody", f"{end['twice']}, {end['members_of_nobody']}"],
        ["ports and images of moves left", f"{end['orphans']['ports']}, {end['orphans']['images']}"],
        ["differences between event and clouds", end["drift"]],
        ["after the destroy: ports, images", f"{left['ports']}, {left['images']}"],
        ["passes of an operator", len(told["passes"])],
        ["seconds (load of the machine)", f"{told['seconds']} ({told['machine_load']})"],
    ]  # fmt: skip
    return [f"``{told['command']}``:", "", *table((f"By {told['mover']}", "Found"), rows)]


def peer(told: dict[str, Any]) -> list[str]:
    """A line per way."""
    rows = [
        [way, ", ".join(map(str, found)), told["disk_mib_on_controller"][way]] for way, found in told["seconds"].items()
    ]
    rows.append(["cloudsentry / openstack", told["ratio"], ""])
    what = f"``{told['command']}``, disks of {told['mib']} MiB, {told['commands_per_server']} commands per server:"
    return [what, "", *table(("Way", "Seconds per server", "MiB on the controller's disk"), rows)]


PARTS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "under-load.json": under_load,
    "copy.json": copied,
    "once.json": once,
    "warm.json": warm,
    "cuts.json": warm,
    "fifty-image.json": fifty,
    "fifty-replace.json": fifty,
    "peer.json": peer,
}


def main() -> None:
    """One table after the other."""
    folder = Path(sys.argv[1])
    parts = [part(json.loads((folder / name).read_text())) for name, part in PARTS.items() if (folder / name).exists()]
    print("\n".join(line for part in parts for line in part).rstrip())


if __name__ == "__main__":
    main()
