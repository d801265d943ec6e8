"""Layer 2 over the tunnel: a bridge of the inner card and a VXLAN device, and who must hear when the pair changes.

A switch knows by which port it reaches a MAC. When the other gateway takes over it must learn anew, and at once: the
active gateway tells its partner which MACs are beyond the tunnel, and the partner, once active, sends one frame in
the name of each (as hypervisors do after a live migration, RARP of RFC 903).
"""

import hashlib
import hmac
import json
import socket
import struct
import time

import machine

BRIDGE, VXLAN = "bridge0", "vxlan0"
TALK = 51819
"""UDP port between the two of a pair."""
TELL_S = 1.5
"""Between two tellings of the MACs beyond the tunnel."""
RARP = 0x8035
MOST = 1000
"""MACs told to the partner in one datagram: 12 bytes each."""


class Wire:
    """The bridge. Only the active gateway's devices of the tunnel are up: two bridges in parallel would be a loop.

    With WireGuard that is a VXLAN device; OpenVPN's own, ``taps``, are bridged as they are.
    """

    def __init__(self, config, card, taps=()):
        self.config, self.card = config, card
        self.ports = tuple(taps) if config.transport == "openvpn" else (VXLAN,)
        self.beyond = set()
        self.up = False
        self._told = 0.0
        self._talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def begin(self):
        """The bridge is there, with the inner card and its address; the tunnel's side is down."""
        inner, mtu = self.config.inner, str(self.config.inner_mtu)
        for name in (VXLAN, BRIDGE):
            machine.run("ip", "link", "del", name, check=False)
        machine.run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        machine.run("ip", "link", "set", BRIDGE, "address", inner.mac)
        machine.run("ip", "addr", "flush", "dev", self.card)
        machine.run("ip", "link", "set", self.card, "master", BRIDGE, "up")
        machine.run("ip", "link", "set", self.card, "mtu", mtu)
        machine.run("ip", "addr", "replace", inner.address, "dev", BRIDGE)
        if VXLAN in self.ports:
            tunnel = ["local", self.config.near_tunnel, "remote", self.config.far_tunnel, "dstport", "4789"]
            machine.run("ip", "link", "add", VXLAN, "type", "vxlan", "id", str(self.config.vni), *tunnel)
        for port in self.ports:
            machine.run("ip", "link", "set", port, "mtu", mtu, "master", BRIDGE)
        machine.run("ip", "link", "set", BRIDGE, "mtu", mtu, "up")
        self._talk.bind((self.config.outer.own, TALK))
        self._talk.setblocking(False)

    def keep(self, active):
        """The tunnel's side is up where this gateway is the active one."""
        if active == self.up:
            return
        for port in self.ports:
            machine.run("ip", "link", "set", port, "up" if active else "down")
        self.up = active
        if active:
            machine.run("ip", "link", "set", BRIDGE, "type", "bridge", "fdb_flush", check=False)
            self._announce()

    def share(self):
        """The active one tells its partner what is beyond the tunnel; the other one listens."""
        if self.up and time.monotonic() - self._told < TELL_S:
            return
        if self.up:
            self._told = time.monotonic()
            found = json.loads(machine.run("bridge", "-j", "fdb", "show", "br", BRIDGE, "dynamic", check=False) or "[]")
            self.beyond = {entry["mac"] for entry in found if entry.get("ifname") in self.ports and "dst" not in entry}
            body = json.dumps(sorted(self.beyond)[:MOST]).encode()
            try:
                self._talk.sendto(self._signed(body) + body, (self.config.partner, TALK))
            except OSError:
                return  # the partner is not there just now
        else:
            self._listen()

    def _listen(self):
        while True:
            try:
                datagram, _ = self._talk.recvfrom(65535)
            except OSError:
                return
            seal, body = datagram[:32], datagram[32:]
            if hmac.compare_digest(seal, self._signed(body)):
                self.beyond = set(json.loads(body))

    def _signed(self, body):
        return hmac.new(bytes.fromhex(self.config.seed), b"talk" + body, hashlib.sha256).digest()

    def _announce(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((self.card, 0))
            for mac in sorted(self.beyond):
                source = bytes.fromhex(mac.replace(":", ""))
                head = b"\xff" * 6 + source + struct.pack("!H", RARP)
                body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 3) + source + b"\0" * 4 + source + b"\0" * 4
                try:
                    raw.send((head + body).ljust(60, b"\0"))
                except OSError:
                    return  # the card is down: the pair changes again
