"""Who is who in the running data plane: servers, load balancers and sites by name or id, each with its namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudsentry.errors import UserError
from cloudsentry.lab.inside import wires
from cloudsentry.lab.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that has a namespace."""

    cloud: str
    id: str
    name: str
    hypervisor: str

    @property
    def netns(self) -> str:
        return f"s-{self.id[:13]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """A load balancer that has a namespace; its first VIP and the port of its first listener (80 without one)."""

    cloud: str
    id: str
    name: str
    address: str
    port: int


def servers(lab: Layout) -> Iterator[Server]:
    """Every server of both clouds that has a namespace."""
    for cloud in lab.clouds:
        for path in _files(lab.folder(cloud.name) / "run" / "guests", "*.json"):
            if known := wires.read(str(path)):
                yield Server(cloud=cloud.name, id=known["id"], name=known["name"], hypervisor=known["host"])


def balancers(lab: Layout, wanted: str, cloud: str | None) -> list[Balancer]:
    """The load balancers of that name, id or VIP."""
    found = []
    for one in lab.clouds:
        for path in _files(lab.folder(one.name) / "state" / "octavia" / "lb", "*/lb.json"):
            known = wires.read(str(path))
            if not known or cloud not in (None, one.name):
                continue
            address = known["vips"][0]["address"].partition("/")[0]
            port = (known["ports"] or [80])[0]
            if wanted in (known["id"], known["name"], address):
                found.append(Balancer(cloud=one.name, id=known["id"], name=known["name"], address=address, port=port))
    return found


def namespace(lab: Layout, name: str) -> str:
    """The namespace of a site ("private"), a server (name or id) or a load balancer; CLOUD/NAME where a name is not
    enough.

    Raises UserError where there is none, or more than one.
    """
    if name in [cloud.name for cloud in lab.clouds]:
        return wires.site(name)
    cloud, _, rest = name.rpartition("/")
    found = [
        (f"{one.cloud}/{one.id}", one.netns)
        for one in servers(lab)
        if rest in (one.id, one.name) and cloud in ("", one.cloud)
    ]
    found += [(f"{one.cloud}/{one.id}", f"lb-{one.id[:13]}") for one in balancers(lab, rest, cloud or None)]
    if not found:
        raise UserError(f"no server, load balancer or site {name!r} in the lab")
    if len(found) > 1:
        raise UserError(f"{name} is not one but {len(found)}: {', '.join(title for title, _ in found)}")
    return found[0][1]


def command(netns: str, arguments: list[str]) -> list[str]:
    """The command line that runs `arguments` in a namespace. UserError where it cannot be entered."""
    if os.geteuid() != 0:
        raise UserError("only root can enter the lab's namespaces")
    if not wires.exists(netns):
        raise UserError(f"the namespace {netns} is not there: run `cloudsentry lab up` as root")
    return ["ip", "netns", "exec", netns, *arguments]


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))
