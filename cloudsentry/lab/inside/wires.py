"""Namespaces, bridges and cables: the lab's layer 2, made with ip(8).

A site is the namespace `lab-<cloud>`. Each Neutron network is a Linux bridge in it, named after the network's id, and
carries the gateway addresses of its subnets, so that the site routes between its networks. A server's or a balancer's
namespace hangs on it by one veth per port. Every namespace made here is also a file in `<lab>/run/netns`, so that
`lab down` ends no one else's.

Only the standard library: OpenStack's processes and cloudsentry's own both use this file.
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import zlib
from collections.abc import Iterator, Sequence

# The kernel's names of devices have at most 15 characters (IFNAMSIZ).
KERNEL_NAME = 15
CABLES = ("t", "v")  # how the site's ends of cables begin: of servers, of balancers

# Where both sites have the gateway of a stretched network, each site asks its own: the question does not cross the WAN.
ASK_AT_HOME = """table bridge lab {
  set gateways { type ipv4_addr; }
  chain out { type filter hook forward priority 0; oifname "w*" arp daddr ip @gateways drop; }
}
"""


def available() -> str | None:
    """None where a data plane can be made, else why not, in words for a person."""
    if os.geteuid() != 0:
        return "not root: servers and balancers have no network of their own"
    missing = [tool for tool in ("ip", "haproxy", "busybox") if not shutil.which(tool)]
    return f"{', '.join(missing)} not installed" if missing else None


def lab() -> str:
    """The lab's folder, as the processes of the lab are told it."""
    return os.environ["LAB_DIR"]


def enter(folder: str) -> None:
    """This process works on the lab in `folder`: for those that the lab did not start."""
    os.environ["LAB_DIR"] = folder


def run(*command: str, stdin: str | None = None) -> str:
    """What `command` prints. OSError with its complaint when it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def ip(*arguments: str) -> str:
    return run("ip", *arguments)


def batch(netns: str, lines: Sequence[str], force: bool = False) -> None:
    """Many ip commands within one namespace by one process; with `force` the failing ones are passed over."""
    with contextlib.suppress(OSError) if force else contextlib.nullcontext():
        run("ip", *(["-force"] if force else []), "-n", netns, "-batch", "-", stdin="\n".join(lines) + "\n")


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """One holder of `path` at a time, on the whole machine."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace(path: str, text: str) -> None:
    """`path` holds `text`, whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    part = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)


def read(path: str) -> dict:
    """The JSON object in `path`; empty when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


NAMES = "/run/netns"
"""Where iproute2 keeps namespaces by name: each is mounted on an empty file."""


def exists(netns: str) -> bool:
    """Whether the name stands for a namespace: on another file system than the folder, as what is mounted there is."""
    try:
        return os.stat(f"{NAMES}/{netns}").st_dev != os.stat(NAMES).st_dev
    except FileNotFoundError:
        return False


def _bury(netns: str) -> None:
    """No name without a namespace: it stays where namespaces were mounted in a container that is gone."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{NAMES}/{netns}")


def make(netns: str) -> bool:
    """The namespace exists, its loopback up. True when this call made it."""
    with locked(f"{lab()}/run/netns.lock"):
        if exists(netns):
            return False
        _bury(netns)
        replace(f"{lab()}/run/netns/{netns}", "")
        ip("netns", "add", netns)
        ip("-n", netns, "link", "set", "lo", "up")
    return True


def remove(netns: str) -> None:
    """The namespace is gone, with its devices and their cables. What runs in it is the caller's to end first."""
    if exists(netns):
        with contextlib.suppress(OSError):
            ip("netns", "del", netns)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{lab()}/run/netns/{netns}")


def clear(netns: str) -> None:
    """Nothing runs in the namespace, whoever started it there: all of it ends with the machine that it stands for."""
    if not exists(netns):
        return
    with contextlib.suppress(OSError):
        for pid in ip("netns", "pids", netns).split():
            with contextlib.suppress(OSError):
                os.kill(int(pid), signal.SIGKILL)


def site(cloud: str) -> str:
    """The name of the site's namespace."""
    return f"lab-{cloud}"


def bridge_name(network: str) -> str:
    """The bridge of a Neutron network, by its id."""
    return f"br{network}"[: KERNEL_NAME - 2]


def open_site(cloud: str) -> str:
    """The site's namespace exists and forwards between its networks."""
    name = site(cloud)
    if make(name):
        settings = ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        run("ip", "netns", "exec", name, "sh", "-c", "".join(f"echo 1 > /proc/sys/net/{path};" for path in settings))
        if shutil.which("nft"):
            run("ip", "netns", "exec", name, "nft", "-f", "-", stdin=ASK_AT_HOME)
    return name


def plug(
    cloud: str, network: str, gateways: Sequence[str], netns: str, device: str, outer: str, mac: str | None = None
) -> str:
    """`device` in `netns` hangs on the network's bridge by a cable whose other end is `outer`; all are up. The bridge.

    The bridge is made with its first cable, and holds `gateways` (address/prefix each).
    """
    with _busy():
        bridge = _bridge(cloud, network, gateways)
        address = ["address", mac] if mac else []
        inner, outside = [device, "netns", netns, *address], site(cloud)
        ip("link", "add", *inner, "type", "veth", "peer", "name", outer, "netns", outside)
        batch(outside, [f"link set {outer} master {bridge} up"])
        batch(netns, [f"link set {device} up"])
    return bridge


def unplug(cloud: str, outers: Sequence[str]) -> None:
    """The cables with these ends in the site are gone at once; with their namespace they would go a little later."""
    if outers and exists(site(cloud)):
        batch(site(cloud), [f"link del {outer}" for outer in outers], force=True)


def tidy(cloud: str, network: str) -> bool:
    """The network's bridge is gone if nobody hangs on it any more. True when it is."""
    netns, name = site(cloud), bridge_name(network)
    with _busy():
        try:
            ports = ip("-n", netns, "-br", "link", "show", "master", name).split("\n")
        except OSError:
            return True
        if any(port.startswith(CABLES) for port in ports):
            return False
        mark = _mark(cloud, network)
        home = [gateway.split("/")[0] for gateway in read(mark).get("gateways", []) if ":" not in gateway]
        with contextlib.suppress(OSError):
            ip("-n", netns, "link", "del", name)
        _asked_at_home("delete", netns, home)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(mark)
    return True


def _bridge(cloud: str, network: str, gateways: Sequence[str]) -> str:
    netns, name, mark = open_site(cloud), bridge_name(network), _mark(cloud, network)
    known = read(mark)
    if known.get("inode") != netns_inode(netns):
        known = {"inode": netns_inode(netns), "gateways": []}
        # A bridge without an address of its own takes its lowest port's, and another one when that port goes: those who
        # know the gateway by the old one would find nobody there.
        made = f"link add {name} address {own_address(cloud, network)} type bridge forward_delay 0"
        batch(netns, [made, f"link set {name} up"], force=True)
    new = [gateway for gateway in gateways if gateway not in known["gateways"]]
    if new:
        batch(netns, [f"addr add {gateway} dev {name}{' nodad' * (':' in gateway)}" for gateway in new], force=True)
        _asked_at_home("add", netns, [gateway.split("/")[0] for gateway in new if ":" not in gateway])
    known["gateways"] += new
    replace(mark, json.dumps(known | {"bridge": name}))
    return name


def _busy() -> contextlib.AbstractContextManager[None]:
    """One process at a time makes and removes bridges: a bridge does not go while somebody is about to hang on it."""
    return locked(f"{lab()}/run/wires.lock")


def _mark(cloud: str, network: str) -> str:
    return f"{lab()}/{cloud}/run/networks/{network}.json"


def _asked_at_home(verb: str, netns: str, gateways: Sequence[str]) -> None:
    if gateways:
        with contextlib.suppress(OSError):
            run("ip", "netns", "exec", netns, "nft", f"{verb} element bridge lab gateways {{ {', '.join(gateways)} }}")


def own_address(cloud: str, network: str) -> str:
    """The MAC of a network's bridge at one site: always the same, and another one than at the other site."""
    return f"02:00:{zlib.crc32(f'{cloud} {network}'.encode()).to_bytes(4).hex(':')}"


def netns_inode(netns: str) -> int:
    """What tells a namespace from a later one of the same name."""
    return os.stat(f"{NAMES}/{netns}").st_ino


def prefix(cidr: str) -> int:
    return ipaddress.ip_network(cidr).prefixlen
