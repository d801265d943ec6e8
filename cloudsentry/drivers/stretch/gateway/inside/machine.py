"""The machine that a gateway runs on: its commands, its devices by MAC, its metadata, its own description."""

import dataclasses
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

METADATA = "http://169.254.169.254/openstack/latest/meta_data.json"
PREFIX = "cloudsentry-gateway: "
"""How the lines of the console begin that the driver reads."""


@dataclasses.dataclass(frozen=True)
class Side:
    """One network card: its MAC, own address with prefix length, and the address that the pair shares."""

    mac: str
    address: str
    vip: str
    router: str = ""
    mtu: int = 1500

    @property
    def own(self):
        """The own address without its prefix length."""
        return self.address.split("/")[0]

    @property
    def shared(self):
        """The shared address with the same prefix length."""
        return f"{self.vip}/{self.address.split('/')[1]}"


@dataclasses.dataclass(frozen=True)
class Config:
    """What the driver says of this gateway; secrets are hex, and never printed."""

    unit: str
    name: str
    mode: str
    seed: str = dataclasses.field(repr=False)
    psk: str = dataclasses.field(repr=False)
    outer: Side
    inner: Side
    partner: str
    near_tunnel: str
    far_tunnel: str
    tunnel_mtu: int
    inner_mtu: int
    port: int
    vni: int
    router_id: int
    near_cidr: str
    far_cidr: str
    allow: tuple
    serves: str
    lease: float
    roams: str = ""
    """``near``: this one moves from place to place, and is alone; ``far``: the far end does; empty: both stay."""
    transport: str = "wireguard"
    listens: bool = False
    """Whether the far end calls, and this one is called: of OpenVPN's ends one is."""


def read(path):
    """The description in a file of JSON."""
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    for side in ("outer", "inner"):
        found[side] = Side(**found[side])
    return Config(**found | {"allow": tuple(found["allow"])})


def run(*command, stdin=None, check=True):
    """What a command prints; RuntimeError with its complaint where it fails and ``check`` holds."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode and check:
        raise RuntimeError(f"{' '.join(command[:6])}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def device(mac):
    """The name of the network card with this MAC; waits for one that comes up late, for half a minute."""
    for _ in range(60):
        for link in json.loads(run("ip", "-j", "link")):
            if link.get("address") == mac and link.get("link_type") == "ether" and "bridge" not in link["ifname"]:
                return link["ifname"]
        time.sleep(0.5)
    raise RuntimeError(f"there is no network card with the MAC {mac}")


def metadata():
    """The server's metadata as it is now; None while nobody answers."""
    try:
        with urllib.request.urlopen(METADATA, timeout=3) as answer:
            return dict(json.load(answer).get("meta") or {})
    except (OSError, ValueError, urllib.error.URLError):
        return None


def say(**facts):
    """One line for the driver."""
    sys.stdout.write(PREFIX + json.dumps(facts, sort_keys=True) + "\n")
    sys.stdout.flush()
