"""The stretch driver `bgpvpn`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudsentry.clouds import Cloud, Connect, open_cloud
from cloudsentry.drivers.stretch import neutron
from cloudsentry.drivers.stretch.base import StretchDriver, StretchScope
from cloudsentry.drivers.stretch.bgpvpn import calls, guard, read, tags
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.marks import Mark
from cloudsentry.records.stretching import CloseEnd, JoinEnd, OpenEnd, StretchOrder, StretchView


class BgpvpnStretch(StretchDriver):
    """A network of the event's own, or a network or router that is there, as a part of the operator's BGPVPN.

    Needs Neutron's `bgpvpn` (networking-bgpvpn, 2015) and a BGPVPN that the operator has given to the project at each
    site; no administrator's rights. That the two are one VPN is the operator's promise: where the account may see
    their route targets (an administrator's may), what one exports is held against what the other imports.
    """

    def __init__(self, cloud: str, *, connect: Connect = open_cloud) -> None:
        self._name = cloud
        self._connect = connect
        self._opened: Cloud | None = None

    def __repr__(self) -> str:
        return f"BgpvpnStretch({self._name!r})"

    def observe(self, scope: StretchScope) -> StretchView:
        """As the contract says: BGPVPNs and associations are asked for only where there is an end."""
        parts = self._parts(scope.event)
        ends = tuple(read.end(parts[unit]) for unit in sorted(parts))
        if not scope.full:
            return StretchView(driver="bgpvpn", cloud=self._name, ends=ends)
        wanted = [(unit, dict(options)) for unit, options in scope.wanted]
        found = guard.look(self._cloud, wanted, parts, scope.event)
        return StretchView(driver="bgpvpn", cloud=self._name, ends=ends, missing=found.missing, facts=found.facts)

    def act(self, order: StretchOrder) -> None:
        """As the contract says."""
        match order:
            case OpenEnd():
                self._open(order.mark, dict(order.options))
            case JoinEnd():
                self._join(order)
            case CloseEnd():
                for kind, id in order.objects:
                    self._delete(kind, id)

    # Looking

    def _parts(self, event: str) -> dict[str, read.Part]:
        """What there is of each unit. A network without any tag may be a half-made one of this driver's."""
        cloud = self._cloud
        networks = [one for one in neutron.marked(cloud, "networks", event) if tags.vpn(one) or not tags.of(one)]
        found: dict[str, tuple[str, list[neutron.Item]]] = {
            unit: ("networks", items) for unit, items in read.by_unit(networks, event).items()
        }
        for kind in calls.FIELDS:
            listed = cloud.listed(neutron.SERVICE, f"/{kind}", kind, params={"tags": tags.ADOPTED})
            mine = [item for item in listed if (mark := tags.adopted(item)) is not None and mark.event == event]
            found |= {unit: (kind, items) for unit, items in read.by_unit(mine, event).items()}
        ids = sorted({tags.vpn(items[0]) for _, items in found.values()} - {""})
        vpns = {str(vpn["id"]): vpn for vpn in calls.bgpvpns(cloud, ids)} if ids else {}
        return {unit: self._part(kind, items, vpns, event) for unit, (kind, items) in found.items()}

    def _part(self, kind: str, items: list[neutron.Item], vpns: Mapping[str, neutron.Item], event: str) -> read.Part:
        cloud, item = self._cloud, items[0]
        vpn = vpns.get(tags.vpn(item))
        return read.Part(
            mark=read.whose(item, event),
            kind=kind,
            item=item,
            made=tags.adopted(item) is None,
            subnets=calls.subnets(cloud, kind, item),
            vpn=vpn,
            association=calls.association(cloud, str(vpn["id"]), kind, str(item["id"])) if vpn else "",
            surplus=items[1:],
        )

    # Acting

    def _open(self, mark: Mark, options: dict[str, str]) -> None:
        part = self._parts(mark.event).get(mark.unit)
        vpn = part.vpn if part is not None else None
        if vpn is None:  # not chosen yet, or the operator has made another one of that name
            vpn, faults = guard.offered(self._cloud, calls.bgpvpns(self._cloud), options)
            if vpn is None or faults:
                raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        if guard.named(options)[1]:
            self._adopt(mark, options, part, vpn)
        else:
            self._make(mark, options, part, vpn)

    def _make(self, mark: Mark, options: dict[str, str], part: read.Part | None, vpn: neutron.Item) -> None:
        """The network is made first, and told of the BGPVPN before anything that hangs on it; its mark comes last."""
        cloud, vpn_id = self._cloud, str(vpn["id"])
        network = part.item if part is not None else calls.create_network(cloud, mark, options)
        told = tags.naming(network, vpn_id)
        if told != set(tags.of(network)):
            neutron.tag(cloud, "networks", str(network["id"]), told)
        subnets = part.own_subnets if part is not None else []
        subnet = subnets[0] if subnets else calls.create_subnet(cloud, str(network["id"]), mark, options)
        if not neutron.own_tags(subnet, mark):
            neutron.tag(cloud, "subnets", str(subnet["id"]), mark.tags())
        self._associate("networks", network, vpn_id)
        if not neutron.own_tags(network, mark):
            neutron.tag(cloud, "networks", str(network["id"]), {*told, *mark.tags()})

    def _adopt(self, mark: Mark, options: dict[str, str], part: read.Part | None, vpn: neutron.Item) -> None:
        """What is associated before it says that it is this end's was associated by somebody else, and stays so."""
        cloud, vpn_id = self._cloud, str(vpn["id"])
        kind, name = guard.named(options)
        item, faults = (part.item, ()) if part is not None else guard.standing(cloud, kind, name)
        if item is None:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._name)
        if part is None and calls.association(cloud, vpn_id, kind, str(item["id"])):
            told = f"{calls.FIELDS[kind]} {name} is associated with BGPVPN {options['bgpvpn']} already"
            raise Conflict(told, cloud=self._name)
        wanted = tags.adopting(item, mark, vpn_id)
        if wanted != set(tags.of(item)):
            neutron.tag(cloud, kind, str(item["id"]), wanted)
        self._associate(kind, item, vpn_id)

    def _associate(self, kind: str, item: neutron.Item, vpn: str) -> None:
        if not calls.association(self._cloud, vpn, kind, str(item["id"])):
            calls.associate(self._cloud, vpn, kind, str(item["id"]))

    def _join(self, order: JoinEnd) -> None:
        """The operator's VPN joins the ends by itself: what is left is to agree, and to keep what was agreed."""
        far, part = order.offer, self._parts(order.mark.event).get(order.unit)
        near = read.end(part).offer if part is not None else None
        if far is None or part is None or near is None:
            raise Conflict(f"stretch {order.unit}: an end is not open", cloud=self._name)
        if fault := read.disagreement(near, far):
            raise Conflict(f"stretch {order.unit}: the far end on {order.far_cloud} {fault}", cloud=self._name)
        neutron.tag(self._cloud, part.kind, str(part.item["id"]), tags.joining(tags.of(part.item), far))

    def _delete(self, kind: str, id: str) -> None:
        try:
            if kind == read.ADOPTION:
                self._let_go(id)
            else:
                calls.delete(self._cloud, kind, id)
        except Conflict as conflict:
            if conflict.status in (404, 410):
                return
            if conflict.status != 409:
                raise
            # Ports of servers that were deleted just now go a moment later than the servers.
            raise Busy(f"{kind} {id} is in use still: {conflict}", cloud=self._name, status=409) from conflict

    def _let_go(self, id: str) -> None:
        """The network or router says nothing of us any more; nothing else of it has changed."""
        kind, _, thing = id.partition("/")
        item: dict[str, Any] = self._cloud.get(neutron.SERVICE, f"/{id}")[calls.FIELDS[kind]]
        kept = tags.released(item)
        if kept != set(tags.of(item)):
            neutron.tag(self._cloud, kind, thing, kept)

    @property
    def _cloud(self) -> Cloud:
        if self._opened is None:
            self._opened = self._connect(self._name)
        return self._opened
