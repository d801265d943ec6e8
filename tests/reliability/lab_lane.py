"""One event on the lab that goes round its operations, something going wrong once in each.

The program is a real process. It begins stopped, the lab's APIs are told which request of that very process is to
be struck (killed before or after it is carried out, refused, left without an answer, …), and it goes on. What there is
afterwards is asked of the clouds themselves.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from armed import Program, Trap
from keystoneauth1.adapter import Adapter
from openstack.config import OpenStackConfig

from cloudsentry.lab import faults
from cloudsentry.lab.layout import layout

CLOUDS = ("private", "public")
SERVICES = ("keystone", "glance", "nova-api", "neutron", "octavia-api")
METHODS = ("GET", "POST", "PUT", "DELETE")
OPERATIONS = ("provision", "re-weight", "grow", "stretch", "shrink", "destroy")
SETTLE = 5.0
API_TIMEOUT = 30.0
IMPATIENT = {"OS_EXECUTOR__BALANCER_TIMEOUT": "20"}
"""Seconds: shorter than the defaults, for a case to be short; longer than the lab needs to answer."""

KILLS: dict[str, dict[str, Any]] = {
    "killed before the call": {"kind": "kill"},
    "killed after the call": {"kind": "kill", "after": True},
    "killed during the call": {"kind": "leave", "delay": 2.0},
}
PASSING: dict[str, dict[str, Any]] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "500 after the effect": {"kind": "status", "status": 500, "after": True},
    "429, Retry-After 3": {"kind": "status", "status": 429, "retry_after": 3},
    "401 (token expired)": {"kind": "status", "status": 401},
    "reset": {"kind": "reset"},
    "answer lost after the effect": {"kind": "drop", "after": True},
    "timeout, the effect comes later": {"kind": "delay", "delay": API_TIMEOUT + 2},
    "cut JSON after the effect": {"kind": "truncate", "after": True},
    "no JSON after the effect": {"kind": "garbage", "after": True},
    "slow API (2 s)": {"kind": "delay", "delay": 2.0},
    "409 three times (balancer at work)": {"kind": "status", "status": 409, "times": 3},
}
LASTING: dict[str, dict[str, Any]] = {
    "409 for ever, then the same again": {"kind": "status", "status": 409, "times": 1000},
    "403, then the same again": {"kind": "status", "status": 403},
    "403, then rollback": {"kind": "status", "status": 403},
}
FAULTS = KILLS | PASSING | LASTING


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Point:
    """Where in an operation what goes wrong. ``place`` is an API (CLOUD/NAME) and ``method`` HTTP's, or ``place`` is
    ``journal`` and ``method`` one of its own.
    """

    operation: str
    fault: str
    place: str
    method: str
    nth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a case ended. ``alone``: the struck run itself came to its end. ``writes``: of one more run."""

    struck: bool
    alone: bool = False
    converged: bool = False
    orphans: int = 0
    duplicates: int = 0
    lost: int = 0
    writes: int = 0
    seconds: float = 0.0
    detail: str = ""

    @property
    def good(self) -> bool:
        return self.converged and not (self.orphans or self.duplicates or self.lost or self.writes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What bears an event's mark: servers as (id, hypervisor, status), the members' weights, names, ports' ids."""

    servers: frozenset[tuple[str, str, str]]
    members: tuple[int, ...]
    balancers: tuple[str, ...]
    networks: tuple[str, ...]
    ports: tuple[str, ...]

    @property
    def ids(self) -> set[str]:
        return {id for id, _, _ in self.servers}

    @property
    def places(self) -> Counter[str]:
        return Counter(host for _, host, _ in self.servers)


class Clouds:
    """The lab, asked behind the program's back."""

    def __init__(self, lab: Path) -> None:
        config = OpenStackConfig(config_files=[str(lab / "clouds.yaml")])
        self._sessions = {cloud: config.get_one(cloud).get_session() for cloud in CLOUDS}
        self.lab = layout()

    def get(self, cloud: str, service: str, path: str) -> Any:
        adapter = Adapter(self._sessions[cloud], service_type=service, interface="public")
        version = {"OpenStack-API-Version": "compute 2.96"} if service == "compute" else {}
        return adapter.get(path, headers=version).json()

    def listing(self, event: str) -> Listing:
        """Everything of an event, wherever it is."""
        servers, members, balancers, networks, ports = [], list[int](), [], [], []
        for cloud in CLOUDS:
            path = f"/servers/detail?tags=cloudsentry-event%3D{event}"
            found = self.get(cloud, "compute", path)["servers"]
            servers += [(one["id"], one["OS-EXT-SRV-ATTR:hypervisor_hostname"], one["status"]) for one in found]
            for one in self.get(cloud, "load-balancer", "/v2.0/lbaas/loadbalancers")["loadbalancers"]:
                if one["name"].startswith(f"{event}-"):
                    balancers.append(one["name"])
                    members += [member["weight"] for pool in one["pools"] for member in self._members(cloud, pool)]
            listed = self.get(cloud, "network", "/v2.0/networks?fields=name&fields=description")["networks"]
            networks += [one["name"] for one in listed if one["description"] == f"cloudsentry-event={event}"]
            owners = {id for id, _, _ in servers}
            asked = "/v2.0/ports?fields=id&fields=device_id"
            ports += [one["id"] for one in self.get(cloud, "network", asked)["ports"] if one["device_id"] in owners]
        return Listing(
            servers=frozenset(servers),
            members=tuple(sorted(members)),
            balancers=tuple(sorted(balancers)),
            networks=tuple(sorted(networks)),
            ports=tuple(sorted(ports)),
        )

    def _members(self, cloud: str, pool: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(cloud, "load-balancer", f"/v2.0/lbaas/pools/{pool['id']}/members")[
            "members"
        ]
        return found

    def left(self, ports: set[str]) -> set[str]:
        """Those of the ports that are still there."""
        there = {one["id"] for cloud in CLOUDS for one in self.get(cloud, "network", "/v2.0/ports?fields=id")["ports"]}
        return ports & there


def body(name: str, operation: str, vlan: int | None) -> dict[str, Any]:
    """The event file that stands after an operation; three or four servers, a balancer, with a VLAN a stretched
    network."""
    place = OPERATIONS.index(operation)
    alike = {"image": "tiny", "flavor": "m1.nano", "networks": ["front"]}
    pins = [
        {
            "hypervisor": "private-xeon1",
            "count": 2 if operation in ("grow", "stretch") else 1,
            "weight": 7 if place else 10,
        },
        {"hypervisor": "private-opteron1", "count": 1, "weight": 2},
    ]
    pools: dict[str, Any] = {"nara": {**alike, "site": "nara", "pins": pins}}
    if operation != "shrink":
        pools["osaka"] = {**alike, "site": "osaka", "pins": [{"hypervisor": "public-hv1", "count": 1}]}
    event: dict[str, Any] = {
        "event": name,
        "sites": {"nara": {"cloud": "private"}, "osaka": {"cloud": "public"}},
        "pools": pools,
        "balancers": {"web": {"site": "nara", "network": "front", "drain": 0, "members": [{"pool": "nara"}]}},
    }
    if vlan is not None and operation in ("stretch", "shrink"):
        net = f"10.7.{vlan % 256}"
        ranges = {"nara": f"{net}.10-{net}.99", "osaka": f"{net}.100-{net}.199"}
        event["stretches"] = {
            f"{name}-link": {
                "driver": "vlan",
                "between": ["nara", "osaka"],
                "physical_network": "physnet1",
                "vlan": vlan,
                "cidr": f"{net}.0/24",
                "allocation": ranges,
                "gateway": "nara",
            }
        }
    return event


@dataclass(kw_only=True)
class Lane:
    """One event going round. Nobody else may work on an event of its name. Without a VLAN nothing is stretched."""

    clouds: Clouds
    folder: Path
    name: str
    vlan: int | None
    ports: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = (self.clouds.lab.root / "clouds.yaml").read_text()
        # api_timeout is openstacksdk's own key of a cloud.
        text = text.replace("    auth:", f"    api_timeout: {API_TIMEOUT}\n    auth:")
        (self.folder / "clouds.yaml").write_text(text)
        self.env = {
            **os.environ,
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "clouds.yaml"),
            "CLOUDSENTRY_STATE_DIR": str(self.folder / "state"),
            "OS_EXECUTOR__SETTLE": str(SETTLE),
            "OS_EXECUTOR__POLL_LEAST": "0.5",
            "OS_EXECUTOR__POLL_SHARE": "0.4",
        }

    def words(self, operation: str) -> list[str]:
        """The operation as a command."""
        if operation == "destroy":
            return ["event", "destroy", self._file("stretch"), "--yes", "-f", "json"]
        return ["event", "apply", self._file(operation), "-f", "json"]

    def _file(self, operation: str) -> str:
        path = self.folder / f"{operation}.yaml"
        path.write_text(json.dumps(body(self.name, operation, self.vlan)))
        return str(path)

    def run(self, words: list[str]) -> tuple[int, dict[str, Any]]:
        """The program, from its start to its end: its exit code and its report (what it said where it has none)."""
        return _report(self._start(words))

    def counted(self, operation: str) -> dict[tuple[str, str], int]:
        """The operation without a fault; how many requests each API got by method, and the journal by its own."""
        told = self.folder / "count.json"
        program = self._start(self.words(operation), stopped=True, trap=Trap(told=str(told)))
        keys = [(f"{cloud}/{api}", method) for cloud in CLOUDS for api in SERVICES for method in METHODS]
        orders = {key: self._arm(*key, program.pid, kind="delay", delay=0.001, skip=10**6) for key in keys}
        program.go_on()
        code, report = _report(program)
        counts = {key: self._disarm(fault).passed for key, fault in orders.items()}
        assert (code, report["outcome"]) == (0, "done"), report
        counts |= {("journal", method): count for method, count in json.loads(told.read_text()).items()}
        return {key: count for key, count in counts.items() if count}

    def case(self, point: Point) -> Verdict:
        """One case, from the state before the operation to the state after it; before a rollback's: to that before."""
        began = time.monotonic()
        back = point.fault.endswith("rollback")
        before = self.clouds.listing(self.name) if back else None
        code, (struck,), told = self.struck([point])
        if before is not None:
            verdict = self._rolled_back(point, before, struck, told)
        else:
            verdict = self.gone_on(point, code, struck, told)
        return replace(verdict, seconds=round(time.monotonic() - began, 1))

    def gone_on(self, point: Point, code: int, struck: bool, told: str) -> Verdict:
        """What becomes of the struck run: run again where it did not end well, once more, and judged."""
        again = {"outcome": "done"} if code == 0 else self.run(self.words(point.operation))[1]
        last, second = self.run(self.words(point.operation))
        verdict = self._judge(point.operation)
        fine = last == 0 and again.get("outcome") == second.get("outcome") == "done"
        return replace(
            verdict,
            struck=struck,
            alone=code == 0,
            converged=verdict.converged and fine,
            writes=int(second.get("writes", 0)),
            detail="" if fine else json.dumps({"told": told, "again": again.get("left"), "second": second.get("left")}),
        )

    def _rolled_back(self, point: Point, before: Listing, struck: bool, told: str) -> Verdict:
        """All is as it was before the operation; what the operation had not removed is the very same."""
        touched = self.clouds.listing(self.name)
        place = OPERATIONS.index(point.operation)
        stood = OPERATIONS[place - 1] if place else "destroy"
        code, report = self.run(self._back(place))
        last, second = self.run(self.words(stood))
        after = self.clouds.listing(self.name)
        kept = before.ids & touched.ids
        same = (before.members, before.balancers, before.networks) == (after.members, after.balancers, after.networks)
        active = all(status == "ACTIVE" for _, _, status in after.servers)
        fine = code == last == 0 and same and active
        return Verdict(
            struck=struck,
            converged=fine,
            orphans=(after.places - before.places).total(),
            lost=(before.places - after.places).total() + len(kept - after.ids),
            writes=int(second.get("writes", 0)),
            detail="" if fine else json.dumps([told, report, second.get("left"), repr(before), repr(after)]),
        )

    def _back(self, place: int) -> list[str]:
        """Going back, as the operator does it: to the revision that stood before."""
        if not place:
            return ["event", "destroy", self._file("provision"), "--yes", "-f", "json"]
        number = self._revision(OPERATIONS[place - 1])
        return ["event", "rollback", self.name, "--to", str(number), "-f", "json"]

    def _revision(self, operation: str) -> int:
        """The number that the journal gave to what an operation wants; 0 where it never was wanted."""
        import sqlite3

        from cloudsentry.spec.load import digest, from_dict

        wanted = digest(from_dict(body(self.name, operation, self.vlan)))
        with sqlite3.connect(self.folder / "state" / "journal.sqlite") as db:
            row = db.execute(
                "select max(number) from revisions where event=? and digest=?", (self.name, wanted)
            ).fetchone()
        return int(row[0] or 0)

    def struck(self, points: Sequence[Point]) -> tuple[int, list[bool], str]:
        """Their operation, with their faults; its exit code, which faults struck, and what was told on stderr.

        A line of the journal is struck alone.
        """
        words, point = self.words(points[0].operation), points[0]
        if point.place == "journal":
            trap = Trap(method=point.method, nth=point.nth, after="after" in point.fault)
            code, _, told = self._start(words, trap=trap).end()
            return code, [code == -signal.SIGKILL], told[-400:]
        program = self._start(words, stopped=True, **IMPATIENT if "for ever" in point.fault else {})
        orders = [
            self._arm(one.place, one.method, program.pid, skip=one.nth - 1, **{"times": 1, **FAULTS[one.fault]})
            for one in points
        ]
        program.go_on()
        try:
            code, _, told = program.end()
        finally:
            struck = [self._disarm(fault).hits > 0 for fault in orders]
        assert "Traceback" not in told, told
        return code, struck, told[-400:]

    def _judge(self, operation: str) -> Verdict:
        found = self.clouds.listing(self.name)
        self.ports |= set(found.ports)
        places, weights, balancers, networks = wanted(self.name, operation, self.vlan)
        broken = [server for server in found.servers if server[2] != "ACTIVE"]
        surplus = found.places - places
        gone_ports = self.clouds.left(self.ports - set(found.ports)) if operation == "destroy" else set[str]()
        return Verdict(
            struck=True,
            converged=not broken and (list(found.members), len(found.networks)) == (weights, networks),
            orphans=sum(count for host, count in surplus.items() if host not in places)
            + (len(found.balancers) if not balancers else 0)
            + len(gone_ports),
            duplicates=sum(count for host, count in surplus.items() if host in places)
            + max(0, len(found.balancers) - 1),
            lost=(places - found.places).total() + max(0, balancers - len(found.balancers)),
        )

    def _start(self, words: list[str], *, stopped: bool = False, trap: Trap | None = None, **env: str) -> Program:
        return Program(words, {**self.env, **env}, self.folder, stopped=stopped, trap=trap)

    def _arm(self, place: str, method: str, caller: int, **more: Any) -> faults.Fault:
        cloud, where = place.split("/")
        fault = faults.Fault(id="", cloud=cloud, where=where, operation=method, caller=caller, **more)
        return faults.add(self.clouds.lab, fault)

    def _disarm(self, fault: faults.Fault) -> faults.Fault:
        return faults.clear(self.clouds.lab, fault.id)[0]


def wanted(name: str, operation: str, vlan: int | None) -> tuple[Counter[str], list[int], int, int]:
    """Servers by hypervisor, the members' weights, how many balancers and how many networks."""
    if operation == "destroy":
        return Counter(), [], 0, 0
    event = body(name, operation, vlan)
    places = Counter[str]()
    for pool in event["pools"].values():
        for pin in pool["pins"]:
            places[pin["hypervisor"]] += pin["count"]
    weights = sorted(pin["weight"] for pin in event["pools"]["nara"]["pins"] for _ in range(pin["count"]))
    return places, weights, 1, 2 * len(event.get("stretches", ()))


def _report(program: Program) -> tuple[int, dict[str, Any]]:
    code, out, told = program.end()
    assert "Traceback" not in told, told
    try:
        return code, json.loads(out)
    except ValueError:
        return code, {"left": [told[-400:]]}
