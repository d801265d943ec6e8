"""What the lab needs installed: Debian's daemons and tools, and OpenStack from PyPI in an environment of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import backports, processes
from cloudsentry.lab.layout import Layout

REQUIREMENTS = Path(__file__).parent / "inside" / "requirements.txt"

# Debian package -> a program that it brings.
CONTROL_PLANE = {
    "mariadb-server": "mariadbd",
    "mariadb-client": "mariadb-dump",
    "rabbitmq-server": "rabbitmq-server",
    "openssl": "openssl",
}
# Only root has a data plane: servers and balancers in namespaces, and the WAN's relay, which is compiled where it runs.
DATA_PLANE = {
    "haproxy": "haproxy",
    "apache2": "apache2",
    "wrk": "wrk",
    "busybox-static": "busybox",
    "iproute2": "ip",
    "nftables": "nft",
    "gcc": "gcc",
    "libc6-dev": "/usr/include/stdio.h",
}
# What tests and benchmarks drive beside the lab, by what it is for; `cloudsentry lab install GROUP` brings it.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "agents": {"etcd-server": "etcd", "redis-server": "redis-server", "postgresql": "/usr/lib/postgresql"},
    "browser": {"chromium": "chromium"},
    "gateway": {
        "wireguard-go": "wireguard-go",
        "wireguard-tools": "wg",
        "keepalived": "keepalived",
        "openvpn": "openvpn",
        "openssl": "openssl",
        "iperf3": "iperf3",
        "iputils-ping": "ping",
        "iputils-arping": "arping",
        "tcpdump": "tcpdump",
    },
    "load": {"httperf": "httperf"},
    # Two hypervisor sites with real guests: libvirt, and QEMU new enough to migrate emulated guests that write.
    "migration": {
        "qemu-system-x86": "qemu-system-x86_64",
        "qemu-utils": "qemu-img",
        "libvirt-daemon": "libvirtd",
        "libvirt-daemon-system": "/etc/libvirt/qemu.conf",
        "libvirt-clients": "virsh",
        "libvirt-dev": "/usr/include/libvirt/libvirt.h",
        "pkg-config": "pkg-config",
        "python3-dev": str(Path(sysconfig.get_path("include")) / "Python.h"),
        "gcc": "gcc",
        "libc6-dev": "/usr/include/stdio.h",
        "busybox-static": "busybox",
        "cpio": "cpio",
        "curl": "curl",
        "iproute2": "ip",
        "iputils-ping": "ping",
        "tcpdump": "tcpdump",
    },
    "signals": {"snmpd": "snmpd"},
    "ssh": {"openssh-server": "sshd"},
    "steering": {
        "pdns-server": "pdns_server",
        "pdns-backend-sqlite3": "/usr/share/doc/pdns-backend-sqlite3",
        "sqlite3": "sqlite3",
    },
}


def _present(program: str) -> bool:
    folders = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=folders) is not None


def needed() -> Mapping[str, str]:
    """The Debian packages that this account's lab needs, each with a program that it brings."""
    return CONTROL_PLANE | (DATA_PLANE if os.geteuid() == 0 else {})


def missing(wanted: Mapping[str, str]) -> tuple[str, ...]:
    """The packages of `wanted` that are not installed."""
    return tuple(package for package, program in wanted.items() if not _present(program) or backports.outdated(package))


def install_debian(log: Path, wanted: Mapping[str, str]) -> None:
    """Every program of `wanted` is there when this returns. Installs as root; raises UserError with the command
    otherwise."""
    packages = missing(wanted)
    if not packages:
        return
    # RUNLEVEL=1: the packages' own daemons are not started, only the lab's will run.
    quiet = {"RUNLEVEL": "1", "DEBIAN_FRONTEND": "noninteractive"}
    install = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        command = " ".join((*(f"{name}={value}" for name, value in quiet.items()), install))
        raise UserError(f"Debian packages are not installed; as root: {command}")
    for line in chain(("apt-get update",), _from_backports(packages), (install,)):
        # An interrupted run may still hold dpkg's lock.
        logged([*line.split(), "-q", "-o", "DPkg::Lock::Timeout=300"], log, os.environ | quiet)


def _from_backports(packages: tuple[str, ...]) -> Iterator[str]:
    """The commands, each told once the one before has run, that bring what the configured suites have too old."""
    if not backports.wanting(packages):
        return
    suite, text = backports.source()
    backports.SOURCES.write_text(text, encoding="ascii")
    yield "apt-get update"
    wanted = [name for name in packages if name in backports.LEAST]
    yield f"apt-get install -y --no-install-recommends -t {suite} {' '.join(wanted)}"


def fingerprint() -> str:
    """The fingerprint of the pinned requirements and of the interpreter that they are installed for."""
    return hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()


def stamp(lab: Layout) -> Path:
    """The file that holds the fingerprint of what the environment was last completely installed from."""
    return lab.venv / ".cloudsentry-requirements"


def environment_is_current(lab: Layout) -> bool:
    """Is the OpenStack environment complete, and from these requirements?"""
    try:
        return stamp(lab).read_text(encoding="ascii") == fingerprint()
    except OSError:
        return False


def install_environment(lab: Layout) -> None:
    """The OpenStack environment holds exactly the pinned versions; runs pip only when pins or interpreter changed."""
    if environment_is_current(lab):
        return
    stamp(lab).unlink(missing_ok=True)
    log = lab.root / "log" / "pip.log"
    # The account's own pip settings hold; the mark lets the next `up` end a pip that outlived its command.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    outside[processes.MARK] = str(lab.root)
    pip = [str(lab.venv / "bin" / "python"), "-m", "pip"]
    if not _works([*pip, "--version"], outside):
        logged([sys.executable, "-m", "venv", "--clear", str(lab.venv)], log, outside)
    # --no-deps: the pins are the whole closure, and some plug-ins ask for more than the lab uses.
    logged([*pip, "install", "-q", "--no-deps", "-r", str(REQUIREMENTS)], log, outside)
    stamp(lab).write_text(fingerprint(), encoding="ascii")


def _works(command: list[str], env: Mapping[str, str]) -> bool:
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def logged(command: list[str], log: Path, env: Mapping[str, str]) -> None:
    """Run a command with its output appended to `log`; raises SentryError with the last line of it when it fails."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as out:
        try:
            done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
        except FileNotFoundError as error:
            raise UserError(f"{command[0]} is not installed") from error
    if done.returncode:
        raise SentryError(f"{Path(command[0]).name} failed: {last_line(log)} (see {log})")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; "" when there is none."""
    try:
        lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")
