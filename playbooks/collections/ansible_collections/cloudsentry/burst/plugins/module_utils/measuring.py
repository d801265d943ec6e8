# SPDX-License-Identifier: Apache-2.0
"""Calibrations as what a task returns."""

from __future__ import annotations

import dataclasses
import datetime as dt

try:
    from cloudsentry.calibration import calibrate
except ImportError:  # told by the module, which asks for `sentry.MISSING` first
    calibrate = None

ASKED = ("event", "pool", "place", "driver", "path", "port", "seconds", "rounds")


def measured(module, hall):
    """The pool's newest calibration; measured now where there is none that is young enough."""
    asked = calibrate.Asked(**{name: module.params[name] for name in ASKED})
    units = {group.unit for group in calibrate.groups(hall, asked)}
    kept = calibrate.kept(hall, asked.event, asked.pool)
    oldest = dt.datetime.now(dt.UTC) - dt.timedelta(days=module.params["max_age"])
    fresh = units <= {one.unit for one in kept if one.at >= oldest}
    if not fresh and not module.check_mode:
        kept = calibrate.calibrate(hall, asked)
    told = "" if fresh else "".join(f"~ {unit}: measured\n" for unit in sorted(units))
    returns = {"changed": not fresh, "capacities": [_told(one) for one in kept], "diff": {"prepared": told}}
    return {**returns, "weights": calibrate.weights_for(kept) if kept else {}}


def _told(one):
    return {**dataclasses.asdict(one), "at": one.at.isoformat()}
