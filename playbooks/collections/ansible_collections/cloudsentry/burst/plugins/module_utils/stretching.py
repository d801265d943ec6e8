# SPDX-License-Identifier: Apache-2.0
"""Stretched networks as what a task returns."""

from __future__ import annotations

import dataclasses

from ansible_collections.cloudsentry.burst.plugins.module_utils import answers, sentry

try:
    from cloudsentry.errors import UserError
except ImportError:  # told by the module, which asks for `sentry.MISSING` first
    UserError = None


def checked(module, hall):
    """The ends as they are; ``msg`` is among it where one is not as the event wants it."""
    returns = _seen(module, hall)
    if not returns["findings"]:
        return returns
    lines = [f"{one['cloud']} {one['unit']}: {one['what']}" for one in returns["findings"]]
    error = {"kind": "drift", "exit_code": 1, "cloud": "", "refusals": [], "faults": []}
    return {**returns, "msg": "\n".join(lines), "error": error}


def rotated(module, hall):
    """New keys at both ends."""
    name, stretch = module.params["event"], module.params["stretch"]
    if module.check_mode:
        return {**_seen(module, hall), "changed": True, "diff": {"prepared": f"~ {stretch}: new keys\n"}}
    report = hall.rotate(name, stretch)
    returns = {**_seen(module, hall), "changed": True, "report": answers.reported(report)}
    return {**returns, **sentry.trouble(report, "this task")}


def _seen(module, hall):
    event = hall.event(module.params["event"])[0]
    wanted = module.params["stretch"]
    if wanted is not None and wanted not in event.stretches:
        known = ", ".join(event.stretches) or "none"
        raise UserError(f"event {event.event} has no stretch {wanted!r} (known: {known})")
    units = {wanted} if wanted is not None else set(event.stretches)
    status = hall.status(event.event)
    ends = [dataclasses.asdict(line) for line in status.stretches if line.unit in units]
    there = {line["unit"] for line in ends}
    drift = [dataclasses.asdict(one) for one in status.drift if one.unit in units]
    absent = [
        {"kind": "missing", "cloud": "", "unit": unit, "what": "neither end is there"}
        for unit in sorted(units - there - {one["unit"] for one in drift})
    ]
    return {"changed": False, "ends": ends, "findings": drift + absent}
