# SPDX-License-Identifier: Apache-2.0
"""Moves as what a task returns."""

from __future__ import annotations

import dataclasses
from contextlib import closing

try:
    from cloudsentry.errors import PlanError
    from cloudsentry.migrate import Asked, Migration
    from cloudsentry.migrate.already import already
except ImportError:  # told by the module, which asks for `sentry.MISSING` first
    Asked = Migration = PlanError = already = None

AIMS = {"retried": "done", "undone": "undone"}


def moved(module, hall):
    """What is asked for stands on the target: moved now, or found there."""
    given = module.params
    with closing(Migration(hall)) as migration:
        asked = Asked(
            event=given["event"],
            what=given["what"],
            to=given["to"],
            mover=given["mover"],
            wave=given["wave"],
            hypervisors=tuple(given["hypervisors"]),
            group=tuple(given["group"]),
            together=given["together"],
        )
        if already(hall, migration, asked):
            return {"changed": False, "moves": [], "plan": [], "diff": {"prepared": ""}}
        plan = [_planned(row) for row in migration.plan(asked)] if module.check_mode or module._diff else []
        diff = {"plan": plan, "diff": {"prepared": "".join(f"{_line(row)}\n" for row in plan)}}
        refusals = [line for row in plan for line in row["refusals"]]
        if module.check_mode and refusals:
            raise PlanError(tuple(dict.fromkeys(refusals)))
        if module.check_mode:
            return {"changed": True, **diff}
        moves = migration.run(asked)
    return {**_ended(moves, "done"), **(diff if module._diff else {})}


def resumed(module, hall):
    """A move that was interrupted is gone on with, or undone; one that is so already is left alone."""
    given = module.params
    aim = AIMS[given["state"]]
    with closing(Migration(hall)) as migration:
        move = migration.move(given["move"])
        if move.state == aim:
            return {"changed": False, "moves": [_told(move)]}
        if module.check_mode:
            return {"changed": True, "moves": [_told(move)]}
        verb = migration.retry if aim == "done" else migration.rollback
        return _ended((verb(move.id),), aim)


def _planned(row):
    return {**dataclasses.asdict(row), "refusals": list(row.refusals)}


def _line(row):
    against = f"; refused: {'; '.join(row['refusals'])}" if row["refusals"] else ""
    return f"~ {row['source']} {row['server']}: to {row['target']} by {row['mover']}  # {row['why']}{against}"


def _told(move):
    told = {name: getattr(move, name) for name in ("id", "source", "target", "mover", "phase", "state", "attempts")}
    return {**told, "server": move.memo.get("name") or move.server, "error": move.error}


def _ended(moves, aim):
    returns = {"changed": True, "moves": [_told(move) for move in moves]}
    bad = [move for move in moves if move.state != aim]
    if not bad:
        return returns
    lines = [f"move {move.id} of {move.memo.get('name') or move.server} is {move.state}: {move.error}" for move in bad]
    error = {"kind": bad[0].state, "exit_code": 1, "cloud": bad[0].source, "refusals": [], "faults": []}
    return {**returns, "msg": "\n".join(lines), "error": error}
