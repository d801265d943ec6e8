"""The stretch driver `vlan`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterable
from dataclasses import replace

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.drivers.stretch import neutron, prober
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.vlan import adopt, calls, guard, read
from cloudsentry.errors import Busy, Conflict
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, End, Fact, JoinEnd, Offer, OpenEnd, StretchOrder, StretchView

ALIKE = ("cidr", "mtu", "vlan")


class VlanStretch(StretchDriver):
    """Networks on a provider's segment that its operator carries to the other site.

    Needs an administrator's rights, Neutron's `provider` extension, and tags (2017). That the two physical
    networks are joined is the operator's promise: Neutron cannot be asked for it.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._connect = connect
        self._opened: Cloud | None = None

    def __repr__(self) -> str:
        return f"VlanStretch({self._name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says: two lists, and for a full look what speaks against the ends."""
        ends = self._ends(scope.event, scope.full)
        if not scope.full:
            return StretchView(driver="vlan", cloud=self._name, ends=ends)
        wanted = [(unit, dict(options)) for unit, options in scope.wanted]
        return StretchView(
            driver="vlan",
            cloud=self._name,
            ends=ends,
            missing=guard.refusals(self._cloud, wanted, ends, scope.event),
            facts=tuple(fact for end in ends for fact in self._used(end)),
        )

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        match order:
            case OpenEnd():
                self._open(order)
            case JoinEnd():
                self._join(order)
            case CloseEnd():
                self._close(order)

    def _ends(self, event: str, full: bool = False) -> tuple[End, ...]:
        networks = [one for one in neutron.marked(self._cloud, "networks", event) if not neutron.anothers(one)]
        subnets = neutron.marked(self._cloud, "subnets", event) if networks else []
        adopted = adopt.standing(self._cloud, event)
        subnets += [subnet for network in adopted for subnet in adopt.subnets(self._cloud, str(network["id"]))]
        networks += adopted
        probed = {read.whose(network, event).unit for network in networks if prober.on(network)}
        found = read.ends(networks, subnets, event)
        return tuple(self._tried(end, event, full) if end.mark.unit in probed else end for end in found)

    def _tried(self, end: End, event: str, full: bool) -> End:
        """With its prober: an end that lacks it is half made, and goes with it."""
        cloud, unit = self._cloud, end.mark.unit
        standing = prober.server(cloud, event, unit)
        whole = standing is not None and standing["status"] in ("ACTIVE", "BUILD")
        seen = prober.seen([prober.told(cloud, standing)], time.time()) if standing is not None and full else None
        return replace(
            end,
            offer=end.offer if whole else None,
            objects=(*prober.objects(cloud, event, unit), *end.objects),
            probe=seen,
            detail=end.detail or ("" if whole else "its prober is not there"),
        )

    def _used(self, end: End) -> Iterable[Fact]:
        networks = [id for kind, id in end.objects if kind in ("network", adopt.KIND)]
        found = {
            ip["ip_address"] for id in networks for port in calls.ports(self._cloud, id) for ip in port["fixed_ips"]
        }
        return [Fact(unit=end.mark.unit, kind="address", value=address) for address in sorted(found)]

    def _open(self, order: OpenEnd) -> None:
        cloud, options, mark = self._cloud, dict(order.options), order.mark
        if options.get("adopt"):
            network = adopt.take(cloud, mark, options["adopt"])
            if prober.wanted(options):
                self._probe(mark, network, options)
            return
        networks = neutron.marked(cloud, "networks", mark.event)
        found = [item for item in networks if _is(item, mark) and not neutron.anothers(item)]
        network = found[0] if found else calls.create_network(cloud, mark, options)
        subnets = neutron.marked(cloud, "subnets", mark.event)
        subnet = next((item for item in subnets if item["network_id"] == network["id"]), None)
        subnet = subnet or calls.create_subnet(cloud, network["id"], mark, options)
        if prober.wanted(options):
            self._probe(mark, network, options)
        for kind, item in (("subnets", subnet), ("networks", network)):  # the network last: its tags make the offer
            if not neutron.own_tags(item, mark):
                more = (prober.TAG,) if kind == "networks" and prober.wanted(options) else ()
                neutron.tag(cloud, kind, item["id"], (*mark.tags(), *more))

    def _probe(self, mark: Mark, network: neutron.Item, options: dict[str, str]) -> None:
        """The tag first: by it what is half made is found."""
        tags = set(network.get("tags") or ())
        if prober.TAG not in tags:
            neutron.tag(self._cloud, "networks", str(network["id"]), (*tags, prober.TAG))
        prober.keep(self._cloud, mark, network, options)

    def _join(self, order: JoinEnd) -> None:
        """The segment joins the ends by itself: what is left is to agree, and to keep what was agreed."""
        far, end = order.offer, next((end for end in self._ends(order.mark.event) if end.mark.unit == order.unit), None)
        if far is None or end is None or end.offer is None:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self._name)
        if fault := _disagreement(end.offer, far):
            raise Conflict(f"stretch {order.unit}: the far end on {order.far_cloud} {fault}", cloud=self._name)
        network = next(id for kind, id in end.objects if kind in ("network", adopt.KIND))
        tags = self._cloud.get(neutron.SERVICE, f"/networks/{network}")["network"].get("tags") or ()
        kept = {str(tag) for tag in tags if not str(tag).startswith(read.FAR)}
        neutron.tag(self._cloud, "networks", network, {*kept, *read.far_tags(far)})

    def _close(self, order: CloseEnd) -> None:
        for kind, id in order.objects:
            try:
                if kind == adopt.KIND:
                    adopt.let_go(self._cloud, id)
                    continue
                calls.delete(self._cloud, kind, id)
            except Conflict as conflict:
                if conflict.status in (404, 410):
                    continue
                if conflict.status != 409:
                    raise
                # Ports of servers that were deleted just now go a moment later than the servers.
                raise Busy(f"{kind} {id} is in use still: {conflict}", cloud=self._name, status=409) from conflict

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened


def _is(item: neutron.Item, mark: Mark) -> bool:
    return neutron.mark_of(item, mark.event).unit == mark.unit


def _disagreement(near: Offer, far: Offer) -> str:
    for key in ALIKE:
        if near.get(key) != far.get(key):
            return f"has {key} {far.get(key)}, this one {near.get(key)}"
    for one in _ranges(near):
        for other in _ranges(far):
            if one[0].version == other[0].version and int(one[0]) <= int(other[1]) and int(other[0]) <= int(one[1]):
                return f"gives away {other[0]}-{other[1]}, this one {one[0]}-{one[1]}"
    return ""


def _ranges(offer: Offer) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]]:
    pairs = [pair.split("-") for pair in offer.get("allocation").split(";") if pair]
    return [tuple(ipaddress.ip_address(text) for text in pair) for pair in pairs]
