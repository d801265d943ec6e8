"""The WAN between the sites: what it is set to, and which layer 2 segments cross it.

`<lab>/run/wan.json` holds the settings and, per physical network and VLAN id, the bridge that each site has for it;
`<lab>/run/wan.conf` is the same for the relay (wan.c), which re-reads it whenever it is replaced. A VLAN that has a
bridge at both sites is one layer 2. Only the standard library.
"""

import json
import zlib

if __package__:
    from . import wires
else:  # in the lab, where this folder is on PYTHONPATH
    import wires  # type: ignore[import-not-found,no-redef]

SITES = ("private", "public")
DEFAULTS = {"rtt_ms": 40.0, "rate_mbit": 1000.0, "loss_percent": 0.0, "mtu": 0.0}
QUEUE_KB = 4096


def path(name: str) -> str:
    return f"{wires.lab()}/run/{name}"


def state() -> dict:
    """The settings of DEFAULTS, and "segments": {"<physnet>.<vlan>": {"<cloud>": bridge}}."""
    return {**DEFAULTS, "segments": {}} | wires.read(path("wan.json"))


def change(settings: dict) -> dict:
    """The link has these settings, the others as they were, within a fifth of a second. The whole state."""
    with wires.locked(path("wan.lock")):
        now = state() | settings
        _write(now)
    return now


def join(cloud: str, physical_network: str, vlan: int, bridge: str) -> None:
    """`bridge` is the cloud's part of this VLAN; both sites' parts are one layer 2 once both exist."""
    with wires.locked(path("wan.lock")):
        now = state()
        ends = now["segments"].setdefault(f"{physical_network}.{vlan}", {})
        if ends.get(cloud) != bridge:
            ends[cloud] = bridge
            _write(now)


def leave(cloud: str, bridge: str) -> None:
    """`bridge` is gone: the cloud has no part of its VLAN any more."""
    with wires.locked(path("wan.lock")):
        now = state()
        kept = {
            segment: {site: name for site, name in ends.items() if (site, name) != (cloud, bridge)}
            for segment, ends in now["segments"].items()
        }
        kept = {segment: ends for segment, ends in kept.items() if ends}
        if kept != now["segments"]:
            _write(now | {"segments": kept})


def device(segment: str) -> str:
    """The relay's device of a segment, at both ends: short enough for the kernel, the same for the same segment."""
    vlan = segment.rpartition(".")[2]
    return f"w{vlan}-{zlib.crc32(segment.encode()):08x}"[: wires.KERNEL_NAME]


def render(now: dict) -> str:
    """The relay's configuration."""
    lines = [
        "ends " + " ".join(wires.site(cloud) for cloud in SITES),
        f"delay_us {round(now['rtt_ms'] * 500)}",
        f"rate_kbit {round(now['rate_mbit'] * 1000)}",
        f"loss_ppm {round(now['loss_percent'] * 10_000)}",
        f"queue_kb {QUEUE_KB}",
        f"mtu {round(now['mtu'])}",
    ]
    for segment, ends in sorted(now["segments"].items()):
        if all(cloud in ends for cloud in SITES):
            lines.append(f"segment {device(segment)} " + " ".join(ends[cloud] for cloud in SITES))
    return "\n".join(lines) + "\n"


def _write(now: dict) -> None:
    wires.replace(path("wan.json"), json.dumps(now, indent=1, sort_keys=True))
    wires.replace(path("wan.conf"), render(now))
