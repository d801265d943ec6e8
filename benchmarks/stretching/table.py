"""The tables of the page on stretching, from the JSON that `run.py` wrote.

python benchmarks/stretching/table.py docs/stretching docs/stretching/table.inc
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

ORDER = ("vlan", "gateway", "gateway-l3", "openvpn", "openvpn-l3", "router")
NAMES = {"gateway": "``gateway``, ``l2``", "gateway-l3": "``gateway``, ``l3``"}
NAMES |= {"openvpn": "``gateway``, ``l2``, OpenVPN", "openvpn-l3": "``gateway``, ``l3``, OpenVPN"}
Found = dict[str, dict[str, Any]]


def kinds(found: Found) -> list[str]:
    """Those that were measured, in the order of the page."""
    return [kind for kind in ORDER if kind in found]


def rows(found: Found) -> list[tuple[str, ...]]:
    """One row per figure, one column per kind."""

    def row(title: str, key: str, unit: str = "") -> tuple[str, ...]:
        told = [found[kind].get(key) for kind in kinds(found)]
        return title, *("–" if value is None else f"{value}{unit}" for value in told)

    images = [found[kind]["images"] for kind in kinds(found)]
    return [
        ("", *(NAMES.get(kind, f"``{kind}``") for kind in kinds(found))),
        row("TCP handshake through it, median", "rtt_ms", " ms"),
        row("the same over the WAN alone", "wan_rtt_ms", " ms"),
        row("latency added", "added_ms", " ms"),
        ("round trip as the ends' own probes told it", *(_rtts(found[kind].get("probes")) for kind in kinds(found))),
        ("25 KB images fetched, 32 connections", *(str(one["fetched"]) for one in images)),
        ("of them failed", *(str(one["errors"]) for one in images)),
        ("half of them within", *(str(one["median"]) for one in images)),
        ("99 % of them within", *(str(one.get("longest", "–")) for one in images)),
        ("TCP segments that the origin sent again", *(_again(one, "origin sent again") for one in images)),
        ("packets that the WAN dropped", *(_again(one, "WAN dropped") for one in images)),
        row("one TCP stream", "stretch_mbit", " Mbit/s"),
        row("the bare tunnel, same run", "tunnel_mbit", " Mbit/s"),
        row("the WAN alone, same run", "wan_mbit", " Mbit/s"),
        row("share of the tunnel, or of the WAN where there is none", "share"),
        row("apply, with both servers", "apply_s", " s"),
        row("destroy", "destroy_s", " s"),
        ("objects left", *(_count(found[kind].get("left")) for kind in kinds(found))),
        row("load of the machine (2 cores)", "load"),
    ]


def _again(images: dict[str, Any], what: str) -> str:
    return str(images.get("lost", {}).get(what, "–"))


def _rtts(probes: dict[str, float] | None) -> str:
    return ", ".join(f"{rtt:.1f}" for rtt in probes.values() if rtt) + " ms" if probes else "–"


def _count(left: Any) -> str:
    return str(len(left)) if isinstance(left, list | tuple) else "–"


def kills(found: Found) -> list[tuple[str, ...]]:
    """What became of one TCP connection in each kill, a column per kind that has pairs."""
    killed = {kind: found[kind]["kills"] for kind in kinds(found) if found[kind].get("kills")}
    lost = {kind: sorted(one["lost_s"] for one in killed[kind] if one["lost_s"] is not None) for kind in killed}
    return [
        ("", *(NAMES.get(kind, f"``{kind}``") for kind in killed)),
        ("active gateways killed", *(str(len(ones)) for ones in killed.values())),
        ("TCP connections that lived on", *(str(len(ones)) for ones in lost.values())),
        ("silence of the connection: least, median, most", *(_spread(ones) for ones in lost.values())),
        ("partner took over", *(str(sum(one["taken_over"] for one in ones)) for ones in killed.values())),
        ("came back and pre-empted", *(str(sum(one["preempted"] for one in ones)) for ones in killed.values())),
        (
            "addresses owned twice, by ARP",
            *(str(sum(len(one["owned_twice"]) for one in ones)) for ones in killed.values()),
        ),
    ]


def _spread(lost: list[float]) -> str:
    return f"{lost[0]:.2f}, {median(lost):.2f}, {lost[-1]:.2f} s" if lost else "–"


def moves(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """A row per move of a group with its router."""
    return [
        ("the group and its router move to", "seconds", "the session", "its longest silence"),
        *((one["to"], f"{one['seconds']} s", one["session"], f"{one['lost_s']} s") for one in found),
    ]


def table(lines: list[tuple[str, ...]]) -> str:
    """A list-table of reStructuredText."""
    body = [f"   {'*' if not index else ' '} - {cell}" for line in lines for index, cell in enumerate(line)]
    return "\n".join([".. list-table::", "   :header-rows: 1", "", *body, ""])


def main() -> None:
    """Write the file that the page includes."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    parts = [table(rows(found)), table(kills(found))]
    if moved := found.get("router", {}).get("moves"):
        parts.append(table(moves(moved)))
    out.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
