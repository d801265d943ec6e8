"""What an event file's parts say of each other: references, places, weights, days.

Works on the plain data, not on the models, and passes over what has the wrong type (the models
have said so): thus a file's references are checked even while other faults are in it.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator

from cloudsentry.errors import Fault
from cloudsentry.records.marks import PREFIX
from cloudsentry.spec import balancer_check, steering_check, stretch_check
from cloudsentry.spec.check_scaling import check_scaling
from cloudsentry.spec.event import USER_DATA_MAX, Pin
from cloudsentry.spec.positions import Path, Tree
from cloudsentry.spec.scalars import seconds
from cloudsentry.spec.spill import Spill
from cloudsentry.spec.wording import alike, found, nearest

PLACES = ("hypervisor", "zone", "aggregate", "trait", "anti_affinity")
METADATA_MAX = 255
"""Characters of a key and of a value of Nova's server metadata."""

_METADATA_KEY = re.compile(r"[A-Za-z0-9_:. -]{1,255}")
Mapped = dict[str, object]


def check(tree: Tree) -> Iterator[Fault]:
    """Every fault between the parts of ``tree``."""
    root = _mapping(tree.data)
    yield from _calendar(tree, _mapping(root.get("calendar")))
    for name, pool in _mapping(root.get("pools")).items():
        yield from _pool(tree, root, name, _mapping(pool))
    for name, balancer in _mapping(root.get("balancers")).items():
        yield from _balancer(tree, root, name, _mapping(balancer))
    yield from _measured(tree, root)
    yield from stretch_check.check(tree, root)
    yield from steering_check.check(tree, root)
    yield from balancer_check.check(tree, root)
    yield from check_scaling(tree)


def _mapping(value: object) -> Mapped:
    return value if isinstance(value, dict) else {}


def _items(value: object) -> list[Mapped]:
    """A list's mappings, in their places: what is none counts as empty."""
    return [_mapping(part) for part in value] if isinstance(value, list) else []


def _calendar(tree: Tree, calendar: Mapped) -> Iterator[Fault]:
    zone = calendar.get("timezone", "UTC")
    if isinstance(zone, str) and not _is_zone(zone):
        message = f"expected an IANA time zone such as Asia/Tokyo, found {found(zone)}{_zone_meant(zone)}"
        yield tree.fault(("calendar", "timezone"), message)
    first, last = _day(calendar.get("from")), _day(calendar.get("until"))
    if first and last and last < first:
        yield tree.fault(("calendar", "until"), f"the last day, {last}, is before the first, {first}")


def _zone_meant(zone: str) -> str:
    """The zone that is written alike, or whose city is."""
    known = sorted(zoneinfo.available_timezones())
    cities = {name.rsplit("/", 1)[-1]: name for name in known}
    meant = alike(zone, known) or cities.get(alike(zone, cities) or "")
    return f"; did you mean '{meant}'?" if meant else ""


def _is_zone(name: str) -> bool:
    try:
        return bool(zoneinfo.ZoneInfo(name).key)
    except (KeyError, ValueError, OSError):  # a folder of the database, a name with .. in it, one too long
        return False


def _day(value: object) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _reference(tree: Tree, root: Mapped, path: Path, kind: str, name: object) -> Iterator[Fault]:
    """A fault where ``name`` is text and none of the file's ``kind`` (sites, pools)."""
    known = _mapping(root.get(kind))
    if isinstance(name, str) and name not in known:
        yield tree.fault(path, f"there is no {kind[:-1]} '{name}'{nearest(name, known)}")


def _pool(tree: Tree, root: Mapped, name: str, pool: Mapped) -> Iterator[Fault]:
    path: Path = ("pools", name)
    yield from _reference(tree, root, (*path, "site"), "sites", pool.get("site"))
    yield from _user_data(tree, (*path, "user_data"), pool.get("user_data"))
    yield from _metadata(tree, (*path, "metadata"), _mapping(pool.get("metadata")))
    yield from _pins(tree, (*path, "pins"), name, _items(pool.get("pins")))
    yield from _spill(tree, root, (*path, "spill"), name, _items(pool.get("spill")))


def _spill(tree: Tree, root: Mapped, path: Path, pool: str, entries: list[Mapped]) -> Iterator[Fault]:
    for index, entry in enumerate(entries):
        named = [kind for kind in ("aggregate", "trait", "pool") if entry.get(kind) is not None]
        if entry and len(named) != 1 and entry.keys() <= Spill.model_fields.keys():
            yield tree.fault((*path, index), "expected one of aggregate, trait and pool")
        yield from _reference(tree, root, (*path, index, "pool"), "pools", entry.get("pool"))
        if entry.get("pool") == pool:
            yield tree.fault((*path, index, "pool"), "a pool cannot spill into itself: name an aggregate or a trait")


def _user_data(tree: Tree, path: Path, text: object) -> Iterator[Fault]:
    if isinstance(text, str) and len(text) <= USER_DATA_MAX < len(text.encode()):
        yield tree.fault(path, f"expected at most {USER_DATA_MAX} bytes, found {len(text.encode())}")


def _metadata(tree: Tree, path: Path, metadata: Mapped) -> Iterator[Fault]:
    for key, value in metadata.items():
        if key.startswith(PREFIX):
            message = f"keys that begin with '{PREFIX}' are the marks by which servers are found: choose another"
            yield tree.fault((*path, key), message, at_key=True)
        elif not _METADATA_KEY.fullmatch(key):
            message = f"expected a key of at most {METADATA_MAX} letters, digits, blanks and :-_. as Nova has them"
            yield tree.fault((*path, key), message, at_key=True)
        if isinstance(value, str) and len(value) > METADATA_MAX:
            yield tree.fault((*path, key), f"expected at most {METADATA_MAX} characters, found {len(value)}")


def _pins(tree: Tree, path: Path, pool: str, pins: list[Mapped]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for index, pin in enumerate(pins):
        if not pin.keys() <= Pin.model_fields.keys() or not pin:
            continue  # perhaps a misspelt place: the models have said so
        places = [kind for kind in PLACES if pin.get(kind) is not None]
        spot: Path = (*path, index, *places[-1:])
        if len(places) > 1:
            yield tree.fault(spot, f"a pin names one place, found {' and '.join(places)}", at_key=True)
            continue
        unit = _unit(pool, places, pin)
        if unit in first:
            where = f"{places[0]} '{pin[places[0]]}'" if places else "any hypervisor"
            line = tree.fault((*path, first[unit]), "").line
            yield tree.fault(spot, f"the pool is pinned to {where} already (line {line}): add up the counts")
        elif len(unit) > METADATA_MAX:
            yield tree.fault(spot, f"pool and place have {len(unit)} characters, {METADATA_MAX} fit into a mark")
        first.setdefault(unit, index)
        if places == ["anti_affinity"] and len(pins) > 1:
            message = (
                "anti_affinity must be the pool's only pin: servers of other pins are not in its server group "
                "and may land on the same hypervisors; make it a pool of its own"
            )
            yield tree.fault(spot, message, at_key=True)


def _unit(pool: str, places: list[str], pin: Mapped) -> str:
    """The name of a pin's unit as the planner builds it; one that needs no cloud to be known."""
    if not places:
        return f"{pool}@any"
    (kind,) = places
    return f"{pool}@{pin[kind]}" if kind == "hypervisor" else f"{pool}@{kind}:{pin[kind]}"


def _balancer(tree: Tree, root: Mapped, name: str, balancer: Mapped) -> Iterator[Fault]:
    path: Path = ("balancers", name)
    yield from _reference(tree, root, (*path, "site"), "sites", balancer.get("site"))
    yield from _vip(tree, path, balancer)
    yield from _monitor(tree, (*path, "monitor"), _mapping(balancer.get("monitor")))
    members = _items(balancer.get("members"))
    yield from _fallbacks(tree, path, balancer, members)
    reweigh = balancer.get("reweigh")
    if isinstance(reweigh, dict) and balancer.get("driver", "octavia") == "octavia" and reweigh.get("place") is None:
        message = "octavia tells no times of its members: add 'place', a host on their network to time them from"
        yield tree.fault((*path, "reweigh"), message, at_key=True)
    yield from _members(tree, root, (*path, "members"), balancer.get("site"), members)
    if balancer.get("weights") != "measured" and _all_idle(root, members):
        message = "every server behind this balancer has weight 0, so that none would be asked"
        yield tree.fault((*path, "members"), message, at_key=True)


def _fallbacks(tree: Tree, path: Path, balancer: Mapped, members: list[Mapped]) -> Iterator[Fault]:
    """Somebody must be able to fetch from where the balancer is, and somebody must be asked first."""
    for index, member in enumerate(members):
        fallback = member.get("fallback")
        if isinstance(fallback, dict) and balancer.get("host") is None and fallback.get("place") is None:
            message = "octavia tells nothing of a path: add 'place', a host on the VIP's network to try it from"
            yield tree.fault((*path, "members", index, "fallback"), message, at_key=True)
    if members and all(isinstance(member.get("fallback"), dict) for member in members):
        yield tree.fault((*path, "members"), "all members are fallbacks: one must be asked first", at_key=True)


def _measured(tree: Tree, root: Mapped) -> Iterator[Fault]:
    """A pool's weights are the same behind each of its balancers: measured behind all of them, or behind none."""
    balancers = {name: _mapping(part) for name, part in _mapping(root.get("balancers")).items()}
    measured = {name for name, part in balancers.items() if part.get("weights") == "measured"}
    behind = {
        name: {pool for member in _items(part.get("members")) if isinstance(pool := member.get("pool"), str)}
        for name, part in balancers.items()
    }
    for name in sorted(balancers.keys() - measured):
        for other in sorted(measured):
            for pool in sorted(behind[name] & behind[other]):
                message = f"the pool '{pool}' has measured weights behind '{other}', and would have them here: say so"
                yield tree.fault(("balancers", name, "members"), message, at_key=True)
    if _mapping(root.get("calibration")).get("responses") is not None and not measured:
        message = "no balancer has measured weights, so no pool's counts follow: add 'weights: measured' to one"
        yield tree.fault(("calibration", "responses"), message)


def _vip(tree: Tree, path: Path, balancer: Mapped) -> Iterator[Fault]:
    """A VIP is of a network, or else on a host of the balancer's own."""
    if balancer and all(balancer.get(key) is None for key in ("network", "subnet", "host")):
        yield tree.fault(path, "a balancer needs the network or the subnet of its VIP: add 'network'", at_key=True)
    if balancer.get("driver", "octavia") == "octavia":
        for key in ("host", "address"):
            if balancer.get(key) is not None:
                message = f"octavia's balancers have no {key} of their own: name another driver, or leave it out"
                yield tree.fault((*path, key), message, at_key=True)


def _monitor(tree: Tree, path: Path, monitor: Mapped) -> Iterator[Fault]:
    delay, timeout = _seconds(monitor.get("delay", 5)), _seconds(monitor.get("timeout", 3))
    if delay is not None and timeout is not None and timeout > delay:
        key = "timeout" if "timeout" in monitor else "delay"
        yield tree.fault((*path, key), f"the timeout, {timeout:g} s, is longer than the delay, {delay:g} s")
    if monitor.get("type") in ("TCP", "PING") and "path" in monitor:
        yield tree.fault((*path, "path"), f"a {monitor['type']} monitor asks for no path", at_key=True)


def _seconds(value: object) -> float | None:
    try:
        known = seconds(value)
    except ValueError:
        return None
    return float(known) if isinstance(known, (int, float)) and not isinstance(known, bool) else None


def _members(tree: Tree, root: Mapped, path: Path, site: object, members: list[Mapped]) -> Iterator[Fault]:
    """Members stand at the balancer's own site.

    Why: the source's proxy cut transfers off when its backends were at the other site, and worked with near ones only.
    """
    sites, pools = _mapping(root.get("sites")), _mapping(root.get("pools"))
    seen: set[tuple[object, object]] = set()
    for index, member in enumerate(members):
        spot: Path = (*path, index, "pool")
        name = member.get("pool")
        if not isinstance(name, str):
            continue
        yield from _reference(tree, root, spot, "pools", name)
        other = _mapping(pools.get(name)).get("site")
        if _known(site, sites) and _known(other, sites) and other != site and not _may_be_far(member):
            yield tree.fault(spot, _too_far(name, str(other), str(site)))
        if (name, _port(member)) in seen:
            yield tree.fault(spot, f"the pool '{name}' is a member already on the same port")
        seen.add((name, _port(member)))


def _known(name: object, parts: Mapped) -> bool:
    return isinstance(name, str) and name in parts


def _may_be_far(member: Mapped) -> bool:
    return member.get("far") is True or isinstance(member.get("fallback"), dict)


def _too_far(pool: str, other: str, site: str) -> str:
    return (
        f"the pool '{pool}' stands at site '{other}', the balancer at '{site}': a balancer takes members of its own "
        f"site, because transfers from far members were cut off; give '{other}' a balancer of its own, or make it a "
        "'fallback'"
    )


def _port(member: Mapped) -> str:
    return str(member.get("port", 80))


def _all_idle(root: Mapped, members: list[Mapped]) -> bool:
    """Whether there are servers behind these members, and each has weight 0."""
    pools = _mapping(root.get("pools"))
    names = [name for member in members if isinstance(name := member.get("pool"), str)]
    pins = [pin for name in names for pin in _items(_mapping(pools.get(name)).get("pins")) if pin.get("count")]
    return bool(pins) and all(pin.get("weight") == 0 for pin in pins)
