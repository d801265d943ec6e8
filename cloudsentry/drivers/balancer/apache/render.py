"""An instance and its members as an Apache configuration: after a restart it serves as the console was told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template

from cloudsentry.drivers.balancer.apache.program import Program
from cloudsentry.drivers.balancer.daemon import Daemon
from cloudsentry.drivers.balancer.instance import Instance, joined
from cloudsentry.errors import NotSupported
from cloudsentry.records.orders import Monitor
from cloudsentry.records.views import Member

METHODS = {"ROUND_ROBIN": "byrequests", "LEAST_CONNECTIONS": "bybusyness"}
GROWTH = 100
"""Places for members that come later: the most that mod_proxy_balancer makes; it frees them only when it starts."""
CONSOLE_PORT = 8399


def able(instance: Instance) -> None:
    """Raises `NotSupported` for what mod_proxy_balancer cannot do."""
    if instance.protocol != "HTTP":
        raise NotSupported(f"apache cannot balance {instance.protocol}: use haproxy")
    if instance.algorithm not in METHODS:
        raise NotSupported(f"apache cannot balance by {instance.algorithm} without cookies: use haproxy")


def console_of(daemon: Daemon) -> str:
    """The loopback address of an instance's console: its own, so that many live on one host."""
    first, second = (int(daemon.digest[place : place + 2], 16) for place in (0, 2))
    return f"127.87.{first}.{second}"


def url(member: Member) -> str:
    """What mod_proxy_balancer calls a member; it leaves the scheme's own port out."""
    return f"http://{joined(member.address, member.port).removesuffix(':80')}"


def configuration(daemon: Daemon, program: Program, members: Iterable[Member]) -> str:
    """The whole file."""
    instance = daemon.instance
    template = Template(Path(__file__).with_name("apache.conf.template").read_text(encoding="ascii"))
    return template.substitute(
        folder=daemon.folder,
        modules=program.modules,
        listen=f"Listen {joined(instance.address, instance.port) if instance.address else instance.port}",
        console=console_of(daemon),
        console_port=CONSOLE_PORT,
        # Children that serve need no rights; only root can give them up, and 65534 is nobody everywhere.
        account='User "#65534"\nGroup "#65534"' if program.root else "",
        method=METHODS[instance.algorithm],
        growth=GROWTH,
        token=instance.token,
        members="".join(f"  {_member(member, instance.monitor)}\n" for member in members),
    )


def _member(member: Member, monitor: Monitor | None) -> str:
    line = f"BalancerMember {url(member)} loadfactor={max(1, member.weight)} retry=5"
    if member.mark is not None:
        line += f" route={member.id}"
    if member.weight == 0:
        line += " status=+N"
    if member.backup:
        line += " status=+H"
    return line + "".join(f" hc{name}={value}" for name, value in health(monitor).items())


def health(monitor: Monitor | None) -> dict[str, str]:
    """A monitor in mod_proxy_hcheck's words, without their prefix."""
    if monitor is None:
        return {}
    words = {"method": "TCP" if monitor.type == "TCP" else "GET", "interval": f"{monitor.delay}s"}
    words |= {"passes": str(monitor.retries), "fails": str(monitor.retries)}
    return words | ({"uri": monitor.path} if monitor.type == "HTTP" else {})
