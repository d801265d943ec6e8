"""The two sites of the data plane: their namespaces, how they route over the WAN, and what of them must go.

A site is the namespace `lab-<cloud>`. Its networks are bridges in it (inside/wires.py), made when their first port is
plugged. Out of a site goes everything, behind the site's own address on `ext`; into it comes only what is for its
`ext` network.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cloudsentry.lab import processes, programs, wan
from cloudsentry.lab.inside import quotas, wires
from cloudsentry.lab.layout import Cloud, Layout

BORDER = """table ip lab {{
  chain leave {{ type nat hook postrouting priority 100; oifname "{device}" ip saddr != {own} masquerade; }}
  chain enter {{ type filter hook forward priority 0; iifname "{device}" ct state established,related accept;
    iifname "{device}" ip daddr != {own} drop; }}
}}
"""


def available() -> str | None:
    """None where servers can carry traffic, else why not."""
    return wires.available()


def external(cloud: Cloud) -> ipaddress.IPv4Network:
    """The addresses of the cloud's external network."""
    return next(ipaddress.IPv4Network(network.cidr) for network in cloud.networks if network.external)


def border_address(cloud: Cloud) -> str:
    """The site's own address towards the other site: the first of its external network."""
    return str(external(cloud)[1])


def begin(lab: Layout) -> None:
    """Both sites exist and reach each other's external network over the WAN. Does nothing where there is no data
    plane.
    """
    if available():
        return
    wires.enter(str(lab.root))
    for cloud in lab.clouds:
        wires.open_site(cloud.name)
    programs.compiled(lab, programs.WEB)
    wan.start(lab)
    for cloud in lab.clouds:
        _route(cloud, [other for other in lab.clouds if other is not cloud])


def _route(cloud: Cloud, others: list[Cloud]) -> None:
    netns = wires.site(cloud.name)
    own = border_address(cloud)
    lines = [f"addr replace {own}/32 dev {wan.DEVICE}", f"link set {wan.DEVICE} mtu 1500 up"]
    lines += [f"route replace {external(other)} dev {wan.DEVICE} src {own}" for other in others]
    wires.batch(netns, lines)
    if shutil.which("nft"):
        with suppress(OSError):
            wires.run("ip", "netns", "exec", netns, "nft", "delete", "table", "ip", "lab")
        border = BORDER.format(device=wan.DEVICE, own=external(cloud))
        wires.run("ip", "netns", "exec", netns, "nft", "-f", "-", stdin=border)


def namespaces(lab: Layout) -> tuple[str, ...]:
    """Every namespace that this lab has made and that still is: `lab-` sites, `s-` servers, `lb-` balancers."""
    made = lab.run / "netns"
    return tuple(sorted(entry.name for entry in made.iterdir())) if made.is_dir() else ()


def clean(lab: Layout) -> None:
    """No namespace, control group, HAProxy or relay of the lab is left. Their records are, so that `up` brings them
    back.
    """
    wires.enter(str(lab.root))
    wan.stop(lab)
    if os.geteuid() != 0:
        return
    for cloud in lab.clouds:
        for hypervisor in cloud.hypervisors:
            quotas.clean(hypervisor.name)
    ours = namespaces(lab)
    processes.end(list(_inside(ours)), grace_s=0)
    for name in ours:
        wires.remove(name)
    with suppress(OSError):
        os.rmdir(quotas.root())
    for cloud in lab.clouds:
        for kind in ("guests", "networks"):
            shutil.rmtree(lab.folder(cloud.name) / "run" / kind, ignore_errors=True)


def _inside(names: tuple[str, ...]) -> Iterator[processes.Process]:
    """The processes whose network is one of the namespaces."""
    inodes = {wires.netns_inode(name) for name in names if wires.exists(name)}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                found = processes.look(int(entry.name))
                if os.stat(entry / "ns/net").st_ino in inodes and found:
                    yield found
