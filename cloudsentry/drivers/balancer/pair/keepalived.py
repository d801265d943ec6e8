"""Who has the address: keepalived's VRRP between the servers, by unicast, as clouds carry no multicast.

All begin as backup with the same priority and never pre-empt: who comes back stays in reserve. A server whose balancer
does not run lets go of the address.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host
from cloudsentry.errors import Conflict, NotSupported

ADVERT_S = 0.3
"""Between two advertisements; three that are missing make another one active (RFC 5798), after 1.2 s."""

TEMPLATE = """global_defs {{
    script_user root
    enable_script_security
    vrrp_version 3
    vrrp_garp_master_repeat 2
    vrrp_garp_master_delay 1
}}
vrrp_script balancer {{
    script {folder}/serves
    interval 1
    fall 1
    rise 1
}}
vrrp_instance balancer {{
    state BACKUP
    nopreempt
    interface {device}
    virtual_router_id {router}
    priority 100
    advert_int {advert}
    unicast_src_ip {own}
    unicast_peer {{
        {peers}
    }}
    virtual_ipaddress {{
        {vip}/{prefix} dev {device}
    }}
    track_script {{
        balancer
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vrrp:
    """One server's part. ``folder`` is the balancer's there, ``peers`` the other servers' addresses."""

    folder: str
    own: str
    vip: str
    peers: tuple[str, ...]
    device: str
    prefix: int

    @property
    def config(self) -> str:
        """Path of the configuration; also the word by which its process is known."""
        return f"{self.folder}/keepalived.conf"

    def written(self) -> str:
        """keepalived's configuration; alone, a server has no peers and keeps the address."""
        return TEMPLATE.format(
            folder=self.folder,
            device=self.device,
            router=router_id(self.vip),
            advert=ADVERT_S,
            own=self.own,
            peers="\n        ".join(self.peers),
            vip=self.vip,
            prefix=self.prefix,
        )


def router_id(vip: str) -> int:
    """1 to 255: another one for each address of a network, most likely, and the same on all its servers."""
    return hashlib.sha256(vip.encode()).digest()[0] % 255 + 1


def card(host: Host, own: str) -> tuple[str, int]:
    """(device, prefix length) of the address ``own`` on a host. Raises `NotSupported` where it has no such address."""
    done = host.run(["ip", "-j", "addr", "show"])
    for link in json.loads(done.out or b"[]"):
        for entry in link.get("addr_info", ()):
            if ipaddress.ip_address(entry.get("local", "::")) == ipaddress.ip_address(own):
                return str(link["ifname"]), int(entry["prefixlen"])
    raise NotSupported(f"no card has the address {own}", cloud=host.place)


def ensure(host: Host, part: Vrrp) -> None:
    """keepalived runs with this configuration; with another one it is told to read it again.

    Raises `NotSupported` where it is not installed, `Conflict` with its own words where it does not start.
    """
    text = part.written().encode()
    same = host.read(part.config) == text
    if not same:
        # The balancer's own process is what serves; its pid stands in the same folder.
        check = f'#!/bin/sh\nfor pid in $(cat {part.folder}/pid); do kill -0 "$pid" && exit 0; done\nexit 1\n'
        host.write(f"{part.folder}/serves", check.encode())
        host.run(["chmod", "0700", f"{part.folder}/serves"])
        host.write(part.config, text)
    standing = _pid(host, part.folder)
    if standing and host.alive(standing, part.config):
        if not same:
            host.run(["kill", "-HUP", str(standing)])
        return
    files = ["-f", part.config, "-p", f"{part.folder}/keepalived.pid", "-r", f"{part.folder}/vrrp.pid"]
    done = host.run(["keepalived", "-P", *files])
    if done.code == 127:
        raise NotSupported("keepalived is not installed", cloud=host.place)
    if done.code:
        raise Conflict(f"keepalived did not start: {done.err.strip()[-200:]}", cloud=host.place)


def alive(host: Host, folder: str) -> bool:
    """Whether it runs."""
    pid = _pid(host, folder)
    return bool(pid) and host.alive(pid, f"{folder}/keepalived.conf")


def end(host: Host, folder: str) -> None:
    """It does not run, and has let go of the address."""
    if pid := _pid(host, folder):
        host.stop(pid, f"{folder}/keepalived.conf")


def _pid(host: Host, folder: str) -> int:
    text = (host.read(f"{folder}/keepalived.pid") or b"").strip()
    return int(text) if text.isdigit() else 0
