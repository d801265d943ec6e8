"""What stands, and what is then wanted: the operations that everything goes wrong in, on the fake drivers."""

from __future__ import annotations

import dataclasses
from typing import Any

from cloudsentry.spec.event import Event

CLOUDS = ("private", "public")
DNS = "dns"
"""Where clients are steered."""


def event(
    xeon: int = 2, *, weight: int = 10, image: str = "tiny", osaka: bool = True, spill: str = "", share: float = 0
) -> Event:
    """Two sites as in the source, small enough for thousands of cases."""
    alike = {"driver": "fake", "flavor": "nano", "networks": ["front"], "image": image}
    pins = [
        {"hypervisor": "xeon1", "count": xeon, "weight": weight},
        {"hypervisor": "opteron1", "count": 2, "weight": 2},
    ]
    pools: dict[str, Any] = {"nara": {**alike, "site": "nara", "pins": pins}}
    if spill:
        pools["nara"]["spill"] = [{"pool": spill}]
    if osaka:
        pools["osaka"] = {**alike, "site": "osaka", "pins": [{"anti_affinity": 1, "count": 2}]}
    targets = {"farm": {"to": "192.0.2.1"}, "nara": {"balancer": "web", "share": share}}
    steering = {"front": {"driver": "fake", "at": DNS, "home": "farm", "targets": targets}}
    return Event.model_validate(
        {
            "event": "cup",
            "steering": steering if share else {},
            "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
            "pools": pools,
            "balancers": {
                "web": {"site": "nara", "driver": "fake", "network": "front", "members": [{"pool": "nara"}], "drain": 3}
            },
        }
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Scenario:
    """What stands (None: nothing), and what is then wanted (None: nothing)."""

    name: str
    stands: Event | None
    wanted: Event | None


SCENARIOS = (
    Scenario("provision", None, event()),
    Scenario("re-weight", event(), event(weight=7)),
    Scenario("grow", event(), event(xeon=4)),
    Scenario("shrink", event(), event(xeon=1, osaka=False)),
    Scenario("replace", event(osaka=False), event(image="newer", osaka=False)),
    Scenario("steer", event(share=25), event(share=60)),
    Scenario("destroy", event(), None),
    Scenario("steer home", event(share=25), None),
)


SPILL = Scenario("spill", None, event(spill="osaka"))
"""What a hypervisor cannot have stands at the other site, while the others still boot."""
