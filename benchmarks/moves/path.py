"""The path between the lab's two Glances, led over its WAN: what goes to the public cloud's has 40 ms and a rate.

The lab's APIs are all on one loopback, where nothing is far. Here the public cloud's Glance is reached from the private
site's namespace over the WAN, and so is a conversion host (an sshd in the public site's namespace) that has that Glance
beside it. Both by relays that count bytes and can be cut in the middle. As root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloudsentry.clouds import open_cloud
from cloudsentry.clouds.namespaces import inside

PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
PRIVATE, PUBLIC = "lab-private", "lab-public"
FAR = "198.51.100.1"  # the public site's own address towards the WAN
PORTS = {"glance": 18292, "ssh": 18222}
HERE = "127.0.0.1"


@dataclass
class Relay:
    """Connections to an address, taken in one namespace and made in another. ``at``: bytes after which it cuts once."""

    listen: tuple[str, str, int]
    to: tuple[str, str, int]
    carried: int = 0
    at: int | None = None
    cuts: int = 0
    _door: socket.socket | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """From now on."""
        netns, address, port = self.listen
        with inside(netns):
            self._door = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self._serve, daemon=True).start()

    def end(self) -> None:
        """No new connections."""
        if self._door:
            self._door.shutdown(socket.SHUT_RDWR)  # or whoever waits for a connection keeps the port
            self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()  # type: ignore[union-attr]
                with inside(self.to[0]):
                    far = socket.create_connection(self.to[1:], timeout=20)
            except OSError:
                if self._door and self._door.fileno() < 0:
                    return
                continue
            for one in (near, far):
                one.settimeout(None)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ways in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._carry, args=ways, daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(256 * 1024):
                sink.sendall(data)
                if counted and self._cuts(len(data)):
                    break
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _cuts(self, size: int) -> bool:
        with self._lock:
            self.carried += size
            if self.at is None or self.carried < self.at:
                return False
            self.at, self.cuts = None, self.cuts + 1
            return True


@dataclass
class Path40:
    """The path while it stands: the environment for whoever is to use it, and its relays."""

    env: dict[str, str]
    glance: Relay
    ssh: Relay

    def program(self, *args: str) -> Any:
        """What a command answers as JSON, over this path; its failure does not end the benchmark."""
        done = subprocess.run(
            [PROGRAM, *args, "-f", "json"], env=self.env, stdout=subprocess.PIPE, text=True, check=False
        )
        return json.loads(done.stdout or "null")

    @property
    def carried(self) -> int:
        """Bytes towards the public site, of both relays."""
        return self.glance.carried + self.ssh.carried


def glance_port() -> int:
    """Of the public cloud."""
    url = str(open_cloud("public")._session.get_endpoint(service_type="image", interface="public"))
    return int(url.split(":")[2].split("/")[0])


@contextlib.contextmanager
def led(rtt_ms: float, rate_mbit: float, *, host: bool = True) -> Iterator[Path40]:
    """The path, with these; ``host``: with a conversion host at its end. The WAN is as before afterwards."""
    (was,) = [json.loads(subprocess.check_output([PROGRAM, "lab", "wan", "show", "-f", "json"]))]
    wan("--rtt", rtt_ms, "--rate", rate_mbit)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        glance = Relay(listen=("", HERE, PORTS["glance"]), to=(PRIVATE, FAR, PORTS["glance"]))
        ssh = Relay(listen=("", HERE, PORTS["ssh"]), to=(PRIVATE, FAR, PORTS["ssh"]))
        beside = [Relay(listen=(PUBLIC, at, PORTS["glance"]), to=("", HERE, glance_port())) for at in (FAR, HERE)]
        for relay in (glance, ssh, *beside):
            relay.begin()
            stack.callback(relay.end)
        stack.enter_context(conversion_host(folder))
        try:
            yield Path40(env=environment(folder, host), glance=glance, ssh=ssh)
        finally:
            wan("--rtt", was["RTT (ms)"], "--rate", was["Rate (Mbit/s)"])


def wan(*settings: object) -> None:
    """Set it."""
    subprocess.run([PROGRAM, "lab", "wan", "set", *map(str, settings)], stdout=subprocess.DEVNULL, check=True)


def environment(folder: Path, host: bool) -> dict[str, str]:
    """A clouds.yaml whose public cloud is behind the path, and the home whose key its host knows."""
    read = Path(os.environ["OS_CLIENT_CONFIG_FILE"])
    clouds = yaml.safe_load(read.read_text())
    public = clouds["clouds"]["public"]
    public["image_endpoint_override"] = f"http://{HERE}:{PORTS['glance']}"
    if host:
        public["conversion_host"] = f"ssh://root@{HERE}:{PORTS['ssh']}"
    (folder / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    places = {
        "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml"),
        "CLOUDSENTRY_LAB_DIR": os.environ.get("CLOUDSENTRY_LAB_DIR", str(read.parent)),
        "CLOUDSENTRY_STATE_DIR": os.environ.get(
            "CLOUDSENTRY_STATE_DIR", os.path.expanduser("~/.local/state/cloudsentry")
        ),
        "HOME": str(folder / "home"),
    }
    return {key: value for key, value in os.environ.items() if key != "SSH_AUTH_SOCK"} | places


@contextlib.contextmanager
def conversion_host(folder: Path) -> Iterator[None]:
    """An sshd at the public site that knows one key."""
    ssh = folder / "home" / ".ssh"
    ssh.mkdir(parents=True, mode=0o700)
    for path in (folder / "host_key", ssh / "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    shutil.copy(ssh / "id_ed25519.pub", folder / "authorized")
    Path("/run/sshd").mkdir(exist_ok=True)
    public = (folder / "host_key.pub").read_text().rsplit(" ", 1)[0]
    (ssh / "known_hosts").write_text(f"[{HERE}]:{PORTS['ssh']} {public}\n")
    (folder / "sshd_config").write_text(
        f"Port {PORTS['ssh']}\nListenAddress {FAR}\nHostKey {folder}/host_key\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
    )
    daemon = ["ip", "netns", "exec", PUBLIC, "/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
    process = subprocess.Popen(daemon, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
