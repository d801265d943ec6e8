"""An instance and its members as a HAProxy configuration: after a restart it serves as the socket was told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from cloudsentry.drivers.balancer.instance import Instance, joined
from cloudsentry.records.views import Member

BACKEND = "members"
_BALANCE = {
    "ROUND_ROBIN": "roundrobin",
    "LEAST_CONNECTIONS": "leastconn",
    # Consistent, or weights and members could not be changed while it runs.
    "SOURCE_IP": "source\n  hash-type consistent",
}
# A request whose server went away before the first byte of an answer goes to another; only where that is safe.
_REQUESTS = """  http-request disable-l7-retry unless { method GET HEAD OPTIONS }
"""
_RETRIES = """  retry-on conn-failure empty-response
"""


def configuration(instance: Instance, socket: str, members: Iterable[Member]) -> str:
    """The whole file."""
    http = instance.protocol == "HTTP"
    template = Template(Path(__file__).with_name("haproxy.cfg.template").read_text(encoding="ascii"))
    return template.substitute(
        socket=socket,
        mode="http" if http else "tcp",
        bind=f"{joined(instance.address, instance.port)}" if instance.address else f":::{instance.port} v4v6",
        requests=_REQUESTS if http else "",
        backend=BACKEND,
        balance=_BALANCE[instance.algorithm],
        checks=(_RETRIES if http else "") + _checks(instance),
        servers="".join(f"  server {_server(member, options(instance))}\n" for member in members),
    )


def options(instance: Instance) -> str:
    """What follows address and weight, in the file as well as on the socket."""
    monitor = instance.monitor
    if monitor is None:
        return ""
    return f" check inter {monitor.delay}s fall {monitor.retries} rise {monitor.retries}"


def _server(member: Member, tail: str) -> str:
    backup = " backup" if member.backup else ""
    return f"{member.id} {joined(member.address, member.port)} weight {member.weight}{tail}{backup}"


def _checks(instance: Instance) -> str:
    monitor = instance.monitor
    if monitor is None:
        return ""
    lines = f"  timeout check {monitor.timeout}s\n"
    if monitor.type == "HTTP":
        lines += f"  option httpchk GET {monitor.path}\n  http-check expect status 200\n"
    return lines
