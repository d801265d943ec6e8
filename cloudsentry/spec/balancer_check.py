"""What a balancer's driver cannot do, told when the file is read. Plain data, as in `check`.

Numbers and words are those of the drivers' own refusals, which stay: a plan may come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudsentry.errors import Fault
from cloudsentry.spec.positions import Path, Tree

Mapped = dict[str, object]
APACHE_WEIGHT_MOST = 100
"""mod_proxy_balancer's load factors end here."""


def check(tree: Tree, root: Mapped) -> Iterator[Fault]:
    """Every fault of a balancer that its driver would refuse when it acts."""
    for name, part in _mapping(root.get("balancers")).items():
        balancer = _mapping(part)
        path: Path = ("balancers", name)
        driver = balancer.get("driver", "octavia")
        if driver in ("haproxy", "apache"):
            yield from _daemon(tree, path, str(driver), balancer)
        if driver == "apache":
            yield from _apache(tree, path, balancer)
            yield from _weights(tree, root, balancer)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _daemon(tree: Tree, path: Path, driver: str, balancer: Mapped) -> Iterator[Fault]:
    if _mapping(balancer.get("monitor")).get("type") == "PING":
        yield tree.fault((*path, "monitor", "type"), f"{driver} cannot ping its members: expected HTTP or TCP")
    if balancer.get("provider") is not None:
        yield tree.fault((*path, "provider"), f"{driver} has no providers: leave it out", at_key=True)


def _apache(tree: Tree, path: Path, balancer: Mapped) -> Iterator[Fault]:
    if balancer.get("protocol") == "TCP":
        yield tree.fault((*path, "protocol"), "apache balances HTTP only: use the driver haproxy for TCP")
    if balancer.get("algorithm") == "SOURCE_IP":
        message = "apache cannot balance by the client's address without cookies: use the driver haproxy"
        yield tree.fault((*path, "algorithm"), message)


def _weights(tree: Tree, root: Mapped, balancer: Mapped) -> Iterator[Fault]:
    pools = _mapping(root.get("pools"))
    members = balancer.get("members")
    named = [_mapping(one).get("pool") for one in members] if isinstance(members, list) else []
    for pool in dict.fromkeys(name for name in named if isinstance(name, str)):
        pins = _mapping(pools.get(pool)).get("pins")
        for index, pin in enumerate(pins if isinstance(pins, list) else []):
            weight = _mapping(pin).get("weight")
            if isinstance(weight, int) and APACHE_WEIGHT_MOST < weight <= 256:
                message = (
                    f"apache's weights end at {APACHE_WEIGHT_MOST}, found {weight}: scale this pool's weights down"
                )
                yield tree.fault(("pools", pool, "pins", index, "weight"), message)
