"""The lab, the program, and the clouds asked behind the program's back.

A lab that is not there is brought up; one that cannot be is a failure, never a skip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import openstack
import pytest

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
CLOUDS = ("private", "public")
COUNTED = ("nova-api", "octavia-api", "neutron")
"""The services that a client writes to; their access logs are the lab's, not the program's own counters."""


@dataclass(frozen=True)
class Program:
    """`cloudsentry` as a user runs it: a process of its own, without a terminal."""

    env: dict[str, str]

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [PROGRAM, *args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *args: str, code: int = 0) -> str:
        """The answer on stdout; the exit code is as expected, and nobody sees a traceback."""
        process = self.start(*args)
        out, err = process.communicate(timeout=600)
        assert process.returncode == code, f"{args} ended with {process.returncode}:\n{out}\n{err}"
        assert "Traceback" not in err
        return out + err if code else out

    def json(self, *args: str, code: int = 0) -> Any:
        process = self.start(*args, "-f", "json")
        out, err = process.communicate(timeout=600)
        assert process.returncode == code, f"{args} ended with {process.returncode}:\n{out}\n{err}"
        return json.loads(out)


@dataclass(frozen=True)
class Request:
    """One line of an API's access log."""

    cloud: str
    service: str
    method: str
    path: str
    status: str


@dataclass
class Lab:
    """The two clouds, asked with openstacksdk alone."""

    root: Path
    _offsets: dict[Path, int] = field(default_factory=dict)

    @cached_property
    def clouds(self) -> dict[str, openstack.connection.Connection]:
        return {name: openstack.connect(cloud=name) for name in CLOUDS}

    def servers(self, event: str) -> list[Any]:
        """Every server with the event's mark, on both clouds, by name."""
        tag = f"cloudsentry-event={event}"
        found = [one for cloud in CLOUDS for one in self.clouds[cloud].compute.servers(details=True, tags=tag)]
        return sorted(found, key=lambda server: server.name)

    def members(self, cloud: str, balancer: str) -> dict[str, int]:
        """Weight by address, of the one pool of a balancer."""
        octavia = self.clouds[cloud].load_balancer
        (found,) = list(octavia.load_balancers(name=balancer))
        (pool,) = found.pools
        return {member.address: member.weight for member in octavia.members(pool["id"])}

    def balancers(self) -> list[str]:
        return [one.name for cloud in CLOUDS for one in self.clouds[cloud].load_balancer.load_balancers()]

    def ports(self, event: str) -> set[str]:
        """The ids of the ports of the event's servers and of its balancers' VIPs."""
        servers = {server.id for server in self.servers(event)}
        balancers = {
            one.vip_port_id
            for cloud in CLOUDS
            for one in self.clouds[cloud].load_balancer.load_balancers()
            if one.name.startswith(f"{event}-")
        }
        return balancers | {port.id for port in self._ports() if port.device_id in servers}

    def _ports(self) -> Iterator[Any]:
        for cloud in CLOUDS:
            yield from self.clouds[cloud].network.ports()

    def left(self, ports: set[str]) -> set[str]:
        """Those of the ports that are still there."""
        return ports & {port.id for port in self._ports()}

    def _logs(self) -> Iterator[tuple[str, str, Path]]:
        for cloud in CLOUDS:
            for service in COUNTED:
                yield cloud, service, self.root / cloud / "log" / f"access.{service}.log"

    def mark(self) -> None:
        """`writes` counts from here."""
        self._offsets = {path: path.stat().st_size if path.exists() else 0 for _, _, path in self._logs()}

    def writes(self) -> list[Request]:
        """What cloudsentry has asked to be changed since `mark`, by the name that it gives the services."""
        found = []
        for cloud, service, path in self._logs():
            with path.open(encoding="utf-8") as log:
                log.seek(self._offsets.get(path, 0))
                for line in log:
                    if not line.endswith("\n"):
                        continue
                    _, method, asked, status, _, agent = line.rstrip("\n").split(" ", 5)
                    if method not in ("GET", "HEAD", "OPTIONS") and agent.startswith("cloudsentry/"):
                        found.append(Request(cloud, service, method, asked, status))
        return found


@pytest.fixture(scope="session")
def lab_root() -> Path:
    folder = os.environ.get("CLOUDSENTRY_LAB_DIR") or "~/.local/share/cloudsentry/lab"
    return Path(folder).expanduser()


@pytest.fixture(scope="session")
def program(lab_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Program:
    state = tmp_path_factory.mktemp("state")
    places = {"OS_CLIENT_CONFIG_FILE": str(lab_root / "clouds.yaml"), "CLOUDSENTRY_STATE_DIR": str(state)}
    return Program(env={**os.environ, **places})


@pytest.fixture(scope="session")
def lab(lab_root: Path, program: Program) -> Lab:
    """Both clouds, up and ready."""
    program("lab", "up")
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab_root / "clouds.yaml")
    return Lab(root=lab_root)
