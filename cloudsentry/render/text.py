"""Sentences and lines for people."""

from __future__ import annotations

from collections import Counter

from cloudsentry.records import orders, steering, stretching
from cloudsentry.records.moving import Move
from cloudsentry.records.plans import Drift, Plan, Step
from cloudsentry.records.reports import (
    BalancerLine,
    Counts,
    Report,
    ServerLine,
    Status,
    SteerLine,
    StepReport,
    StretchLine,
)

UNSEEN = "unseen"
"""The kind of drift that is a place which could not be looked at."""


def count(number: int, noun: str) -> str:
    """``1 server``, ``4 servers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def what(step: Step) -> str:
    """What a step would make, change or remove, in a few words."""
    match step.subject:
        case orders.CreateServers() as subject:
            return f"{count(subject.count, 'server')}{_place(subject)}"
        case orders.CreateServerGroup() as subject:
            return f"server group {subject.name} ({subject.policy})"
        case orders.RestServers() as subject if not subject.ids:
            return f"new ones, to be {subject.rest}"
        case orders.AwaitServers() | orders.DeleteServers() | orders.StartServers() | orders.RestServers() as subject:
            return f"{count(len(subject.ids), 'server')}: {', '.join(subject.ids)}"
        case orders.DeleteServerGroups() as subject:
            return f"{count(len(subject.ids), 'server group')}: {', '.join(subject.ids)}"
        case orders.CreateBalancer() as subject:
            return f"balancer {subject.name}, {subject.protocol} port {subject.port}, {subject.algorithm}"
        case orders.SetMembers() as subject:
            return _members(subject)
        case orders.AwaitMembers() as subject:
            who = "a member answers" if subject.least == 1 else f"{subject.least} members answer"
            stay = " of those that stay" if subject.besides else ""
            return f"wait until {who} {subject.asks or 'the monitor'}{stay}"
        case orders.Drain() as subject:
            return f"{count(len(subject.ids), 'member')} at weight 0 for up to {subject.seconds:g} s"
        case orders.DeleteBalancer() as subject:
            return f"balancer {subject.id} with its listener, pool and members"
        case stretching.OpenEnd():
            return f"this end of the stretch, by {step.driver}"
        case stretching.JoinEnd() as subject:
            return f"join this end to the one on {subject.far_cloud}"
        case stretching.RenewLease() as subject:
            return f"this end may let packets cross for {subject.seconds / 3600:g} h more"
        case stretching.CloseEnd() as subject:
            return ", ".join(f"{kind} {ident}" for kind, ident in subject.objects)
        case steering.SetShares() as subject:
            return ", ".join(f"{one.name} {one.share:g} %" for one in subject.targets)
        case steering.Settle():
            return "wait until no client goes by an older answer"
        case steering.Revert():
            return "what stood before the event"
        case steering.Forget():
            return "the mark and what was kept"


def _place(subject: orders.CreateServers) -> str:
    if subject.hypervisor:
        return f" on {subject.hypervisor}"
    if subject.zone:
        return f" in zone {subject.zone}"
    return f" in server group {subject.group}" if subject.group else ""


def _members(subject: orders.SetMembers) -> str:
    kinds: Counter[tuple[int, int]] = Counter()
    for share in subject.shares:
        kinds[share.port, share.weight] += share.count
    shares = [f"{number} × weight {weight} on port {port}" for (port, weight), number in kinds.items() if number]
    if subject.drained:
        shares.append(f"{len(subject.drained)} draining")
    return f"members: {', '.join(shares) or 'none'}"


def plan_summary(plan: Plan) -> str:
    """The last line under a plan. What could not be looked at is named: nothing is said of it."""
    dark = sorted({one.cloud for one in plan.drift if one.kind == UNSEEN})
    but = f"; not all was seen: {', '.join(dark)}" if dark else ""
    if not plan.steps:
        return f"{plan.event}: nothing to do{' where it was seen' if dark else ''}{but}"
    kinds = Counter(step.action for step in plan.steps)
    parts = ", ".join(f"{kinds[kind]} to {kind}" for kind in ("create", "change", "remove") if kinds[kind])
    return f"{plan.event}: {count(len(plan.steps), 'step')}: {parts}; {count(plan.wanted, 'server')} wanted{but}"


def drift(one: Drift) -> str:
    """One line of drift; of a place that could not be looked at, why."""
    label = "not seen" if one.kind == UNSEEN else "drift"
    return f"{label}: {one.cloud} {one.unit}: {one.what.removeprefix(f'{one.cloud}: ')}"


def unplanned(plan: Plan) -> tuple[str, ...]:
    """Lines for the drift of a plan's world that no step of it mends; what a step mends, its reason tells."""
    mended = {(step.cloud, step.unit) for step in plan.steps}
    return tuple(drift(one) for one in plan.drift if one.kind != UNSEEN and (one.cloud, one.unit) not in mended)


def unseen(plan: Plan) -> tuple[str, ...]:
    """Lines for the places that could not be looked at."""
    return tuple(drift(one) for one in plan.drift if one.kind == UNSEEN)


def step_line(step: StepReport) -> str:
    """How a step ended, in one line."""
    tail = f": {step.error}" if step.error else ""
    return f"{step.outcome}: {step.cloud} {step.unit}: {step.verb}{tail}"


def report_lines(report: Report, again: str) -> tuple[str, ...]:
    """What went wrong, what is left and how to go on; nothing of it where all is done. ``again`` is a command."""
    given_up = tuple(f"given up: {line}" for line in report.forsaken)
    if report.outcome == "done":
        return given_up
    troubles = tuple(step_line(step) for step in report.steps if step.outcome == "failed")
    # An apply's left things are its steps, told above; after a destroy they are what the clouds still list.
    left = tuple(f"left: {line}" for line in report.left) if report.goal == "destroy" else ()
    how = "stopped; nothing is lost" if report.outcome == "stopped" else "not done; what is made stays"
    return (*troubles, *given_up, *left, f"{how}: run `{again}` again to go on")


def report_summary(report: Report) -> str:
    """One line under a report."""
    calls = f"{count(report.writes, 'write')}, {count(report.reads, 'read')}"
    return f"{report.event}: {report.outcome} in {report.seconds:.1f} s: {_servers(report.servers)}; {calls}"


def proof(report: Report) -> str:
    """After a destroy: that the clouds were asked and nothing with the event's mark was listed."""
    return f"nothing marked {report.event} is left: servers 0, server groups 0, balancers 0"


def status_summary(status: Status) -> str:
    """One line over the whole event."""
    differences = count(len(status.drift), "difference") if status.drift else "no drift"
    return f"{status.event} (revision {status.revision}): {status.state}; {_servers(status.counts)}, {differences}"


def _servers(counts: Counts) -> str:
    return f"{counts.active} of {counts.wanted} servers active, {counts.misplaced} misplaced"


def balancer(line: BalancerLine) -> str:
    """A balancer in one line."""
    weights = Counter(weight for _, weight, _ in line.members)
    shares = ", ".join(f"{number} × weight {weight}" for weight, number in sorted(weights.items(), reverse=True))
    return (
        f"balancer {line.cloud} {line.name}: VIP {line.vip}, {line.provisioning} {line.operating}, "
        f"members: {shares or 'none'}"
    )


def server(line: ServerLine) -> str:
    """A server in one line, for watching without a terminal."""
    place = "" if line.placed else f" (should be {line.pinned})"
    return f"{line.cloud} {line.unit} {line.name} {line.status} {line.hypervisor}{place}"


def stretch(line: StretchLine) -> str:
    """One end of a stretch in one line."""
    joined = "joined" if line.joined else "not joined"
    far = "" if line.alive is None else ", far end answers" if line.alive else ", far end SILENT"
    rtt = "" if line.rtt is None else f", {line.rtt:.1f} ms"
    loss = "" if line.loss is None else f", {line.loss:g} % lost"
    return f"stretch {line.unit} at {line.cloud}: {line.state}, {joined}{far}{rtt}{loss}"


def steer(line: SteerLine) -> str:
    """One target of a steering in one line."""
    wanted, real = ("?" if share is None else f"{share:g} %" for share in (line.wanted, line.share))
    detail = f" ({line.detail})" if line.detail else ""
    return f"steering {line.unit}: {line.target} gets {real} of {wanted} wanted, {line.state}{detail}"


def move(one: Move) -> str:
    """A move in one line."""
    error = f": {one.error}" if one.error else ""
    return f"move {one.id} of {one.server} from {one.source} to {one.target}: {one.phase}, {one.state}{error}"
