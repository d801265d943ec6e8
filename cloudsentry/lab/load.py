"""A crowd for one address of the lab: which server answered how often, how fast, and what failed.

The clients sit in a site's namespace. A duration is driven by wrk, an exact number of requests by inside/crowd.py.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import names
from cloudsentry.lab.inside import wires
from cloudsentry.lab.layout import Layout

HERE = Path(__file__).parent / "inside"
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of the answers came from the server that names itself so; `percent` of all answers."""

    server: str
    requests: int
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a crowd has seen. `errors` are connections that broke, time-outs and answers other than 200; latencies in
    ms.
    """

    shares: tuple[Share, ...]
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def requests(self) -> int:
        """Answers of status 200."""
        return sum(share.requests for share in self.shares)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to drive: a path of one address, by so many kept connections, for `duration` seconds or exactly `requests`
    requests.
    """

    cloud: str
    address: str
    port: int
    path: str
    connections: int
    rate: float
    duration: float
    requests: int | None


def order(
    lab: Layout,
    name: str,
    *,
    cloud: str | None,
    port: int | None,
    path: str,
    connections: int,
    rate: float,
    duration: float,
    requests: int | None,
) -> Order:
    """The order for the crowd that these wishes describe. UserError where one of them makes no sense."""
    if connections < 1 or duration <= 0 or rate < 0 or (requests is not None and requests < 1):
        raise UserError("connections, duration and requests are above 0, a rate is not below 0")
    if not path.startswith("/"):
        raise UserError(f"the path {path!r} does not begin with /")
    site, address, number = target(lab, name, cloud, port)
    return Order(
        cloud=site,
        address=address,
        port=number,
        path=path,
        connections=connections,
        rate=rate,
        duration=duration,
        requests=requests,
    )


def target(lab: Layout, name: str, cloud: str | None, port: int | None) -> tuple[str, str, int]:
    """The cloud, address and port that `name` means: an address, or a load balancer's name or id, or CLOUD/one of
    these.
    """
    prefix, _, rest = name.rpartition("/")
    wanted = cloud or prefix or None
    if wanted is not None and wanted not in [one.name for one in lab.clouds]:
        raise UserError(f"there is no cloud {wanted!r}; expected one of {', '.join(one.name for one in lab.clouds)}")
    if found := names.balancers(lab, rest, wanted):
        if len(found) > 1:
            raise UserError(
                f"{rest} is a load balancer of {' and of '.join(one.cloud for one in found)}: say CLOUD/{rest}"
            )
        return found[0].cloud, found[0].address, port or found[0].port
    try:
        ipaddress.ip_address(rest)
    except ValueError:
        raise UserError(f"{name!r} is neither an address nor a load balancer of the lab") from None
    return wanted or lab.clouds[0].name, rest, port or 80


def drive(order: Order) -> Load:
    """Let the crowd come. Raises SentryError where it could not even start."""
    url = f"http://{f'[{order.address}]' if ':' in order.address else order.address}:{order.port}{order.path}"
    if order.requests is None:
        rate = f"{order.rate:g}"
        threads = ["-t1", f"-c{order.connections}", f"-d{max(1, round(order.duration))}s", f"--timeout={TIMEOUT_S}s"]
        out = _inside(order.cloud, ["wrk", *threads, "-s", str(HERE / "shares.lua"), url, "--", rate])
        return counted(json.loads(out.rpartition("RESULT ")[2]))
    numbers = [str(order.port), order.path, str(order.requests), str(order.connections), f"{order.rate:g}"]
    return counted(json.loads(_inside(order.cloud, [sys.executable, str(HERE / "crowd.py"), order.address, *numbers])))


def counted(result: Mapping[str, object]) -> Load:
    """The figures of wrk's script or of crowd.py as a Load; servers in the order of their names."""
    answers: dict[str, int] = dict(result["answers"])  # type: ignore[call-overload]
    whole = sum(answers.values())
    shares = [
        Share(server=name, requests=count, percent=round(100 * count / whole, 2))
        for name, count in sorted(answers.items())
    ]
    latencies = result.get("latency_ms")
    if isinstance(latencies, list):
        p50, p99 = percentile(latencies, 50), percentile(latencies, 99)
    else:
        p50, p99 = float(str(result["p50_ms"])), float(str(result["p99_ms"]))
    return Load(
        shares=tuple(shares),
        errors=int(str(result["errors"])),
        seconds=float(str(result["seconds"])),
        p50_ms=p50,
        p99_ms=p99,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest of the ordered values that `percent` of them do not exceed (nearest rank); 0 of none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def _inside(cloud: str, command: list[str]) -> str:
    if not wires.exists(wires.site(cloud)):
        raise UserError(f"the site of {cloud} is not up: run `cloudsentry lab up` as root")
    line = ["ip", "netns", "exec", wires.site(cloud), *command]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SentryError(f"{Path(command[0]).name}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
