"""The gateway's program: keeps the pair, the tunnel and the wire as the metadata says, until the lease ends."""

import os
import signal
import sys
import threading
import time

import firewall
import machine
import pair
import probe
import wire

TICK_S = 0.5
ASK_S = 3.0
"""Between two looks at the metadata."""
PROBE_S = 5.0
SAY_S = 15.0
"""Between two lines of the console while nothing changes."""
PREFIX = "cloudsentry."


def transport(config, card, changed):
    """The tunnel of the kind that the event names: only its own file is here."""
    if config.transport == "openvpn":
        import openvpn

        return openvpn.Tunnel(config, card, changed)
    import tunnel

    return tunnel.Tunnel(config, card)


class Gateway:
    """All parts of one gateway."""

    def __init__(self, config):
        self.config = config
        self.outer, self.inner = machine.device(config.outer.mac), machine.device(config.inner.mac)
        self.pair = pair.Pair(config, self.outer, self.inner) if config.partner else pair.Alone()
        self.tunnel = transport(config, self.outer, self.pair.changed)
        self.names = [self.tunnel.name(generation) for generation in (0, 1)]
        self.wire = wire.Wire(config, self.inner, self.names) if config.mode == "l2" else None
        self.owners = None
        self.lease, self.far, self.far_inner = config.lease, None, ""
        self.left_by = config.outer
        self.wanted = None
        self.active = False
        self.ending = threading.Event()

    def begin(self):
        """Everything is there, and nothing crosses yet."""
        for path, value in (("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0")):
            with open(f"/proc/sys/net/ipv4/{path}", "w", encoding="ascii") as file:
                file.write(value if path != "ip_forward" or self.config.mode == "l3" else "0")
        firewall.load(self.config, self.inner, self.names)
        machine.run("ip", "link", "set", self.outer, "up")
        machine.run("ip", "addr", "replace", self.config.outer.address, "dev", self.outer)
        self.tunnel.begin()
        if self.wire:
            self.wire.begin()
            # A bridge's chain that was made before the first bridge is asked by no packet (Linux 6.18): made anew. The
            # tunnel's side is still down.
            firewall.load(self.config, self.inner, self.names)
        else:
            machine.run("ip", "link", "set", self.inner, "up")
            machine.run("ip", "addr", "replace", self.config.inner.address, "dev", self.inner)
        self.owners = probe.Owners(
            wire.BRIDGE if self.wire else self.inner, self.config.inner.mac, self.config.inner.own
        )
        self.owners.begin()
        self.beat()
        self.pair.begin()
        threading.Thread(target=self._asking, daemon=True).start()
        threading.Thread(target=self._probing, daemon=True).start()

    def beat(self):
        """The program goes on: keepalived's check looks for this."""
        os.makedirs(pair.FOLDER, exist_ok=True)
        with open(f"{pair.FOLDER}/beat", "w", encoding="ascii") as file:
            file.write("")

    def tick(self):
        """Once more everything as it must be."""
        leased = time.time() < self.lease
        self._leave()
        active = self.pair.active and leased
        if active != self.active:
            self.owners.forget()
        self.active = active
        if self.wire:
            self.wire.keep(active and self.far is not None)
        self.tunnel.keep(active, self.far if leased else None)
        if self.wire:
            self.wire.share()
        self.pair.keep()
        if self.tunnel.alive():
            self.beat()

    def _leave(self):
        """By the card that the driver named last: a router that has moved finds another network there."""
        side = self.wanted
        if side is None or side == self.left_by:
            return
        card = machine.device(side.mac)
        machine.run("ip", "link", "set", card, "up")
        machine.run("ip", "addr", "replace", side.address, "dev", card)
        self.outer, self.left_by = card, side
        self.tunnel.leave_by(card, side)

    def run(self):
        """Until the end of the process."""
        while not self.ending.is_set():
            try:
                self.tick()
            except (RuntimeError, OSError) as error:
                machine.say(trouble=str(error)[:200])
                self.ending.wait(TICK_S)
            self.pair.changed.wait(TICK_S)
            self.pair.changed.clear()
        self.tunnel.keep(False, None)
        if self.wire:
            self.wire.keep(False)
        self.pair.end()

    def _asking(self):
        while not self.ending.is_set():
            told = machine.metadata()
            if told is not None:
                self.learn(told)
            self.ending.wait(ASK_S)

    def learn(self, told):
        """What the metadata says: the lease, and the far end as "address key generation inner"."""
        lease = told.get(f"{PREFIX}lease", "")
        if lease.isdigit():
            self.lease = float(lease)
        words = told.get(f"{PREFIX}far", "").split()
        if len(words) == 4:
            self.far, self.far_inner = (words[0], words[1], int(words[2])), words[3]
        words = told.get(f"{PREFIX}outer", "").split()
        if len(words) == 3:
            mac, address, router = words
            self.wanted = machine.Side(mac, address, address.split("/")[0], router)

    def _probing(self):
        said, what = 0.0, None
        while not self.ending.is_set():
            self.owners.ask()
            self.ending.wait(1.0)
            facts = self.state()
            now = tuple(facts.get(key) for key in ("role", "up", "whole", "twice", "leased", "outer"))
            if now != what or time.monotonic() - said > SAY_S:
                machine.say(**facts)
                said, what = time.monotonic(), now
            self.ending.wait(PROBE_S)

    def state(self):
        """What a line of the console tells."""
        facts = {
            "at": int(time.time()),
            "leased": time.time() < self.lease,
            "role": "active" if self.active else "standby",
            "twice": self.owners.twice(),
            "generation": self.tunnel.road,
            "outer": self.left_by.mac,
        }
        if self.active and self.far:
            facts |= probe.stretch(self.config, self.far_inner) | {"heard": self.tunnel.heard()}
        return facts


def main():
    """Begin, and go on until told to end."""
    gateway = Gateway(machine.read(sys.argv[1]))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: gateway.ending.set())
    gateway.begin()
    machine.say(role="begun", name=gateway.config.name)
    gateway.run()


if __name__ == "__main__":
    main()
