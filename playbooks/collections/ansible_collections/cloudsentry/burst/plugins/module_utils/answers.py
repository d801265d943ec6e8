# SPDX-License-Identifier: Apache-2.0
"""Records of cloudsentry as what a task returns. Keys are an interface: plays are written against them."""

from __future__ import annotations

import dataclasses

try:
    from cloudsentry.render import rows, text
except ImportError:  # told by the module, which asks for `sentry.MISSING` first
    rows = text = None

SIGNS = {"create": "+", "change": "~", "remove": "-"}


def planned(plan):
    """A plan: its steps in order, and its last line."""
    steps = [
        {
            "action": step.action,
            "unit": step.unit,
            "cloud": step.cloud,
            "verb": step.verb,
            "what": text.what(step),
            "why": step.why,
        }
        for step in plan.steps
    ]
    return {"goal": plan.goal, "wanted": plan.wanted, "steps": steps, "summary": text.plan_summary(plan)}


def difference(plan, report=None):
    """Ansible's diff: a line per step of the plan, or of the run where there was one."""
    told = {
        step.id: f"{SIGNS[step.action]} {step.cloud} {step.unit}: {text.what(step)}  # {step.why}"
        for step in plan.steps
    }
    if report is not None:  # the clouds may have moved on between plan and run: what was done is told
        told = {
            step.id: told.get(step.id, f"~ {step.cloud} {step.unit}: {step.verb}")
            for step in report.steps
            if step.outcome == "done"
        }
    return {"prepared": "".join(f"{line}\n" for line in told.values())}


def reported(report):
    """The end of a run: the keys of the command line's ``-f json``."""
    return dict(zip(*rows.report(report), strict=True))


def changed(report):
    """Whether a run has touched anything, as far as it came."""
    return report.writes > 0 or any(step.outcome == "done" for step in report.steps)


def counted(module, option, bound):
    """An option's values as numbers, which an inventory or ``-e`` may have given as text; fails with ``bound``."""
    found = {}
    for name, count in module.params[option].items():
        if isinstance(count, bool) or not str(count).isdecimal():
            module.fail_json(msg=f"{name}: {bound}, not {count!r}")
        found[name] = int(count)
    return found


def stood(status):
    """An event as it is now."""
    balancers = [_balancer(line) for line in status.balancers]
    return {
        "name": status.event,
        "revision": status.revision,
        "state": status.state,
        "counts": dataclasses.asdict(status.counts),
        "servers": [_server(line) for line in status.servers],
        "balancers": balancers,
        "stretches": [dataclasses.asdict(line) for line in status.stretches],
        "drift": [dataclasses.asdict(line) for line in status.drift],
        "vips": {line["unit"]: line["vip"] for line in balancers},
        "summary": text.status_summary(status),
    }


def _server(line):
    return {**dataclasses.asdict(line), "pool": line.unit.split("@")[0]}


def _balancer(line):
    members = [{"address": address, "weight": weight, "status": state} for address, weight, state in line.members]
    return {**dataclasses.asdict(line), "members": members}
