"""The tunnel where UDP is filtered: OpenVPN over TCP, with one device per generation of keys, as `tunnel` has.

Layer 2: a tap each, both in the bridge. They do not speak to each other, and only the road's one is spoken to, so that
two generations are no loop and nothing is lost between them. Layer 3: a tun each, and routes. The devices are there all
the while; OpenVPN runs on the active gateway only, with the end of side 1 listening and the other one calling. It ends
with its connection, and is started anew at once.
"""

import base64
import os
import signal
import subprocess
import threading
import time

import certificate
import machine

OVERLAP_S = 10.0
"""How long the old generation stays after the new one took over, as with WireGuard."""
AGAIN_S = 0.5
"""Between two starts, where nobody answers."""
FRESH_S = 4.0
"""OpenVPN writes its status every second, and hears the far end every second."""
CONFIG = """dev {name}
dev-type {kind}
tun-mtu {mtu}
mssfix 0
proto {proto}
remote {address} {rport}
{bind}
{role}
cert {slot}.crt
key {slot}.key
peer-fingerprint {print}
tls-crypt {slot}.psk
tls-version-min 1.3
data-ciphers AES-256-GCM
socket-flags TCP_NODELAY
tcp-queue-limit 256
ping 1
ping-exit 4
remap-usr1 SIGTERM
connect-timeout 3
connect-retry 1 1
connect-retry-max 1
hand-window 8
status {slot}.status 1
writepid {slot}.pid
script-security 0
disable-dco
verb 1
"""
FOLDER = "openvpn"


class Tunnel:
    """The OpenVPN devices of this gateway. ``changed`` is set when one of its processes has ended."""

    def __init__(self, config, card, changed):
        self.config, self.card, self.outer, self.changed = config, card, config.outer, changed
        self.road = None
        self._told = {}
        self._running = {}
        self._way_to = ""
        self._since = 0.0

    def name(self, generation):
        """The device of a generation."""
        return f"ov{generation % 2}-{self.config.outer.mac.replace(':', '')[-6:]}"

    def begin(self):
        """The devices are there, and nothing of an earlier run is."""
        os.makedirs(FOLDER, exist_ok=True)
        layer2 = self.config.mode == "l2"
        for slot in (0, 1):
            self._orphan(slot)
            machine.run("ip", "link", "del", self.name(slot), check=False)
            machine.run("ip", "tuntap", "add", "dev", self.name(slot), "mode", "tap" if layer2 else "tun")
            machine.run("ip", "link", "set", self.name(slot), "mtu", str(self._mtu()), *([] if layer2 else ["up"]))
        machine.run("ip", "addr", "replace", f"{self.config.near_tunnel}/32", "dev", "lo")

    def keep(self, active, far):
        """The active gateway's processes run, and none of one without a far end or a lease. In reserve one listens
        beforehand, where this end is called: nobody has its address so far.
        """
        if far is None or (not active and (self.road is not None or not self.config.listens)):
            self._rest()
            return
        address, key, newest = far
        if self.road is not None and self.road != newest and self.road % 2 == newest % 2:
            return  # rotated twice at once: the one between takes over before its place is had
        if active:
            self._way(address)
        if self._told.get(newest % 2) != (newest, address, key):
            self._drop(newest % 2)
            self._write(newest, address, key)
            self._told[newest % 2] = (newest, address, key)
        if not active:
            self._drop((newest + 1) % 2)
        for slot in list(self._told):
            self._run(slot)
        if active:
            self._choose(newest)

    def alive(self):
        """Whether the road's device is there."""
        return self.road is None or os.path.exists(f"/sys/class/net/{self.name(self.road)}")

    def heard(self):
        """Whether anything has come from the far end."""
        return any(self._shaken(generation) for generation, _, _ in self._told.values())

    def _mtu(self):
        return self.config.inner_mtu if self.config.mode == "l2" else self.config.tunnel_mtu

    def _way(self, address):
        """Packets to the far end bear the pair's own address, whichever of the two sends them."""
        if self._way_to == address:
            return
        via = ["via", self.outer.router] if self.outer.router else []
        machine.run("ip", "route", "replace", f"{address}/32", *via, "dev", self.card, "src", self.outer.vip)
        self._way_to = address

    def _run(self, slot):
        """The slot's process runs, or has been started."""
        process, since = self._running.get(slot, (None, 0.0))
        if (process is not None and process.poll() is None) or time.monotonic() - since < AGAIN_S:
            return
        if os.path.exists(f"{FOLDER}/{slot}.status"):
            os.unlink(f"{FOLDER}/{slot}.status")
        with open(f"{FOLDER}/{slot}.log", "wb") as log:
            quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            process = subprocess.Popen(["openvpn", "--cd", FOLDER, "--config", f"{slot}.conf"], **quiet)
        self._running[slot] = (process, time.monotonic())
        threading.Thread(target=self._await, args=(process,), daemon=True).start()

    def _await(self, process):
        process.wait()
        self.changed.set()

    def _write(self, generation, address, key):
        """The configuration of a generation's slot, with the far end's address and fingerprint, and what it names."""
        config, slot = self.config, generation % 2
        place = f"{FOLDER}/{slot}"
        self._certify(place, generation)
        _put(f"{place}.psk", certificate.static(config.psk, generation))
        port = str(config.port + slot)
        text = CONFIG.format(
            name=self.name(slot),
            kind="tap" if config.mode == "l2" else "tun",
            mtu=self._mtu(),
            proto="tcp-server" if config.listens else "tcp-client",
            address=address,
            rport=port,
            bind=f"lport {port}" if config.listens else "nobind",
            role="tls-server\ndh none" if config.listens else "tls-client",
            slot=slot,
            print=":".join(f"{byte:02X}" for byte in base64.b64decode(key)),
        )
        _put(f"{place}.conf", text)

    def _certify(self, place, generation):
        """Private key and certificate of a generation; OpenSSL signs."""
        private = certificate.PRIVATE + certificate.private(self.config.seed, generation)
        _put(f"{place}.key", certificate.pem("PRIVATE KEY", private))
        public = machine.run("openssl", "pkey", "-in", f"{place}.key", "-pubout").splitlines()
        body = certificate.unsigned(base64.b64decode("".join(public[1:-1]))[-32:])
        with open(f"{place}.body", "wb") as file:
            file.write(body)
        machine.run(
            *("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", f"{place}.key"),
            *("-in", f"{place}.body", "-out", f"{place}.signature"),
        )
        with open(f"{place}.signature", "rb") as file:
            _put(f"{place}.crt", certificate.pem("CERTIFICATE", certificate.signed(body, file.read())))

    def _shaken(self, generation):
        """Whether the far end is heard on this generation: of what arrived, something was the far end's for certain."""
        path = f"{FOLDER}/{generation % 2}.status"
        try:
            with open(path, encoding="ascii") as file:
                told = dict(line.strip().split(",")[:2] for line in file if "," in line)
            fresh = time.time() - os.stat(path).st_mtime < FRESH_S
        except (OSError, ValueError):
            return False
        return fresh and int(told.get("Auth read bytes", "0")) > 0

    def _choose(self, newest):
        if self.road != newest and (self.road is None or self._shaken(newest)):
            self._drive(newest)
            self._since = time.monotonic()
        other = (newest + 1) % 2
        if self.road == newest and other in self._told and time.monotonic() - self._since > OVERLAP_S:
            self._drop(other)

    def _drive(self, generation):
        """What leaves does so by this generation's device; both are listened to."""
        if self.config.mode == "l2":
            for slot in (0, 1):
                said = "on" if slot == generation % 2 else "off"
                flags = [word for flag in ("flood", "mcast_flood", "bcast_flood", "learning") for word in (flag, said)]
                machine.run("bridge", "link", "set", "dev", self.name(slot), "isolated", "on", *flags)
                if said == "off":
                    machine.run("ip", "link", "set", self.name(slot), "type", "bridge_slave", "fdb_flush")
        else:
            way = ("dev", self.name(generation), "src")
            machine.run("ip", "route", "replace", f"{self.config.far_tunnel}/32", *way, self.config.near_tunnel)
            machine.run("ip", "route", "replace", self.config.far_cidr, *way, self.config.inner.vip)
        self.road = generation

    def _rest(self):
        """Nothing runs, and nothing leads into the tunnel."""
        for slot in list(self._told):
            self._drop(slot)
        if self.road is not None and self.config.mode == "l3":
            machine.run("ip", "route", "del", f"{self.config.far_tunnel}/32", check=False)
            machine.run("ip", "route", "del", self.config.far_cidr, check=False)
        self.road, self._way_to = None, ""

    def _drop(self, slot):
        process, _ = self._running.pop(slot, (None, 0.0))
        self._told.pop(slot, None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _orphan(self, slot):
        """A process that an earlier run of this program has left behind ends."""
        try:
            with open(f"{FOLDER}/{slot}.pid", encoding="ascii") as file:
                number = int(file.read())
            with open(f"/proc/{number}/cmdline", "rb") as file:
                mine = file.read().startswith(b"openvpn\0")
            if mine and os.path.samefile(f"/proc/{number}/cwd", FOLDER):
                os.kill(number, signal.SIGKILL)
        except (OSError, ValueError):
            return


def _put(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
