"""Faults ordered from outside: checked, written where the processes of the lab look for them, listed with their hits,
cleared.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from cloudsentry.errors import UserError
from cloudsentry.lab import services
from cloudsentry.lab.inside import faults as inside
from cloudsentry.lab.inside import wires
from cloudsentry.lab.layout import Layout, Role

APIS = ("keystone", "placement", "glance", "nova-api", "neutron", "octavia-api")
API_KINDS = ("status", "delay", "drop", "reset", "truncate", "garbage", "kill", "leave")
HYPERVISOR_KINDS = ("fail", "reschedule", "abort", "hang", "full", "slow", "die")
OPERATIONS = ("spawn", "snapshot", "live_migration", "finish_migration", "power_on", "power_off", "destroy", "reboot")
STANDING = ("full", "slow", "die")  # a state of the hypervisor, not something that strikes an operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault at an API or a hypervisor of a cloud. `hits` is how often it has struck, of at most `times`.

    At an API `caller` is the id of the one process whose requests are meant; of those that meet the fault `skip` pass
    before it strikes, and `passed` have passed.

    `target` is a regular expression: over the request's path, or over the server's name. `operation` is an API's
    method or what a hypervisor does; "*" is any. Delays are in seconds.
    """

    id: str
    cloud: str
    where: str
    kind: str
    operation: str = "*"
    target: str = ""
    status: int | None = None
    retry_after: int | None = None
    delay: float = 0.0
    after: bool = False
    times: int | None = None
    probability: float = 1.0
    caller: int | None = None
    skip: int = 0
    passed: int = 0
    hits: int = 0


def place(lab: Layout, name: str) -> tuple[str, str]:
    """The cloud and the API or hypervisor of CLOUD/NAME. UserError with the names that there are."""
    cloud_name, _, where = name.partition("/")
    if cloud_name not in [cloud.name for cloud in lab.clouds]:
        raise UserError(
            f"{name!r}: expected CLOUD/NAME, with one of the clouds {', '.join(c.name for c in lab.clouds)}"
        )
    hypervisors = [hypervisor.name for hypervisor in lab.cloud(cloud_name).hypervisors]
    if where not in (*APIS, *hypervisors):
        raise UserError(f"{cloud_name} has no {where!r}; it has {', '.join((*APIS, *hypervisors))}")
    return cloud_name, where


def add(lab: Layout, fault: Fault) -> Fault:
    """The fault is in force when this returns. UserError where its parts make no sense together."""
    check(fault)
    fault = _numbered(fault)
    if fault.kind == "die":
        services.kill(lab, _compute(lab, fault))
    _store(lab, fault.cloud, fault.where).add(record(fault))
    return fault


def every(lab: Layout) -> tuple[Fault, ...]:
    """All faults in force or spent, in the order of clouds, APIs, hypervisors, and of their making."""
    return tuple(
        _fault(cloud, where, entry)
        for cloud, where in _places(lab)
        for entry in _store(lab, cloud, where).all()
        if where not in APIS or entry["role"] == where
    )


def clear(lab: Layout, wanted: str | None = None) -> tuple[Fault, ...]:
    """The fault of that id (default: every fault) is gone, and a hypervisor that died of one runs again. Those
    removed.
    """
    gone = []
    for cloud, where in _places(lab):
        store = _store(lab, cloud, where)
        for entry in store.remove(partial(_is, wanted, where)):
            fault = _fault(cloud, where, entry)
            gone.append(fault)
            if fault.kind == "die":
                services.start(lab, [_compute(lab, fault)])
    if wanted is not None and not gone:
        raise UserError(f"there is no fault {wanted!r}")
    return tuple(gone)


def check(fault: Fault) -> None:
    """UserError for the first thing wrong."""
    api = fault.where in APIS
    kinds = API_KINDS if api else HYPERVISOR_KINDS
    if fault.kind not in kinds:
        raise UserError(f"{fault.kind} is no fault of {fault.where}; expected one of {', '.join(kinds)}")
    if not api and fault.kind not in STANDING and fault.operation not in OPERATIONS:
        raise UserError(f"{fault.operation!r} is nothing a hypervisor does; expected one of {', '.join(OPERATIONS)}")
    if fault.kind in STANDING and (fault.times is not None or fault.probability != 1.0):
        raise UserError(f"{fault.kind} lasts until it is cleared: it has no count and no probability")
    if fault.kind in ("delay", "hang") and fault.delay <= 0:
        raise UserError(f"{fault.kind} needs --delay SECONDS")
    if (fault.times is not None and fault.times < 1) or not 0 < fault.probability <= 1:
        raise UserError("a count is 1 or more, a probability above 0 and at most 1")
    if fault.kind in ("kill", "leave") and not (fault.caller or 0) > 1:
        raise UserError(f"{fault.kind} needs --caller PID: it ends no process that is not named")
    if not api and (fault.caller is not None or fault.skip):
        raise UserError("only a fault of an API has a caller, and requests that pass")
    if fault.skip < 0:
        raise UserError(f"skip {fault.skip}: expected 0 or more")
    if fault.kind == "status" and not 400 <= (fault.status or 0) <= 599:
        raise UserError(f"status {fault.status}: expected 400 to 599")
    try:
        re.compile(fault.target)
    except re.error as error:
        raise UserError(f"{fault.target!r} is no regular expression: {error}") from error


def record(fault: Fault) -> dict[str, object]:
    """The fault as inside/faults.py and inside/hypervisor.py read it."""
    shared: dict[str, object] = {
        "id": fault.id,
        "what": fault.kind,
        "delay": fault.delay,
        "probability": fault.probability,
    }
    if fault.times is not None:
        shared["times"] = fault.times
    if fault.where in APIS:
        more: dict[str, object] = {
            "role": fault.where,
            "method": fault.operation,
            "path": fault.target,
            "after": fault.after,
        }
        more |= {"status": fault.status, "retry_after": fault.retry_after, "skip": fault.skip}
        return shared | more | ({"caller": fault.caller} if fault.caller is not None else {})
    return shared | ({} if fault.kind in STANDING else {"op": fault.operation, "server": fault.target})


def _fault(cloud: str, where: str, entry: dict[str, object]) -> Fault:
    return Fault(
        id=str(entry["id"]),
        cloud=cloud,
        where=where,
        kind=str(entry["what"]),
        operation=str(entry.get("method") or entry.get("op") or "*"),
        target=str(entry.get("path") or entry.get("server") or ""),
        status=entry.get("status"),  # type: ignore[arg-type]
        retry_after=entry.get("retry_after"),  # type: ignore[arg-type]
        delay=float(str(entry.get("delay") or 0)),
        after=bool(entry.get("after")),
        times=entry.get("times"),  # type: ignore[arg-type]
        probability=float(str(entry.get("probability", 1))),
        caller=entry.get("caller"),  # type: ignore[arg-type]
        skip=int(str(entry.get("skip", 0))),
        passed=int(str(entry.get("passed", 0))),
        hits=int(str(entry["hits"])),
    )


def _numbered(fault: Fault) -> Fault:
    if fault.where not in APIS and fault.kind in STANDING:
        fault = replace(fault, operation="*", target="")
    return fault if fault.id else replace(fault, id=uuid.uuid4().hex[:8])


def _is(wanted: str | None, where: str, entry: dict[str, object]) -> bool:
    return wanted in (None, entry["id"]) and (where not in APIS or entry["role"] == where)


def _places(lab: Layout) -> Iterator[tuple[str, str]]:
    for cloud in lab.clouds:
        for where in (*APIS, *(hypervisor.name for hypervisor in cloud.hypervisors)):
            yield cloud.name, where


def _store(lab: Layout, cloud: str, where: str) -> inside.Store:
    wires.enter(str(lab.root))
    folder = lab.folder(cloud)
    return inside.Store(
        str(folder / "run" / "faults.json" if where in APIS else folder / "state" / "nova" / where / "fault.json")
    )


def _compute(lab: Layout, fault: Fault) -> Role:
    return services.find(lab, fault.cloud, f"nova-compute-{fault.where}")
