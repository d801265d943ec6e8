"""The tunnel: one WireGuard device per generation of keys, and the road over the newest that the far end answers on.

Two generations may stand at once: the newer one takes over when it has shaken hands, the older one goes a while
later, so that no packet is lost between them. Keys are derived from the seed, so that none ever travels.
"""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import time

import machine

KEEPALIVE_S = 1
OVERLAP_S = 10.0
"""How long the old generation stays after the new one took over: packets on their way are long there."""
SILENT_S = 1.6
"""The home end sends every `KEEPALIVE_S`: who roams and hears nothing for so long registers anew. WireGuard by itself
would find out after 15 s (KEEPALIVE_TIMEOUT and REKEY_TIMEOUT of its protocol)."""
AGAIN_S = 1.0
"""Between two registrations that nobody answers."""
ROAMS = "roams"
"""The far end's address where it has none that stays: it is where its newest packet came from."""
HANDSHAKE_OLD_S = 185.0
"""WireGuard renews its session every 120 s and gives it up after 180 s (REJECT_AFTER_TIME of its protocol)."""


def derived(seed, purpose):
    """32 bytes of a seed (hex) for a purpose, as WireGuard writes keys."""
    made = hmac.new(bytes.fromhex(seed), purpose.encode(), hashlib.sha256).digest()
    return base64.b64encode(made).decode()


class Tunnel:
    """The WireGuard devices of this gateway. ``far`` is {generation: (address, public key)}, filled by metadata."""

    def __init__(self, config, card):
        self.config, self.card, self.outer = config, card, config.outer
        self.road = None
        self._heard, self._moved = (0, 0.0), False
        self._made = {}
        self._peers = {}
        self._way_to = ""
        self._since = 0.0

    def name(self, generation):
        """The device of a generation. Where many gateways share a file system, its socket must be its alone."""
        return f"wg{generation % 2}-{self.config.outer.mac.replace(':', '')[-6:]}"

    def begin(self):
        """The fixed tunnel address is there; nothing of an earlier run is."""
        for generation in (0, 1):
            machine.run("ip", "link", "del", self.name(generation), check=False)
        machine.run("ip", "addr", "replace", f"{self.config.near_tunnel}/32", "dev", "lo")

    def keep(self, active, far):
        """Devices are as they must be: none without a far end; at rest, so that they are ready at once, where this
        gateway is not the active one.
        """
        if far is None:
            self._quiet()
            return
        address, key, newest = far
        if self.road is not None and self.road != newest and self.road % 2 == newest % 2:
            return  # rotated twice at once: the one between takes over before its place is had
        if self._made.get(newest % 2) != newest or not self._exists(newest):
            self._make(newest)
        # The way first: WireGuard tries a lost handshake again after 5 s only.
        if active:
            if address != ROAMS:
                self._way(address)
            self._choose(newest)
        elif self.road is not None:
            self._rest(newest)
        self._peer(newest, address, key, active)
        if active and self.config.roams == "near":
            self._register(newest, key)

    def leave_by(self, card, side):
        """Packets leave by another card from now on, and the home end hears of it by the first of them."""
        self.card, self.outer, self._way_to = card, side, ""
        self._moved = True

    def _register(self, newest, key):
        """The home end answers from where it answers now: the other of its two has another session, or none."""
        told = machine.run("wg", "show", self.name(newest), "transfer", check=False).split()
        received, now = int(told[1]) if len(told) > 1 else 0, time.monotonic()
        if received != self._heard[0] and not self._moved:
            self._heard = (received, now + SILENT_S)
        elif now > self._heard[1] or self._moved:
            self._moved = False
            machine.run("wg", "set", self.name(newest), "peer", key, "remove")
            self._peers.pop(newest % 2, None)
            self._peer(newest, self._way_to, key, True)
            self._heard = (0, now + AGAIN_S)

    def alive(self):
        """Whether the road's device is there: wireguard-go may have died."""
        return self.road is None or self._exists(self.road)

    def heard(self):
        """Whether anything has come from the far end."""
        told = [machine.run("wg", "show", self.name(made), "transfer", check=False).split() for made in self._made]
        return any(int(words[1]) > 0 for words in told if len(words) > 1)

    def _way(self, address):
        """Packets to the far end bear the pair's own address, whichever of the two sends them."""
        if self._way_to == address:
            return
        own, side = self.outer, ["dev", self.card, "src", self.outer.vip]
        via = ["via", own.router] if own.router else []
        machine.run("ip", "route", "replace", f"{address}/32", *via, *side)  # fails until keepalived has the address
        self._way_to = address

    def _exists(self, generation):
        return os.path.exists(f"/sys/class/net/{self.name(generation)}")

    def _make(self, generation):
        name = self.name(generation)
        machine.run("ip", "link", "del", name, check=False)
        try:
            machine.run("ip", "link", "add", name, "type", "wireguard")
        except RuntimeError:  # no such device in this kernel
            go = shutil.which("wireguard-go")
            if not go:
                raise
            quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            # It stays behind, and would hold a pipe open for ever.
            subprocess.run([go, name], check=True, env=os.environ | {"LOG_LEVEL": "error"}, **quiet)
        key = derived(self.config.seed, f"wireguard/{generation}")
        port = str(self.config.port + generation % 2)
        machine.run("wg", "set", name, "listen-port", port, "private-key", "/dev/stdin", stdin=key)
        machine.run("ip", "link", "set", name, "mtu", str(self.config.tunnel_mtu), "up")
        self._made[generation % 2] = generation
        self._peers.pop(generation % 2, None)

    def _peer(self, generation, address, key, active):
        """Told again only where something has changed. Without keepalives, and a road, a device says nothing."""
        wanted = (address, key, active)
        if self._peers.get(generation % 2) == wanted:
            return
        name, port = self.name(generation), self.config.port + generation % 2
        for other in machine.run("wg", "show", name, "peers", check=False).split():
            if other != key:
                machine.run("wg", "set", name, "peer", other, "remove")
        allowed = ",".join([f"{self.config.far_tunnel}/32", *([self.config.far_cidr] * (self.config.mode == "l3"))])
        psk = derived(self.config.psk, f"psk/{generation}")
        endpoint = [] if address == ROAMS else ["endpoint", f"{address}:{port}"]
        peer = ["wg", "set", name, "peer", key, "preshared-key", "/dev/stdin", *endpoint]
        every = str(KEEPALIVE_S if active else 0)
        machine.run(*peer, "persistent-keepalive", every, "allowed-ips", allowed, stdin=psk)
        self._peers[generation % 2] = wanted

    def _shaken(self, generation):
        """Whether the far end has answered on this generation lately."""
        times = machine.run("wg", "show", self.name(generation), "latest-handshakes", check=False).split()
        return any(0 < time.time() - float(at) < HANDSHAKE_OLD_S for at in times[1::2])

    def _choose(self, newest):
        if self.road != newest and (self.road is None or self._shaken(newest)):
            self._drive(newest)
            self._since = time.monotonic()
        other = (newest + 1) % 2
        if self.road == newest and other in self._made and time.monotonic() - self._since > OVERLAP_S:
            self._drop(other)

    def _drive(self, generation):
        name = self.name(generation)
        machine.run(
            "ip", "route", "replace", f"{self.config.far_tunnel}/32", "dev", name, "src", self.config.near_tunnel
        )
        if self.config.mode == "l3":
            machine.run("ip", "route", "replace", self.config.far_cidr, "dev", name, "src", self.config.inner.vip)
        self.road = generation

    def _rest(self, newest):
        """No longer the active one: nothing leads into the tunnel, and only the newest device stays."""
        machine.run("ip", "route", "del", f"{self.config.far_tunnel}/32", check=False)
        if self.config.mode == "l3":
            machine.run("ip", "route", "del", self.config.far_cidr, check=False)
        self._drop((newest + 1) % 2)
        self.road, self._way_to = None, ""

    def _quiet(self):
        """Nothing is left of the tunnel: no far end, or the lease is over."""
        for slot in list(self._made):
            self._drop(slot)
        self.road, self._way_to = None, ""

    def _drop(self, slot):
        machine.run("ip", "link", "del", self.name(slot), check=False)
        self._made.pop(slot, None)
        self._peers.pop(slot, None)
