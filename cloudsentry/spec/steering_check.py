"""What a steering says of other parts of the file: targets, shares, keys of its driver. Plain data, as in `check`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from cloudsentry.errors import Fault
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.steering import NEEDED, OWN
from cloudsentry.spec.wording import found, nearest

Mapped = dict[str, object]
AUTHORITY = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
"""A host with perhaps a port: nothing that could end a quoted text, in whatever language."""
DOMAIN = re.compile(
    r"([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?"
)
BACKEND = re.compile(r"[A-Za-z0-9_.:-]+")


def check(tree: Tree, root: Mapped) -> Iterator[Fault]:
    """Every fault of the steerings of ``tree``."""
    for name, part in _mapping(root.get("steering")).items():
        path: Path = ("steering", name)
        steering = _mapping(part)
        yield from _keys(tree, path, steering)
        yield from _targets(tree, root, path, steering)
        yield from _fronts(tree, path, steering)
        yield from _name(tree, path, steering)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _keys(tree: Tree, path: Path, steering: Mapped) -> Iterator[Fault]:
    driver = steering.get("driver")
    if not isinstance(driver, str) or driver not in OWN:
        return
    for other, keys in OWN.items():
        for key in sorted((keys - OWN[driver]) & steering.keys()) if other != driver else ():
            yield tree.fault((*path, key), f"the driver '{driver}' has no {key} ('{other}' has)", at_key=True)
    for key in NEEDED[driver]:
        if key not in steering:
            yield tree.fault(path, f"the driver '{driver}' needs {key}: add '{key}'", at_key=True)
    at = steering.get("at", "local")
    url = isinstance(at, str) and at.startswith(("http://", "https://"))
    host = isinstance(at, str) and (at == "local" or at.startswith(("netns:", "ssh://")))
    if driver == "dns" and host:
        yield tree.fault((*path, "at") if "at" in steering else path, f"expected {_PLACES['dns']}", at_key=True)
    elif driver != "dns" and not host:
        yield tree.fault((*path, "at"), f"expected local, netns:NAME or ssh://user@host, found {found(at)}")
    elif url and "@" in str(at):
        yield tree.fault((*path, "at"), "an address with a password in it: the key comes from the environment")


_PLACES = {"dns": "the address of PowerDNS's API, such as http://127.0.0.1:8081, or a cloud that has Designate"}


def _targets(tree: Tree, root: Mapped, path: Path, steering: Mapped) -> Iterator[Fault]:
    targets, home = _mapping(steering.get("targets")), steering.get("home")
    if isinstance(home, str) and targets and home not in targets:
        yield tree.fault((*path, "home"), f"there is no target '{home}'{nearest(home, targets)}")
    total = 0.0
    for name, part in targets.items():
        spot: Path = (*path, "targets", name)
        target = _mapping(part)
        yield from _target(tree, root, spot, steering, target, name == home)
        share = target.get("share")
        total += share if isinstance(share, (int, float)) and not isinstance(share, bool) else 0
    if total > 100:
        yield tree.fault((*path, "targets"), f"the shares add up to {total:g} %, more than all clients", at_key=True)


def _target(tree: Tree, root: Mapped, path: Path, steering: Mapped, target: Mapped, home: bool) -> Iterator[Fault]:
    if target.get("to") is None and target.get("balancer") is None:
        yield tree.fault(path, "expected to, balancer or both", at_key=True)
    if home and "share" in target:
        yield tree.fault((*path, "share"), "home gets what the other targets leave: leave the share out", at_key=True)
    yield from _balancer(tree, root, (*path, "balancer"), target, home)
    driver = steering.get("driver")
    if driver != "prefix":
        for key in ("networks", "asns"):
            if key in target:
                yield tree.fault((*path, key), f"only the driver 'prefix' goes by {key}", at_key=True)
    else:
        yield from _networks(tree, (*path, "networks"), target.get("networks"))
        if "balancer" in target and target.get("to") is None:
            yield tree.fault((*path, "balancer"), "prefix sends to backends of HAProxy: name one by 'to'", at_key=True)
    yield from _to(tree, (*path, "to"), driver, target.get("to"))


def _balancer(tree: Tree, root: Mapped, path: Path, target: Mapped, home: bool) -> Iterator[Fault]:
    balancers, name = _mapping(root.get("balancers")), target.get("balancer")
    if not isinstance(name, str):
        return
    if name not in balancers:
        yield tree.fault(path, f"there is no balancer '{name}'{nearest(name, balancers)}")
        return
    spec = _mapping(balancers[name])
    if home:
        yield tree.fault(path, "home serves without the event, of which this balancer is a part", at_key=True)
    if target.get("to") is None and spec.get("host") is not None and spec.get("address") is None:
        yield tree.fault(path, f"clients cannot be sent to '{name}': give the balancer its 'address'")


def _to(tree: Tree, path: Path, driver: object, to: object) -> Iterator[Fault]:
    for text in to if isinstance(to, list) else [to]:
        if not isinstance(text, str):
            continue
        if driver == "dns" and not _is_address(text):
            yield tree.fault(path, f"expected IP addresses, found {found(text)}")
        elif driver == "reference" and not AUTHORITY.fullmatch(text):
            yield tree.fault(path, f"expected a host, perhaps with a port, as a URL has it, found {found(text)}")
        elif driver == "prefix" and not BACKEND.fullmatch(text):
            yield tree.fault(path, f"expected a backend's name as HAProxy takes it, found {found(text)}")
    if isinstance(to, list) and driver in ("reference", "prefix") and len(to) > 1:
        yield tree.fault(path, f"the driver '{driver}' sends to one place per target")


def _networks(tree: Tree, path: Path, networks: object) -> Iterator[Fault]:
    for index, text in enumerate(networks if isinstance(networks, list) else []):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            yield tree.fault((*path, index), f"expected a network such as 192.0.2.0/24, found {found(text)}")


def _fronts(tree: Tree, path: Path, steering: Mapped) -> Iterator[Fault]:
    fronts = steering.get("fronts")
    weighed = steering.get("backend") is not None
    if steering.get("driver") == "reference" and weighed != (steering.get("socket") is not None):
        lack = "socket" if weighed else "backend"
        yield tree.fault(path, f"the front balancer's weights need socket and backend: add '{lack}'", at_key=True)
    seen: set[tuple[object, object]] = set()
    for index, part in enumerate(fronts if isinstance(fronts, list) else []):
        spot: Path = (*path, "fronts", index)
        front = _mapping(part)
        file = front.get("file", steering.get("file"))
        if file is None:
            yield tree.fault(spot, "which file of this front names the image server? Add 'file'")
        if weighed and front.get("server") is None:
            yield tree.fault(spot, "what does the front balancer call this front? Add 'server'")
        if (front.get("host"), file) in seen:
            yield tree.fault(spot, "this file is named twice")
        seen.add((front.get("host"), file))


def _name(tree: Tree, path: Path, steering: Mapped) -> Iterator[Fault]:
    name, zone = steering.get("name"), steering.get("zone")
    if not isinstance(name, str) or not isinstance(zone, str):
        return
    for key, text in (("name", name), ("zone", zone)):
        if not DOMAIN.fullmatch(text):
            yield tree.fault((*path, key), f"expected a domain name, found {found(text)}")
            return
    low, end = name.rstrip(".").lower(), zone.rstrip(".").lower()
    if low != end and not low.endswith(f".{end}"):
        yield tree.fault((*path, "name"), f"'{name}' is not in the zone '{zone}'")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
