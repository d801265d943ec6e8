"""Steps for stretched networks: both ends are opened side by side, each is joined once both are, and closed last."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import itertools
from collections.abc import Iterable

from cloudsentry.planner.units import digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.plans import Action, Drift, Step
from cloudsentry.records.stretching import (
    CloseEnd,
    End,
    JoinEnd,
    OpenEnd,
    Probe,
    Probed,
    RenewLease,
    StretchOrder,
    StretchView,
    fresh,
)
from cloudsentry.records.views import Snapshot
from cloudsentry.spec.event import Event, Pool
from cloudsentry.spec.stretch import ANY, LEASED, Options, StretchSpec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StretchPlan:
    """What one stretch needs. ``ready`` is, by site, the steps after which servers there may be on it."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    refusals: tuple[str, ...] = ()
    ready: tuple[tuple[str, tuple[str, ...]], ...] = ()


def plan_stretch(event: Event, name: str, snapshot: Snapshot) -> StretchPlan:
    """Compare one stretch with what stands at its two ends."""
    spec = event.stretches[name]
    sites = [_Site(event=event, name=name, spec=spec, site=site, snapshot=snapshot) for site in spec.between]
    refusals = (*_changed(sites), *_collisions(name, sites))
    opening = [step for site in sites for step in site.open()]
    opened = tuple(step.id for step in opening)
    joining = {site.site: site.joined(opened) for site in sites}
    ready = tuple((site, tuple(step.id for step in steps) or opened) for site, steps in sorted(joining.items()))
    return StretchPlan(
        steps=(*opening, *(step for steps in joining.values() for step in steps)),
        drift=tuple(line for site in sites for line in site.drift()),
        refusals=refusals,
        ready=tuple((site, steps) for site, steps in ready if steps),
    )


def opening(event: Event, name: str, site: str) -> OpenEnd:
    """What a plan would ask of one end that is not as wanted."""
    none = Snapshot(event=event.event)
    return _Site(event=event, name=name, spec=event.stretches[name], site=site, snapshot=none).order()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    event: Event
    name: str
    spec: StretchSpec
    site: str
    snapshot: Snapshot

    @property
    def cloud(self) -> str:
        return self.event.cloud_of(self.site)

    @property
    def far_cloud(self) -> str:
        return self.event.cloud_of(self.spec.far(self.site))

    @property
    def view(self) -> StretchView:
        return self.snapshot.stretch(self.cloud, self.spec.driver)

    @property
    def end(self) -> End | None:
        return self.view.named(self.name)

    @property
    def far_end(self) -> End | None:
        return self.snapshot.stretch(self.far_cloud, self.spec.driver).named(self.name)

    @property
    def options(self) -> Options:
        return self.spec.end_options(self.site)

    @property
    def template(self) -> str:
        return digest(self.spec.driver, self.options)

    @property
    def mark(self) -> Mark:
        op = digest(self.event.event, self.name, "stretch", self.site, self.template)
        return Mark(event=self.event.event, unit=self.name, op=op, template=self.template)

    @property
    def is_open(self) -> bool:
        return self.end is not None and self.end.offer is not None and self.uplink in ("", self.end.at("external"))

    @property
    def uplink(self) -> str:
        """The network that a router leaves by where it is wanted; empty for ends that stay."""
        return dict(self.spec.place(self.site)).get("external", ANY) if self.spec.roams(self.site) else ""

    @property
    def is_joined(self) -> bool:
        """To exactly what the far end offers now."""
        near, far = self.end, self.far_end
        return near is not None and far is not None and far.offer is not None and near.joined == far.offer

    def open(self) -> list[Step]:
        if self.is_open:
            return []
        order = self.order()
        why = "not there" if self.end is None else "half made"
        if self.end is not None and self.end.offer is not None:
            why = f"its router is to leave by {self.uplink}, not by {self.end.at('external')}"
        return [self._step("open", "create", order, (), why)]

    def order(self) -> OpenEnd:
        options = tuple(sorted((*self.options, *self.spec.place(self.site))))
        return OpenEnd(unit=self.name, options=options, mark=self.mark, external=self.uplink)

    def join(self, opened: tuple[str, ...]) -> list[Step]:
        if self.is_joined and not opened:
            return []
        order = JoinEnd(
            unit=self.name, far_cloud=self.far_cloud, far_driver=self.spec.driver, options=self.options, mark=self.mark
        )
        return [self._step("join", "change", order, opened, "not joined to the far end's offer")]

    def joined(self, opened: tuple[str, ...]) -> list[Step]:
        """One after the other: both change the same servers' metadata, and Nova loses one of two such at once."""
        steps = self.join(opened)
        return [*steps, *self.renew(tuple(step.id for step in steps) or opened)]

    def renew(self, opened: tuple[str, ...]) -> list[Step]:
        """For a driver whose ends shut themselves: more time, when half of it is gone."""
        if self.spec.driver not in LEASED:
            return []
        calendar = self.event.calendar
        last = calendar.end().timestamp() if calendar else 0.0
        order = RenewLease(unit=self.name, seconds=self.spec.lease, last=last, mark=self.mark)
        if not order.due(self.end):
            return []
        return [self._step("renew", "change", order, opened, "its lease is to be renewed")]

    def drift(self) -> list[Drift]:
        end, lines = self.end, []
        if end is None:
            lines.append(("missing", f"this end of stretch {self.name} is missing"))
        elif end.state == "ERROR":
            lines.append(("error", f"this end of stretch {self.name} is in ERROR: {end.detail or 'no reason given'}"))
        elif end.offer is None:
            lines.append(("missing", f"this end of stretch {self.name} is half made"))
        elif not self.is_open:
            lines.append(("unjoined", f"the router of stretch {self.name} leaves by another network than wanted"))
        wanted = dict(self.spec.place(self.site)).get("hypervisor", "")
        if end is not None and wanted and end.at("hypervisor") not in ("", wanted):
            found = end.at("hypervisor")
            lines.append(("misplaced", f"the router of stretch {self.name} is on {found}, not on {wanted}"))
        if end is not None and not self.is_joined:
            lines.append(("unjoined", f"this end of stretch {self.name} is not joined to the one on {self.far_cloud}"))
        if end is not None and end.lease is not None and end.lease.left <= 0:
            lines.append(("shut", f"this end of stretch {self.name} is shut: its lease is over"))
        lines += _seen(self.name, self.spec, end)
        if end is not None and end.state == "DOWN":
            lines.append(("down", f"this end of stretch {self.name} is DOWN: {end.detail or 'no reason given'}"))
        return [Drift(unit=self.name, cloud=self.cloud, kind=kind, what=what) for kind, what in lines]

    def _step(self, verb: str, action: Action, order: StretchOrder, after: tuple[str, ...], why: str) -> Step:
        return Step(
            id=f"{self.name}/{self.site}/{verb}",
            unit=self.name,
            family="stretch",
            driver=self.spec.driver,
            cloud=self.cloud,
            verb=verb,
            action=action,
            subject=order,
            after=after,
            why=why,
        )


LOSS_MOST = 2.0
"""Percent of probes lost that are told; a WAN loses one now and then."""


def _seen(name: str, spec: StretchSpec, end: End | None) -> Iterable[tuple[str, str]]:
    """What the end's own probe has found wrong."""
    probe = fresh(end.probe) if end is not None else None
    if probe is None:
        return
    if not probe.up:
        why = probe.detail or "nothing comes back from the far end"
        yield "dead", f"stretch {name} is dead: {why}{_filtered(spec, probe)}"
    elif probe.loss > LOSS_MOST:
        yield "loss", f"stretch {name} loses {probe.loss:g} % of the packets"
    if probe.whole is False:
        yield "narrow", f"stretch {name} does not carry packets of {probe.mtu} bytes"
    for address in probe.twice:
        yield "twice", f"stretch {name}: two own the address {address}"


def _filtered(spec: StretchSpec, probe: Probe) -> str:
    """What is likely where not one packet of a tunnel has arrived."""
    if probe.heard is not False:
        return ""
    if spec.transport == "openvpn":
        return f"; no connection to TCP port {spec.port} came about"
    further = "; where UDP is filtered, 'transport: openvpn' goes over TCP" if spec.driver == "gateway" else ""
    return f"; not one packet has arrived from UDP port {spec.port}{further}"


def dead(event: Event, snapshot: Snapshot) -> frozenset[str]:
    """The stretches of which an end has just found that nothing comes back. Where nobody has tried, none is dead."""
    found = set()
    for name, spec in event.stretches.items():
        ends = [snapshot.stretch(event.cloud_of(site), spec.driver).named(name) for site in spec.between]
        probes = [fresh(end.probe) for end in ends if end is not None]
        if any(probe is not None and not probe.up for probe in probes):
            found.add(name)
    return frozenset(found)


def probed(snapshot: Snapshot, now: dt.datetime) -> tuple[Probed, ...]:
    """What the ends of a snapshot have told of late, as the journal keeps it."""
    return tuple(
        Probed(
            event=end.mark.event,
            stretch=end.mark.unit,
            cloud=view.cloud,
            at=(now - dt.timedelta(seconds=probe.age)).replace(microsecond=0),
            up=probe.up,
            loss=probe.loss,
            rtt=probe.rtt,
            whole=probe.whole,
            twice=probe.twice,
        )
        for view in snapshot.stretches
        for end in view.ends
        if (probe := fresh(end.probe)) is not None
    )


def weightless(event: Event, pool: str, lost: frozenset[str]) -> bool:
    """Whether a pool's servers need a stretch that is dead: those on it at another site than the origin's."""
    spec = event.pools[pool]
    return any(
        event.stretches[name].origin not in (None, spec.site) and _on(event.stretches[name], name, spec)
        for name in lost
    )


def _on(stretch: StretchSpec, name: str, pool: Pool) -> bool:
    """Whether a pool is on a stretch: on its network, or on one called as the subnets that a tunnel joins."""
    networks = set(pool.network_names)
    return name in networks or bool(networks & set(stretch.subnets.get(pool.site, ())))


KINDS = ("cidr", "address", "exports", "imports")
"""Of facts, those that are held against the far end's."""


def _changed(sites: list[_Site]) -> Iterable[str]:
    for site in sites:
        if site.end is not None and site.end.mark.template not in ("", site.template):
            yield (
                f"stretch {site.name}: its end on {site.cloud} was made from other settings, and cannot change while "
                "it stands; give the stretch a new name, or destroy the event first"
            )


def _collisions(name: str, sites: list[_Site]) -> Iterable[str]:
    """What only shows with both sides in view: the same addresses reached, or owned, at both."""
    one, other = ({kind: _facts(site, kind) for kind in KINDS} for site in sites)
    for near in one["cidr"]:
        for far in other["cidr"]:
            if _overlap(near, far):
                yield f"stretch {name}: {near} on {sites[0].cloud} and {far} on {sites[1].cloud} overlap"
    for address in sorted(set(one["address"]) & set(other["address"])):
        yield f"stretch {name}: the address {address} is in use on {sites[0].cloud} and on {sites[1].cloud}"
    for (site, facts), (beyond, theirs) in itertools.permutations(zip(sites, (one, other), strict=True)):
        told, heard = facts["exports"], theirs["imports"]
        if told and heard and not set(told) & set(heard):
            yield (
                f"stretch {name}: of what the BGPVPN on {site.cloud} exports ({', '.join(told)}) the one on "
                f"{beyond.cloud} imports nothing ({', '.join(heard)}): no route would come across"
            )


def _facts(site: _Site, kind: str) -> list[str]:
    return sorted({fact.value for fact in site.view.facts if (fact.unit, fact.kind) == (site.name, kind)})


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_network(one), ipaddress.ip_network(other)
    return first.version == second.version and first.overlaps(second)


def waiting(event: Event, steps: Iterable[Step], plans: dict[str, StretchPlan]) -> list[Step]:
    """The same steps; those that make servers or a VIP on a stretched network wait for this site's end of it."""
    ready = {(name, site): ids for name, plan in plans.items() for site, ids in plan.ready}
    return [_waiting(event, step, ready) for step in steps]


def _waiting(event: Event, step: Step, ready: dict[tuple[str, str], tuple[str, ...]]) -> Step:
    if step.verb not in ("create", "spare") or step.family == "stretch":
        return step
    if step.family == "pool":
        pool = event.pools[step.unit.split("@")[0]]
        site, networks = pool.site, pool.network_names
    else:
        balancer = event.balancers[step.unit]
        site, networks = balancer.site, (balancer.network or "",)
    ids = {id for network in networks for id in ready.get((network, site), ())}
    return dataclasses.replace(step, after=tuple(sorted({*step.after, *ids}))) if ids else step


def leftovers(event: Event, snapshot: Snapshot) -> list[Step]:
    """Steps that close the ends which the event no longer has."""
    keep = {
        (event.cloud_of(site), spec.driver, name) for name, spec in event.stretches.items() for site in spec.between
    }
    return closings(snapshot, keep, (), "no such stretch in the event")


def closings(
    snapshot: Snapshot, keep: set[tuple[str, str, str]], after: tuple[str, ...], why: str = "the event ends"
) -> list[Step]:
    """One step per end that is not kept, (cloud, driver, unit): delete its objects by exact id."""
    return [
        Step(
            id=f"{end.mark.unit}/{view.cloud}/{view.driver}/close",
            unit=end.mark.unit,
            family="stretch",
            driver=view.driver,
            cloud=view.cloud,
            verb="close",
            action="remove",
            subject=CloseEnd(unit=end.mark.unit, objects=end.objects),
            after=after,
            why=f"{len(end.objects)} objects: {why}",
        )
        for view in snapshot.stretches
        for end in view.ends
        if (view.cloud, view.driver, end.mark.unit) not in keep and not _held(snapshot, view, end, keep)
    ]


def _held(snapshot: Snapshot, view: StretchView, end: End, keep: set[tuple[str, str, str]]) -> bool:
    """Whether another driver's end has all that this one has: a network without any tag is every driver's guess."""
    mine = set(end.objects)
    for other in (one for one in snapshot.stretches if one.cloud == view.cloud and one.driver != view.driver):
        theirs = other.named(end.mark.unit)
        if theirs is None or not mine <= set(theirs.objects):
            continue
        kept = (other.cloud, other.driver, end.mark.unit) in keep
        if kept or len(mine) < len(theirs.objects) or other.driver < view.driver:
            return True
    return False
