"""Two sites of one hypervisor each, on this machine: a libvirtd in namespaces of its own, the lab's WAN relay between
them, one stretched network for the guests, and a client on it at the first site.

Needs root, and what `cloudsentry lab install migration` brings.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.migration import guest
from cloudsentry.clouds.hypervisors import Hypervisors, read
from cloudsentry.lab import programs
from cloudsentry.lab.layout import Layout

NAMES = ("home", "away")
HYPERVISORS = {"home": "xeon1", "away": "xeon2"}
CLIENT = "client"
WAN = {"home": "10.99.0.1", "away": "10.99.0.2"}
ON_FRONT = {"home": "10.98.0.251", "away": "10.98.0.252", CLIENT: "10.98.0.254"}
# What a Linux of today sets on a machine with memory enough: least, first and most bytes of a window.
WINDOWS_DEFAULT = {"tcp_rmem": "4096 131072 6291456", "tcp_wmem": "4096 16384 4194304"}

_LIBVIRTD = """listen_tls = 0
listen_tcp = 1
listen_addr = "0.0.0.0"
auth_tcp = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
log_filters="3:remote 4:event 3:util.json 3:rpc"
log_outputs="2:file:/var/log/libvirt/libvirtd.log"
"""
_QEMU = """user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
seccomp_sandbox = 0
migration_address = "0.0.0.0"
"""
_START = """hostname {host}
mount --bind {base}/hosts /etc/hosts
for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do
    mkdir -p "${{pair#*:}}"; mount --bind "{base}/${{pair%%:*}}" "${{pair#*:}}"
done
exec libvirtd --listen --pid-file {base}/libvirtd.pid
"""
_POOL = """mkdir -p {base}/lib/images
virsh -c {uri} -q pool-define-as default dir --target /var/lib/libvirt/images
virsh -c {uri} -q pool-start default
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What lies between the sites."""

    rtt_ms: float = 0.4
    rate_mbit: float = 1000.0


def run(*argv: str, check: bool = True) -> str:
    """A command's output; SystemExit with its last words where it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(argv[:6])} …: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def until(holds: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Return as soon as it holds; SystemExit where it does not in time."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        pause.wait(0.05)


class Sites:
    """The two sites. `up` and `down` may be called again; what a killed run left is cleared by `up`."""

    def __init__(self, root: Path, tag: str = "") -> None:
        """``tag`` tells the namespaces of several such pairs apart; the process' number where it is not given."""
        self.root, self.tag = root, tag or f"mig{os.getpid()}"
        self._relay: subprocess.Popen[bytes] | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def netns(self, name: str) -> str:
        """The namespace of a site, or of the client."""
        return f"{self.tag}-{name}"

    def inside(self, name: str, *argv: str) -> list[str]:
        """A command line that runs in a site's namespace, or the client's."""
        return ["ip", "netns", "exec", self.netns(name), *argv]

    def uri(self, site: str) -> str:
        """libvirtd of a site, by its socket's file."""
        return f"qemu+unix:///system?socket={self.root}/{site}/run/libvirt-sock"

    @property
    def relay(self) -> int:
        """The relay's process number."""
        return self._relay.pid if self._relay is not None else 0

    @property
    def config(self) -> Path:
        """The sites' hypervisors.yaml."""
        return self.root / "hypervisors.yaml"

    @property
    def file(self) -> Hypervisors:
        """What it says."""
        return read(self.config)

    def up(self, link: Link | None = None) -> None:
        """Networks, relay and daemons are there, without a guest."""
        self.down()
        self.root.mkdir(parents=True, exist_ok=True)
        self._networks()
        self.between(link or Link())
        for site in NAMES:
            self._daemon(site)

    def down(self) -> None:
        """No guest, daemon, relay or namespace of these sites is left."""
        for site in NAMES:
            self._stop(site)
        if self._relay is not None:
            self._relay.terminate()
            self._relay.wait()
            self._relay = None
        self._end(self.root / "wan.pid", "wan")
        for name in (*NAMES, CLIENT):
            run("ip", "netns", "del", self.netns(name), check=False)

    def clear(self) -> None:
        """`down`, and the folder is gone as well."""
        self.down()
        shutil.rmtree(self.root, ignore_errors=True)

    def domains(self, site: str) -> list[str]:
        """The names of all domains at a site, running or not."""
        return run("virsh", "-c", self.uri(site), "list", "--all", "--name").split()

    def between(self, link: Link, *, windows: dict[str, str] | None = None) -> None:
        """The WAN is so from now on, and so are the hypervisors' TCP windows; `hypervisors.yaml` tells the truth."""
        lines = [f"ends {self.netns('home')} {self.netns('away')}", "segment front br0 br0", "loss_ppm 0"]
        # A tail-drop queue of one bandwidth x delay and a bit, as a router's port has.
        queue = max(1024, int(link.rate_mbit * link.rtt_ms / 8))
        rate = int(link.rate_mbit * 1000)
        lines += [f"delay_us {int(link.rtt_ms * 500)}", f"rate_kbit {rate}", f"queue_kb {queue}"]
        part = self.root / "wan.conf.part"
        part.write_text("\n".join(lines) + "\n", encoding="ascii")
        part.replace(self.root / "wan.conf")
        if self._relay is None:
            self._start_relay()
        for site in NAMES:
            for name, value in (windows or WINDOWS_DEFAULT).items():
                run(*self.inside(site, "sysctl", "-q", "-w", f"net.ipv4.{name}={value}"))
        self._write_config(link)

    def _networks(self) -> None:
        for name in (*NAMES, CLIENT):
            run("ip", "netns", "add", self.netns(name))
            run("ip", "-n", self.netns(name), "link", "set", "lo", "up")
        for site in NAMES:
            where = ("ip", "-n", self.netns(site))
            run(*where, "link", "add", "br0", "type", "bridge")
            run(*where, "link", "set", "br0", "up")
            run(*where, "addr", "add", f"{ON_FRONT[site]}/24", "dev", "br0")
        client, home = self.netns(CLIENT), self.netns("home")
        run("ip", "link", "add", "c0", "netns", home, "type", "veth", "peer", "name", "eth0", "netns", client)
        run("ip", "-n", home, "link", "set", "c0", "master", "br0", "up")
        run("ip", "-n", client, "link", "set", "eth0", "up")
        run("ip", "-n", client, "addr", "add", f"{ON_FRONT[CLIENT]}/24", "dev", "eth0")

    def _start_relay(self) -> None:
        program = programs.compiled(Layout(root=self.root, clouds=()), programs.WAN)
        counters = self.root / "wan.conf.counters"
        counters.unlink(missing_ok=True)
        self._relay = subprocess.Popen([str(program), str(self.root / "wan.conf")], start_new_session=True)
        (self.root / "wan.pid").write_text(str(self._relay.pid), encoding="ascii")
        until(counters.exists, "the WAN's relay")
        for site in NAMES:
            device = ("ip", "-n", self.netns(site))
            run(*device, "addr", "add", f"{WAN[site]}/24", "dev", "wan0")
            run(*device, "link", "set", "wan0", "up")

    def _daemon(self, site: str) -> None:
        base = self.root / site
        shutil.rmtree(base, ignore_errors=True)
        for name in ("etc", "run", "lib", "log", "cache"):
            (base / name).mkdir(parents=True)
        shutil.copytree("/etc/libvirt", base / "etc", dirs_exist_ok=True, ignore=shutil.ignore_patterns("autostart"))
        (base / "etc" / "libvirtd.conf").write_text(_LIBVIRTD.format(uuid=uuid.uuid4()), encoding="ascii")
        (base / "etc" / "qemu.conf").write_text(_QEMU, encoding="ascii")
        hosts = "".join(f"{WAN[name]} {HYPERVISORS[name]}\n" for name in NAMES)
        (base / "hosts").write_text(f"127.0.0.1 localhost\n{hosts}", encoding="ascii")
        script = _START.format(host=HYPERVISORS[site], base=base)
        command = self.inside(site, "unshare", "-m", "-u", "--propagation", "private", "sh", "-ec", script)
        with (base / "out.log").open("wb") as log:
            self._daemons[site] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        uri = self.uri(site)
        until(lambda: "QEMU" in run("virsh", "-c", uri, "version", check=False), f"libvirtd of {site}")
        run("sh", "-ec", _POOL.format(uri=uri, base=base))
        # libvirtd asks each QEMU once what it can; the first migration of all is not to pay for that.
        run("virsh", "-c", uri, "-q", "domcapabilities", "--virttype", "qemu")

    def _stop(self, site: str) -> None:
        base = self.root / site
        if (base / "run" / "libvirt-sock").exists():
            for name in run("virsh", "-c", self.uri(site), "list", "--name", check=False).split():
                run("virsh", "-c", self.uri(site), "destroy", name, check=False)
        self._end(base / "libvirtd.pid", "libvirtd")
        for pid in sorted((base / "run" / "qemu").glob("*.pid")):
            self._end(pid, "qemu-system-x86_64")
        if daemon := self._daemons.pop(site, None):
            daemon.wait()

    @staticmethod
    def _end(file: Path, word: str) -> None:
        """The process whose number the file holds is gone, if it is still the one that was meant."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text(encoding="ascii"))
            program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
            if Path(program).name.startswith(word):
                os.kill(pid, signal.SIGTERM)
                until(lambda: not Path(f"/proc/{pid}/exe").exists(), f"{word} {pid} to end")
        file.unlink(missing_ok=True)

    def _write_config(self, link: Link) -> None:
        kernel, initramfs = guest.built()
        image = {
            "kernel": str(kernel),
            "initrd": str(initramfs),
            "cmdline": "console=ttyS0 quiet loglevel=3 panic=-1 guest.name={name} guest.address={address}/{prefix}",
        }
        network = {"bridge": "br0", "segment": "front", "cidr": "10.98.0.0/24"}
        ranges = {"home": ("10.98.0.10", "10.98.0.99"), "away": ("10.98.0.100", "10.98.0.199")}
        sites = {
            site: {
                "hypervisors": {
                    HYPERVISORS[site]: {
                        "uri": self.uri(site),
                        "peer": f"qemu+tcp://{WAN[site]}/system",
                        "address": WAN[site],
                    }
                },
                "networks": {"front": {**network, "first": ranges[site][0], "last": ranges[site][1]}},
                "images": {"tiny": image, "disk": {**image, "disk": "/var/lib/libvirt/images/base.qcow2"}},
                "flavors": {
                    "m1.tiny": {"ram": 96},
                    **{f"m1.{ram}": {"ram": ram} for ram in (128, 256, 512)},
                },
                "accelerator": "qemu",
            }
            for site in NAMES
        }
        path = {"between": list(NAMES), "rtt_ms": link.rtt_ms, "bandwidth_mbit": link.rate_mbit}
        self.config.write_text(yaml.safe_dump({"sites": sites, "paths": [path]}, sort_keys=False), encoding="utf-8")


@contextlib.contextmanager
def sites(root: Path, link: Link | None = None, tag: str = "") -> Iterator[Sites]:
    """Two sites for as long as the block lasts."""
    made = Sites(root, tag)
    try:
        made.up(link)
        yield made
    finally:
        made.down()
