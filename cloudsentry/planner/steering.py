"""Steps for steering: clients are sent to a balancer once it serves, and away from it before anything of it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cloudsentry.planner.units import digest
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import DeleteBalancer, Drain
from cloudsentry.records.plans import Action, Drift, Step
from cloudsentry.records.serving import AwaitMembers, serves
from cloudsentry.records.steering import (
    Forget,
    Revert,
    SetShares,
    Settle,
    Steer,
    SteeringOrder,
    SteeringView,
    Target,
)
from cloudsentry.records.views import BalancerView, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.steering import SteeringSpec

LAST = 30.0
"""Seconds for the last transfers on a balancer from which all clients were sent home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SteeringPlan:
    """What one steering needs."""

    steps: tuple[Step, ...] = ()
    drift: tuple[Drift, ...] = ()
    refusals: tuple[str, ...] = ()


def plan_steering(event: Event, name: str, snapshot: Snapshot) -> SteeringPlan:
    """Compare one steering with what stands."""
    spec = event.steering[name]
    order = _order(event, name, spec)
    steer = snapshot.steering(spec.at, spec.driver).named(name)
    order = replace(order, falling=_falling(steer, order.addressed(snapshot)))
    if steer is not None and steer.mark.template not in ("", order.mark.template):
        return SteeringPlan(refusals=(_refusal(name),))
    what = _difference(steer, order.addressed(snapshot))
    if not what:
        assert steer is not None
        hold = (_step(name, spec, "hold", "change", Settle(unit=name), "clients go by an older answer"),)
        return SteeringPlan(steps=hold if steer.settles > 0 else ())
    step = _step(name, spec, "steer", "change", order, _why(order))
    return SteeringPlan(steps=(step,), drift=(Drift(unit=name, cloud=spec.at, kind="steering", what=what),))


def _refusal(name: str) -> str:
    return (
        f"steering {name}: what it steers by cannot change while it stands; give the steering a new name, or "
        "destroy the event first"
    )


def targets_of(event: Event, spec: SteeringSpec) -> tuple[Target, ...]:
    """The targets of a steering in the order of their names; VIPs are still to be seen."""
    return tuple(_target(event, spec, name) for name in sorted(spec.targets))


def _target(event: Event, spec: SteeringSpec, name: str) -> Target:
    one = spec.targets[name]
    balancer = event.balancers[one.balancer] if one.balancer else None
    named = bool(one.addressed)
    return Target(
        name=name,
        share=spec.share_of(name),
        to=one.addressed,
        home=name == spec.home,
        balancer="" if named else one.balancer or "",
        behind=one.balancer or "" if named else "",
        cloud=event.place_of(balancer) if balancer else "",
        driver=balancer.driver if balancer else "",
        port=balancer.port if balancer else 80,
        rules=one.rules,
    )


def _order(event: Event, name: str, spec: SteeringSpec) -> SetShares:
    targets, options = targets_of(event, spec), spec.options()
    fixed = tuple(pair for pair in options if pair[0] not in ("ttl", "table"))
    mark = Mark(
        event=event.event,
        unit=name,
        op=digest(
            event.event, name, "steering", [(one.name, one.share, one.to, one.rules) for one in targets], options
        ),
        template=digest(spec.driver, spec.at, fixed),
    )
    return SetShares(unit=name, targets=targets, options=options, settle=spec.settle, mark=mark)


def _falling(steer: Steer | None, wanted: tuple[Target, ...]) -> tuple[str, ...]:
    """Targets that stay where they are with no more clients than they have."""
    had = {one.name: one for one in steer.targets} if steer is not None and steer.state == "ACTIVE" else {}
    return tuple(one.name for one in wanted if one.name in had and _falls(had[one.name], one))


def _falls(had: Target, wanted: Target) -> bool:
    return had.to == wanted.to and had.share >= wanted.share and set(had.rules) >= set(wanted.rules)


def _difference(steer: Steer | None, wanted: tuple[Target, ...]) -> str:
    if steer is None:
        return "clients are not steered yet"
    if steer.state == "REVERTED":
        return "clients are sent as before the event"
    if steer.state != "ACTIVE":
        return steer.detail or "changed by somebody else"
    if steer.wants(wanted):
        return ""
    now = {one.name: one.share for one in steer.targets}
    moved = [f"{one.name} {now.get(one.name, 0):g} %, wanted {one.share:g} %" for one in wanted]
    return "; ".join(line for line, one in zip(moved, wanted, strict=True) if now.get(one.name) != one.share) or (
        "clients are sent to other addresses than wanted"
    )


def _why(order: SetShares) -> str:
    return "clients: " + ", ".join(f"{one.name} {one.share:g} %" for one in order.targets)


def ordered(event: Event, parts: Iterable[SteeringPlan], steps: Sequence[Step], snapshot: Snapshot) -> list[Step]:
    """The steering's steps, each after the writes that give its balancers members, and after somebody answers there.

    ``steps`` is what comes before. A balancer is waited for where it gets more clients than it has, has a monitor, and
    nobody answers behind it as seen now; whoever made it, and when.
    """
    writes = {step.unit: step.id for step in steps if step.family == "balancer" and step.verb == "members"}
    fresh = {step.unit for step in steps if step.family == "balancer" and step.verb == "create"}
    made = [step for part in parts for step in part.steps]
    gaining = {name for step in made for name in _balancers(step.subject, gaining=True)}
    waits = {
        name: _await(event, name, writes.get(name))
        for name in sorted(gaining)
        if event.balancers[name].monitor is not None and (name in fresh or not _answers(event, name, snapshot))
    }
    return [*waits.values(), *(_behind(step, writes, waits) for step in made)]


def _balancers(order: object, *, gaining: bool) -> set[str]:
    """The balancers of the event to which an order sends clients."""
    if not isinstance(order, SetShares):
        return set()
    given = (one for one in order.targets if one.share or one.rules)
    return {one.balancer or one.behind for one in given if not gaining or one.name not in order.falling} - {""}


def _answers(event: Event, name: str, snapshot: Snapshot) -> bool:
    spec = event.balancers[name]
    standing = snapshot.balancer(event.place_of(spec), spec.driver).named(name)
    return standing is not None and serves(standing)


def _await(event: Event, name: str, write: str | None) -> Step:
    spec = event.balancers[name]
    return Step(
        id=f"{name}/await",
        unit=name,
        family="balancer",
        driver=spec.driver,
        cloud=event.place_of(spec),
        verb="await",
        action="change",
        subject=AwaitMembers(unit=name, asks=spec.monitor.asks if spec.monitor else ""),
        after=(write,) if write else (),
        why="clients come once somebody answers here",
    )


def _behind(step: Step, writes: dict[str, str], waits: dict[str, Step]) -> Step:
    names = _balancers(step.subject, gaining=False)
    after = {writes[name] for name in names if name in writes} | {waits[name].id for name in names if name in waits}
    return replace(step, after=tuple(sorted(after)))


def before(steps: Iterable[Step], steering: Sequence[Step], forsaken: tuple[str, ...] = ()) -> list[Step]:
    """The same steps; what drains or removes at a balancer waits for the steering that may take clients from it.

    Steering at ``forsaken`` places is waited for whatever its end.
    """
    turns = sorted((step for step in steering if step.verb != "forget"), key=lambda step: step.id)
    done = tuple(step.id for step in turns if step.cloud not in forsaken)
    ended = tuple(step.id for step in turns if step.cloud in forsaken)
    return [_waits(step, done, ended) for step in steps]


def _waits(step: Step, done: tuple[str, ...], ended: tuple[str, ...]) -> Step:
    goes = step.family == "balancer" and (step.verb in ("drain", "settle") or step.id.endswith(("/remove", "/last")))
    if not goes or not (done or ended):
        return step
    after, behind = sorted({*step.after, *done}), sorted({*step.behind, *ended})
    return replace(step, after=tuple(after), behind=tuple(behind))


def last_transfers(view: BalancerView, going: Iterable[Step]) -> list[Step]:
    """A step per balancer that goes and has members: its clients were sent home, and finish what they began."""
    held = {balancer.id: tuple(sorted(member.name for member in balancer.members)) for balancer in view.balancers}
    return [
        replace(
            step,
            id=f"{step.unit}/{step.subject.id[:8]}/last",
            verb="hold",
            action="change",
            subject=Drain(unit=step.unit, ids=held[step.subject.id], seconds=LAST),
            why="clients that went home finish their transfers",
        )
        for step in going
        if isinstance(step.subject, DeleteBalancer) and held.get(step.subject.id)
    ]


def finished(step: Step, steps: Iterable[Step]) -> Step:
    """The same step; a balancer goes after its last transfers."""
    last = f"{step.id.removesuffix('/remove')}/last"
    there = step.id.endswith("/remove") and any(other.id == last for other in steps)
    return replace(step, after=tuple(sorted({*step.after, last}))) if there else step


def leftovers(event: Event, snapshot: Snapshot) -> list[Step]:
    """Steps that revert the steerings which the event no longer has."""
    keep = {(spec.at, spec.driver, name) for name, spec in event.steering.items()}
    return endings(snapshot, keep, "no such steering in the event")


def endings(
    snapshot: Snapshot,
    keep: set[tuple[str, str, str]],
    why: str = "the event ends",
    forsaken: tuple[str, ...] = (),
) -> list[Step]:
    """Two steps per steering that is not kept, (place, driver, unit): put back what stood before, then forget it.

    Nothing is put back on ``forsaken`` hosts.
    """
    return [
        step
        for view in snapshot.steerings
        for steer in view.steers
        if (view.cloud, view.driver, steer.mark.unit) not in keep
        for step in _ending(view, steer.mark, why, forsaken)
    ]


def _ending(view: SteeringView, mark: Mark, why: str, forsaken: tuple[str, ...]) -> tuple[Step, Step]:
    stem = f"steering:{mark.unit}/{digest(view.cloud, view.driver)[:6]}"
    back = Step(
        id=f"{stem}/revert",
        unit=mark.unit,
        family="steering",
        driver=view.driver,
        cloud=view.cloud,
        verb="revert",
        action="remove",
        subject=Revert(unit=mark.unit, event=mark.event, forsaken=forsaken),
        why=f"clients go home: {why}",
    )
    gone = Forget(unit=mark.unit, event=mark.event)
    words = "what was kept of before goes"
    last = replace(back, id=f"{stem}/forget", verb="forget", subject=gone, after=(back.id,), why=words)
    return back, last


def _step(name: str, spec: SteeringSpec, verb: str, action: Action, order: SteeringOrder, why: str) -> Step:
    return Step(
        id=f"steering:{name}/{verb}",
        unit=name,
        family="steering",
        driver=spec.driver,
        cloud=spec.at,
        verb=verb,
        action=action,
        subject=order,
        why=why,
    )
