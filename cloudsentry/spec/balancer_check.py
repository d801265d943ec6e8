"""What a balancer's driver cannot do, told when the file is read. Plain data, as in `check`.

Numbers and words are those of the drivers' own refusals, which stay: a plan may come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudsentry.errors import Fault
from cloudsentry.spec.carriers import DAEMONS
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
        if driver in ("haproxy", "apache", *DAEMONS):
            yield from _daemon(tree, path, str(driver), balancer)
        if driver in DAEMONS or balancer.get("carried_by") is not None:
            yield from _carried(tree, root, path, str(driver), balancer)
        if driver in ("apache", "apache-pair"):
            yield from _apache(tree, path, balancer)
            yield from _weights(tree, root, balancer)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _daemon(tree: Tree, path: Path, driver: str, balancer: Mapped) -> Iterator[Fault]:
    if _mapping(balancer.get("monitor")).get("type") == "PING":
        yield tree.fault((*path, "monitor", "type"), f"{driver} cannot ping its members: expected HTTP or TCP")
    if balancer.get("provider") is not None:
        yield tree.fault((*path, "provider"), f"{driver} has no providers: leave it out", at_key=True)


def _carried(tree: Tree, root: Mapped, path: Path, driver: str, balancer: Mapped) -> Iterator[Fault]:
    """A balancer on servers of the event's own: which pool they are of, and on which network its address is."""
    name = balancer.get("carried_by")
    if driver not in DAEMONS:
        yield tree.fault((*path, "carried_by"), f"{driver} runs on no pool: name {' or '.join(DAEMONS)}", at_key=True)
        return
    if balancer.get("host") is not None:
        yield tree.fault((*path, "host"), f"{driver} runs on the servers of 'carried_by': leave it out", at_key=True)
    if balancer.get("network") is None and balancer.get("subnet") is not None:
        yield tree.fault((*path, "subnet"), f"{driver} needs the network of its address too: add 'network'")
    if not isinstance(name, str):
        yield tree.fault(path, f"{driver} needs a pool that carries it: add 'carried_by'", at_key=True)
        return
    pool = _mapping(root.get("pools")).get(name)
    if pool is None:
        yield tree.fault((*path, "carried_by"), f"no pool '{name}'")
        return
    if _mapping(pool).get("site") != balancer.get("site"):
        yield tree.fault((*path, "carried_by"), f"the pool '{name}' stands at another site than the balancer")
    if _mapping(pool).get("driver", "nova") != "nova":
        yield tree.fault((*path, "carried_by"), f"the pool '{name}' is none of Nova's: its address could not be shared")
    members = balancer.get("members")
    if any(_mapping(one).get("pool") == name for one in (members if isinstance(members, list) else [])):
        yield tree.fault((*path, "carried_by"), f"the pool '{name}' is a member of the balancer that it carries")


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
