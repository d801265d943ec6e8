"""What a stretch says of other parts of the file: sites, segments, addresses. Plain data, as in `check`."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from cloudsentry.errors import Fault
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.stretch import MODES, NEEDED, OWN
from cloudsentry.spec.wording import found, nearest

Mapped = dict[str, object]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check(tree: Tree, root: Mapped) -> Iterator[Fault]:
    """Every fault between the stretches of ``tree``, and between them and the sites."""
    stretches = {name: _mapping(part) for name, part in _mapping(root.get("stretches")).items()}
    for name, stretch in stretches.items():
        path: Path = ("stretches", name)
        yield from _sites(tree, root, path, stretch)
        yield from _keys(tree, path, stretch)
        yield from _addresses(tree, path, stretch)
        yield from _together(tree, root, name, stretch)
        yield from _adopted(tree, root, name, stretch)
    yield from _segments(tree, stretches)
    yield from _overlaps(tree, stretches)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _between(stretch: Mapped) -> list[str]:
    between = stretch.get("between")
    return [site for site in between if isinstance(site, str)] if isinstance(between, list) else []


def _sites(tree: Tree, root: Mapped, path: Path, stretch: Mapped) -> Iterator[Fault]:
    sites, between = _mapping(root.get("sites")), _between(stretch)
    for index, site in enumerate(between):
        if site not in sites:
            yield tree.fault((*path, "between", index), f"there is no site '{site}'{nearest(site, sites)}")
    if len(between) == 2:
        clouds = [_mapping(sites.get(site)).get("cloud") for site in between]
        if between[0] == between[1]:
            yield tree.fault((*path, "between", 1), f"a stretch joins two sites, found '{between[0]}' twice")
        elif clouds[0] is not None and clouds[0] == clouds[1]:
            message = f"both sites are the cloud '{clouds[0]}', which needs no stretch: give its servers one network"
            yield tree.fault((*path, "between"), message, at_key=True)
    for key in ("allocation", "subnets", "external", "cidrs", "image", "flavor", "zone", "adopt", "bgpvpn", "routers"):
        for site in _mapping(stretch.get(key)):
            if between and site not in between:
                message = f"'{site}' is none of the two sites{nearest(site, between)}"
                yield tree.fault((*path, key, site), message, at_key=True)
    for key in ("gateway", "origin", "home"):
        named = stretch.get(key)
        if isinstance(named, str) and between and named not in between:
            yield tree.fault((*path, key), f"'{named}' is none of the two sites{nearest(named, between)}")


def _keys(tree: Tree, path: Path, stretch: Mapped) -> Iterator[Fault]:
    driver = stretch.get("driver")
    if not isinstance(driver, str) or driver not in OWN:
        return
    known = OWN[driver]
    for other, keys in OWN.items():
        for key in sorted((keys - known) & stretch.keys()) if other != driver else ():
            known |= {key}  # told once
            yield tree.fault((*path, key), f"the driver '{driver}' has no {key} ('{other}' has)", at_key=True)
    mode = stretch.get("mode", "l2")
    further = MODES.get(mode, ()) if driver in ("gateway", "bgpvpn") and isinstance(mode, str) else ()
    for key in (*NEEDED[driver], *further):
        if key not in stretch:
            what = f"the driver '{driver}'" + (f" with mode {mode}" if key in further else "")
            yield tree.fault(path, f"{what} needs {key}: add '{key}'", at_key=True)
    if driver == "vlan" and ("image" in stretch) != ("flavor" in stretch):
        there, lacks = ("image", "flavor") if "image" in stretch else ("flavor", "image")
        yield tree.fault((*path, there), f"a prober needs both an image and a flavor: add '{lacks}'", at_key=True)
    for key in ("allocation", "subnets", "cidrs", "image", "flavor", "bgpvpn"):
        given = _mapping(stretch.get(key))
        for site in _between(stretch) if given else ():
            if site not in given:
                yield tree.fault((*path, key), f"nothing is said for the site '{site}'", at_key=True)


def _together(tree: Tree, root: Mapped, name: str, stretch: Mapped) -> Iterator[Fault]:
    """A router and the servers behind it share one hypervisor: they move as one."""
    where = stretch.get("hypervisor")
    if stretch.get("driver") != "router" or not isinstance(where, str):
        return
    for pool, body in _mapping(root.get("pools")).items():
        part = _mapping(body)
        networks, pins = part.get("networks"), part.get("pins")
        mine = isinstance(networks, list) and name in networks and part.get("site") != stretch.get("home")
        for index, pin in enumerate(pins if mine and isinstance(pins, list) else ()):
            if _mapping(pin).get("hypervisor") != where:
                message = f"the servers on '{name}' stand where its router stands: expected hypervisor '{where}'"
                yield tree.fault(("pools", pool, "pins", index), message)


def _adopted(tree: Tree, root: Mapped, name: str, stretch: Mapped) -> Iterator[Fault]:
    """A network that is there already has a name of its own, by which the pools of its site know it."""
    adopted, routers = _mapping(stretch.get("adopt")), _mapping(stretch.get("routers"))
    if stretch.get("driver") != "bgpvpn" and adopted and all(site in adopted for site in _between(stretch)):
        message = "at least one end is to be made: two networks that are there need no stretch"
        yield tree.fault(("stretches", name, "adopt"), message, at_key=True)
    if routers and stretch.get("mode") != "l3":
        yield tree.fault(("stretches", name, "routers"), "a router joins layer 3: add 'mode: l3'", at_key=True)
    for both in sorted(adopted.keys() & routers.keys()):
        message = f"the end at '{both}' is a network or a router, not both"
        yield tree.fault(("stretches", name, "routers", both), message, at_key=True)
    for pool, body in _mapping(root.get("pools")).items():
        part = _mapping(body)
        networks, site = part.get("networks"), part.get("site")
        if not isinstance(site, str) or not isinstance(networks, list) or name not in networks:
            continue
        spot: Path = ("pools", pool, "networks", networks.index(name))
        if site in adopted:
            yield tree.fault(spot, f"at '{site}' the network of '{name}' is called '{adopted[site]}': name it so")
        elif site in routers:
            yield tree.fault(spot, f"at '{site}' router '{routers[site]}' joins '{name}': name a network behind it")


def _addresses(tree: Tree, path: Path, stretch: Mapped) -> Iterator[Fault]:
    text = stretch.get("cidr")
    cidr = _network(text)
    if isinstance(text, str) and cidr is None:
        yield tree.fault((*path, "cidr"), f"expected a network such as 10.9.8.0/24, found {found(text)}")
    for site, one in _mapping(stretch.get("cidrs")).items():
        if isinstance(one, str) and _network(one) is None:
            yield tree.fault((*path, "cidrs", site), f"expected a network such as 10.9.8.0/24, found {found(one)}")
    taken: list[tuple[str, Address, Address]] = []
    for site, written in _mapping(stretch.get("allocation")).items():
        spot: Path = (*path, "allocation", site)
        ends = _range(written)
        if ends is None:
            continue  # no range at all: the models have said so
        first, last = ends
        if first.version != last.version or int(first) > int(last):
            yield tree.fault(spot, f"expected the first address before the last, found {found(written)}")
            continue
        if cidr is not None and not (first in cidr and last in cidr):
            yield tree.fault(spot, f"{first}-{last} is not within {cidr}")
        elif cidr is not None:
            yield from _reserved(tree, spot, cidr, first, last)
        for other, low, high in taken:
            if low.version == first.version and int(first) <= int(high) and int(low) <= int(last):
                message = f"{first}-{last} and the addresses of '{other}', {low}-{high}, overlap: two would own one"
                yield tree.fault(spot, message)
        taken.append((site, first, last))


def _reserved(tree: Tree, spot: Path, cidr: Network, first: Address, last: Address) -> Iterator[Fault]:
    """The first address is the gateway's; the network's and the broadcast address are nobody's."""
    kept = {cidr.network_address: "the network's own", cidr[1]: "the gateway's", cidr[-1]: "the broadcast address"}
    for address, whose in kept.items():
        if int(first) <= int(address) <= int(last):
            yield tree.fault(spot, f"{first}-{last} holds {address}, {whose}")


def _segments(tree: Tree, stretches: dict[str, Mapped]) -> Iterator[Fault]:
    """One segment is stretched once: a second way between the same switches would be a loop."""
    first: dict[tuple[str, int], str] = {}
    for name, stretch in stretches.items():
        physical, vlan = stretch.get("physical_network"), stretch.get("vlan")
        if not isinstance(physical, str) or not isinstance(vlan, int):
            continue
        other = first.setdefault((physical, vlan), name)
        if other != name:
            message = f"VLAN {vlan} of {physical} is stretched by '{other}' already: twice would be a layer-2 loop"
            yield tree.fault(("stretches", name, "vlan"), message)


def _overlaps(tree: Tree, stretches: dict[str, Mapped]) -> Iterator[Fault]:
    known: list[tuple[str, Network]] = []
    for name, stretch in stretches.items():
        cidr = _network(stretch.get("cidr"))
        if cidr is None:
            continue
        for other, network in known:
            if network.version == cidr.version and cidr.overlaps(network):
                message = f"{cidr} and the addresses of '{other}', {network}, overlap"
                yield tree.fault(("stretches", name, "cidr"), message)
        known.append((name, cidr))


def _network(text: object) -> Network | None:
    try:
        network = ipaddress.ip_network(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return network if network is not None and network.num_addresses >= 4 else None


def _range(text: object) -> tuple[Address, Address] | None:
    first, _, last = text.partition("-") if isinstance(text, str) else ("", "", "")
    try:
        return ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    except ValueError:
        return None
