# SPDX-License-Identifier: Apache-2.0
"""The border between Ansible and the hall: a module's verb is run, and what it raises becomes a failed task.

A module holds no logic of its own. `answered` is to Ansible what the command line's last door is to a shell.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import closing

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.cloudsentry.burst.plugins.module_utils import answers

try:
    from cloudsentry import conf, resize
    from cloudsentry.errors import SentryError, SpecError
    from cloudsentry.render import text
    from cloudsentry.sentry import Sentry
    from cloudsentry.spec.load import load_text
    from cloudsentry.weights import weigh
except ImportError as error:
    MISSING = f"{missing_required_lib('cloudsentry')} ({error})"
else:
    MISSING = ""

OPTIONS = {"config_file": {"type": "path"}}
"""Of every module."""


def opened(config_file):
    """A hall on the settings of a file, or of the usual places; whoever opens it closes it. Raises SentryError."""
    return Sentry(conf.load(config_file))


def answered(module, verb):
    """End the module with what ``verb`` makes of the hall: a dictionary of returns.

    Returns with ``msg`` are those of a failed run. Errors of the project fail with the sentence that the command
    line has for them; no traceback is shown.
    """
    if MISSING:
        module.fail_json(msg=MISSING)
    try:
        with closing(opened(module.params["config_file"])) as hall:
            returns = verb(hall)
    except SentryError as error:
        module.fail_json(msg=str(error), error=kind(error))
    except Exception as error:  # noqa: BLE001 - the last door before the user
        line = " ".join(f"{type(error).__name__}: {error}".split())
        module.fail_json(msg=f"internal error: {line}", error=kind(error))
    if "msg" in returns:
        module.fail_json(**returns)
    module.exit_json(**returns)


def kind(error):
    """What a play may decide by: the kind of an error, the command line's exit code, and its values."""
    return {
        "kind": type(error).__name__,
        "exit_code": getattr(error, "exit_code", 1),
        "cloud": getattr(error, "cloud", ""),
        "refusals": list(getattr(error, "refusals", ())),
        "faults": [dataclasses.asdict(fault) for fault in getattr(error, "faults", ())],
    }


def trouble(report, again):
    """Nothing for a run that came to its end; else the sentences that the command line has for it, and its kind."""
    lines = text.report_lines(report, again)
    error = {"kind": report.outcome, "exit_code": 1, "cloud": "", "refusals": [], "faults": []}
    return {"msg": "\n".join(lines), "error": error} if report.outcome != "done" else {}


def wished(hall, *, file=None, definition=None, name=None):
    """The event that a task asks for: a file's, the one written inline, or the newest revision of a name."""
    if file:
        return hall.load(file)
    return _inline(definition) if definition is not None else hall.event(name)[0]


def _inline(definition):
    body = json.dumps(definition, indent=1)  # one key a line, so that a fault's line tells which
    try:
        return load_text(body, "definition")
    except SpecError as error:
        lines = body.splitlines()
        raise SpecError(tuple(_quoted(fault, lines[fault.line - 1].strip()) for fault in error.faults)) from error


def _quoted(fault, line):
    """A fault with the line it is on, which nobody has before their eyes; never the text of user_data."""
    if "user_data" in line:
        return fault
    return dataclasses.replace(fault, message=f"{fault.message} (at {line.rstrip(',')})")


def shaded(value):
    """A definition without the text of its user_data, which may hold secrets: Ansible prints a task's arguments."""
    if isinstance(value, dict):
        return {key: "(not shown)" if key == "user_data" else shaded(part) for key, part in value.items()}
    return [shaded(part) for part in value] if isinstance(value, list) else value


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of an event by hand: the event that it would make, its run, and what to tell of the world then.

    Each takes the hall; ``now`` returns a dictionary of returns.
    """

    proposed: Callable
    made: Callable
    now: Callable


def changed(module, hall, name, change):
    """What a task returns that changes an event: in check mode the plan, else the run; diff mode shows either.

    ``msg`` is among it where the run did not come to its end.
    """
    plan = hall.plan(change.proposed(hall)) if module.check_mode or module._diff else None
    told = {"name": name} if plan is None else {"name": name, "plan": answers.planned(plan)}
    if module.check_mode:
        return {"changed": bool(plan.steps), "event": told, **change.now(hall), "diff": answers.difference(plan)}
    report = change.made(hall)
    told["report"] = answers.reported(report)
    returns = {"changed": answers.changed(report), "event": told, **change.now(hall)}
    if plan is not None:
        returns["diff"] = answers.difference(plan, report)
    return {**returns, **trouble(report, "this task")}


def resized(hall, name, wanted):
    """The event with other sizes, as `resize.set_sizes` would apply it. Raises UserError."""
    return resize.proposed(hall, name, wanted)[0]


def set_sizes(hall, name, wanted, wait):
    """The run that gives pools and units their sizes."""
    return resize.set_sizes(hall, name, wanted, wait=wait)


def pools(hall, name):
    """How many servers there are, place by place."""
    return [dataclasses.asdict(line) for line in resize.pools(hall, name)]


def reweighed(hall, name, balancer, wanted):
    """The event with other weights, as `weigh.set_weights` would apply it. Raises UserError."""
    return weigh.proposed(hall, name, balancer, wanted)[0]


def set_weights(hall, name, balancer, wanted, wait):
    """The run that gives the units their weights."""
    return weigh.set_weights(hall, name, balancer, wanted, wait=wait)


def weights(hall, name):
    """Each member's weight, and why it has it."""
    return [dataclasses.asdict(line) for line in weigh.weights(hall, name)]


def servers(config_file, names):
    """The servers of events as they are now, each with its event and pool; no names: of every event that is kept."""
    with closing(opened(config_file)) as hall:
        kept = names or [row.name for row in hall.events() if row.state == "kept"]
        found = [answers.stood(hall.status(name)) for name in kept]
    return [{**line, "event": status["name"]} for status in found for line in status["servers"]]
