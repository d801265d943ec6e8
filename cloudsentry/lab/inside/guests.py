"""A server as the lab has it: a namespace with the ports of Neutron, and one program in it under the hypervisor's CPU
quota.

The program is the server's user_data when that is a script ("#!"), else a small web server on port 80: `/name` is the
server's name, `/image` 25 KB. The script runs as root in the server's namespace, in a folder of its own, with
SERVER_NAME and WWW set. It finds the server's metadata where a cloud has it, at
http://169.254.169.254/openstack/latest/meta_data.json, as it is now.

`<lab>/<cloud>/run/guests/<uuid>.json` exists as long as the namespace does and says which hypervisor has it: whoever
else is told to destroy the server leaves it alone. Only the standard library.
"""

import base64
import binascii
import contextlib
import json
import os
import shutil
import signal
import subprocess

if __package__:
    from . import link, quotas, wires
else:  # in the lab, where this folder is on PYTHONPATH
    import link  # type: ignore[import-not-found,no-redef]
    import quotas  # type: ignore[import-not-found,no-redef]
    import wires  # type: ignore[import-not-found,no-redef]

CONSOLE_BYTES = 100_000
IMAGE_BYTES = 25 * 1024  # the size of the event's pictures
METADATA = "169.254.169.254"  # where every cloud's servers ask for their metadata
METADATA_PORT = 8775
# The server's own program may want port 80 of all addresses.
ASKED = f"""table ip metadata {{
  chain ask {{
    type nat hook output priority -100; ip daddr {METADATA} tcp dport 80 dnat to {METADATA}:{METADATA_PORT};
  }}
}}
"""
CLOUD_CONFIG = "user_data is not a script (#!): ignored, the web server of the lab runs instead\n"


def netns(uuid: str) -> str:
    return f"s-{uuid[:13]}"


def record_path(uuid: str) -> str:
    return f"{os.environ['LAB_RUN']}/guests/{uuid}.json"


def owner(uuid: str) -> str | None:
    """The hypervisor that has the server's namespace; None when there is none."""
    return wires.read(record_path(uuid)).get("host") if wires.exists(netns(uuid)) else None


def port_of(vif: dict) -> dict:
    """What is kept of a VIF of Nova's network_info: its port, MAC, network, and addresses with the gateway of each."""
    addresses, gateways, routes = [], [], []
    for subnet in vif["network"]["subnets"]:
        prefix = wires.prefix(subnet["cidr"])
        gateway = (subnet.get("gateway") or {}).get("address")
        for address in subnet["ips"]:
            addresses.append({"address": f"{address['address']}/{prefix}", "gateway": gateway})
        if gateway:
            gateways.append(f"{gateway}/{prefix}")
        routes += [f"{route['cidr']} via {route['gateway']['address']}" for route in subnet.get("routes") or ()]
    return {
        "id": vif["id"],
        "mac": vif["address"],
        "network": vif["network"]["id"],
        "addresses": addresses,
        "gateways": gateways,
        "routes": routes,
        "mtu": (vif["network"].get("meta") or {}).get("mtu"),
    }


class Guest:
    """One server on one hypervisor. Every verb may be repeated."""

    def __init__(self, cloud: str, host: str, folder: str, uuid: str, name: str = ""):
        self.cloud, self.host, self.folder, self.uuid, self.name = cloud, host, folder, uuid, name
        self.netns = netns(uuid)

    def record(self) -> dict:
        return wires.read(record_path(self.uuid))

    def plug(self, ports: list[dict]) -> None:
        """The server has a fresh namespace with these ports, and is this hypervisor's; nothing runs in it yet."""
        self.unplug(anyones=True)
        wires.make(self.netns)
        self._keep(ports)
        for port in ports:
            self._attach(len(self._devices()), port)

    def attach(self, port: dict) -> None:
        """The running server has this port too."""
        ports = self.record().get("ports", [])
        if port["id"] not in [known["id"] for known in ports]:
            self._attach(self._free_index(), port)
            self._keep([*ports, port])

    def detach(self, port_id: str) -> None:
        """The server no longer has the port."""
        wires.unplug(self.cloud, [_outer(port_id)])
        ports = self.record().get("ports", [])
        self._keep([port for port in ports if port["id"] != port_id])
        self._tidy([port for port in ports if port["id"] == port_id])

    def prepare(self, user_data: str | None) -> None:
        """The server's folder holds its web content and its program."""
        www = f"{self.folder}/www"
        os.makedirs(www, exist_ok=True)
        for name, content in (("name", f"{self.name}\n".encode()), ("image", os.urandom(IMAGE_BYTES))):
            with open(f"{www}/{name}", "wb") as file:
                file.write(content)
        program = _script(user_data)
        if program is None:
            program = f'#!/bin/sh\nexec {wires.lab()}/bin/web "$WWW" 80\n'.encode()
            if user_data:
                with open(f"{self.folder}/console", "a", encoding="utf-8") as console:
                    console.write(CLOUD_CONFIG)
        with open(f"{self.folder}/run", "wb") as file:
            file.write(program)
        os.chmod(f"{self.folder}/run", 0o700)

    def tell(self, metadata: dict[str, str]) -> None:
        """The server finds this metadata from now on. Only a program of its own asks for it."""
        path = f"{self.folder}/metadata/openstack/latest/meta_data.json"
        document = {"uuid": self.uuid, "name": self.name, "meta": metadata}
        if wires.read(path) != document:
            wires.replace(path, json.dumps(document))

    def asks(self) -> bool:
        """Whether its program may ask for metadata."""
        return os.path.isdir(f"{self.folder}/metadata")

    def prepared(self) -> bool:
        return os.path.exists(f"{self.folder}/run")

    def console(self) -> bytes:
        """The end of what the program has printed."""
        try:
            with open(f"{self.folder}/console", "rb") as console:
                return console.read()[-CONSOLE_BYTES:]
        except OSError:
            return b""

    def start(self, percent: float) -> None:
        """The server's program runs, from its beginning, with this share of a core, and its cables are in."""
        folder = quotas.admit(self.host, self.uuid, percent)
        quotas.end(self.host, self.uuid)
        self._afresh()
        self._cables("up")
        inside = f"ip netns exec {self.netns}"
        service = f"[ -d metadata ] && {inside} busybox httpd -p {METADATA}:{METADATA_PORT} -h metadata"
        enter = f'echo $$ > {folder}/cgroup.procs && {{ {service}; exec {inside} "$PWD/run"; }}'
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": "/root",
            "SERVER_NAME": self.name,
            "WWW": f"{self.folder}/www",
        }
        with open(f"{self.folder}/console", "ab") as console:
            subprocess.Popen(
                ["sh", "-c", enter],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Nothing of the server runs and nobody answers at its addresses."""
        self._cables("down")
        quotas.end(self.host, self.uuid)

    def freeze(self) -> None:
        """The server stands still: it neither runs nor answers, and loses nothing."""
        self._cables("down")
        quotas.send(self.host, self.uuid, signal.SIGSTOP)

    def thaw(self) -> None:
        self._cables("up")
        quotas.send(self.host, self.uuid, signal.SIGCONT)

    def adopt(self, percent: float) -> None:
        """The running server is this hypervisor's now, with its quota; its connections live on."""
        quotas.admit(self.host, self.uuid, percent)
        self._keep(self.record().get("ports", []))

    def unplug(self, anyones: bool = False) -> None:
        """The server's processes and namespace are gone, unless another hypervisor has them and `anyones` is false."""
        if not anyones and owner(self.uuid) not in (None, self.host):
            return
        for host in {*quotas.hosts(), self.host}:
            quotas.leave(host, self.uuid)
        ports = self.record().get("ports", [])
        wires.unplug(self.cloud, [_outer(port["id"]) for port in ports])
        # Daemons that were brought into the server from outside are in none of its groups.
        wires.clear(self.netns)
        wires.remove(self.netns)
        self._tidy(ports)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(record_path(self.uuid))

    def destroy(self) -> None:
        """As unplug, and the program's folder is gone too."""
        if owner(self.uuid) in (None, self.host):
            self.unplug()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, ports: list[dict]) -> None:
        record = {
            "id": self.uuid,
            "name": self.name or self.record().get("name", ""),
            "host": self.host,
            "ports": ports,
        }
        wires.replace(record_path(self.uuid), json.dumps(record))

    def _tidy(self, ports: list[dict]) -> None:
        """Networks on which these ports were the last are gone from the site."""
        for network in {port["network"] for port in ports}:
            if wires.tidy(self.cloud, network):
                link.leave(self.cloud, wires.bridge_name(network))

    def _devices(self) -> list[str]:
        return [name for name in wires.ip("-n", self.netns, "-br", "link").split() if name.startswith("eth")]

    def _free_index(self) -> int:
        taken = {device.partition("@")[0] for device in self._devices()}
        return next(index for index in range(len(taken) + 1) if f"eth{index}" not in taken)

    def _attach(self, index: int, port: dict) -> None:
        device = f"eth{index}"
        outer = _outer(port["id"])
        wires.plug(self.cloud, port["network"], port["gateways"], self.netns, device, outer, port["mac"])
        wires.batch(self.netns, _settings(device, port, first=index == 0), force=True)

    def _afresh(self) -> None:
        """As a machine that boots: its network is what Neutron says, and nothing that its program has made of it."""
        known = {port["mac"]: port for port in self.record().get("ports", [])}
        links = json.loads(wires.ip("-n", self.netns, "-j", "link", "show") or "[]")
        lines = [
            f"link del {link['ifname']}"
            for link in links
            if link["ifname"] != "lo" and not link["ifname"].startswith("eth")
        ]
        lines.append(f"addr replace {METADATA}/32 dev lo")
        for link in links:
            if link.get("address") in known and link["ifname"].startswith("eth"):
                device = link["ifname"]
                lines += [f"link set {device} nomaster down", f"addr flush dev {device}"]
                lines += [f"link set {device} up", *_settings(device, known[link["address"]], first=device == "eth0")]
        wires.batch(self.netns, lines, force=True)
        if shutil.which("nft"):
            wires.run("ip", "netns", "exec", self.netns, "nft", "-f", "-", stdin=f"flush ruleset\n{ASKED}")

    def _cables(self, state: str) -> None:
        ports = self.record().get("ports", [])
        if ports:
            wires.batch(
                wires.site(self.cloud), [f"link set {_outer(port['id'])} {state}" for port in ports], force=True
            )


def _settings(device: str, port: dict, first: bool) -> list[str]:
    """What ip(8) is told of a port: what DHCP or cloud-init would tell the server."""
    lines = [f"link set {device} mtu {port['mtu']}"] if port.get("mtu") else []
    for entry in port["addresses"]:
        six = ":" in entry["address"]
        lines.append(f"addr add {entry['address']} dev {device}{' nodad' * six}")
        if entry["gateway"] and first:
            lines.append(f"route replace default via {entry['gateway']} dev {device}")
    return [*lines, *(f"route replace {route} dev {device}" for route in port.get("routes", ()))]


def _outer(port_id: str) -> str:
    """The site's end of a port's cable."""
    return f"t{port_id}"[: wires.KERNEL_NAME - 2]


def _script(user_data: str | None) -> bytes | None:
    try:
        script = base64.b64decode(user_data or "")
    except (binascii.Error, ValueError):
        return None
    return script if script.startswith(b"#!") else None
