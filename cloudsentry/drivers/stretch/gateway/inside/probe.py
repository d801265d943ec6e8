"""Is the stretch alive: end to end, at full size, and does no address have two owners."""

import re
import socket
import struct
import threading
import time

import machine

ECHOES, GAP_S = 5, 0.2
HEADERS = 28
"""Bytes of IPv4's and ICMP's headers, which ping's size leaves out."""
ARP = 0x0806
OWNED_S = 20.0
"""Two MACs that claim an address in turns within this time own it twice."""
MOST = 512


def ping(target, source, count=ECHOES, size=56, whole=False):
    """(loss in percent, mean round trip in ms or None)."""
    options = ["-M", "do"] if whole else []
    command = ["ping", "-n", "-q", "-c", str(count), "-i", str(GAP_S), "-W", "1", "-s", str(size), *options]
    told = machine.run(*command, "-I", source, target, check=False)
    loss = re.search(r"([0-9.]+)% packet loss", told)
    mean = re.search(r"= [0-9.]+/([0-9.]+)/", told)
    return (float(loss[1]) if loss else 100.0), (float(mean[1]) if mean else None)


def stretch(config, far_inner):
    """One look at the far end from here: facts for `machine.say`."""
    if config.transport == "openvpn" and config.mode == "l2":  # a tap has no addresses of its own
        loss, rtt = ping(far_inner, config.inner.vip)
    else:
        loss, rtt = ping(config.far_tunnel, config.near_tunnel)
    found = {"up": rtt is not None, "loss": loss, "rtt": rtt, "mtu": config.inner_mtu, "whole": None}
    if rtt is not None and far_inner:
        lost, _ = ping(far_inner, config.inner.vip, count=2, size=config.inner_mtu - HEADERS, whole=True)
        found["whole"] = lost < 100.0
    return found


class Owners:
    """Who claims which address of the stretched network, by ARP; asked again all the while."""

    def __init__(self, card, mac, address):
        self._card, self._mac, self._address = card, mac, address
        self._seen = {}
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))

    def begin(self):
        """Listening from now on."""
        self._socket.bind((self._card, ARP))
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self):
        """Every known address is asked for its owner."""
        with self._lock:
            known = list(self._seen)[:MOST]
        own = bytes.fromhex(self._mac.replace(":", ""))
        for address in known:
            head = b"\xff" * 6 + own + struct.pack("!HHHBBH", ARP, 1, 0x0800, 6, 4, 1)
            try:
                self._socket.send(head + own + b"\0" * 10 + socket.inet_aton(address))
            except OSError:
                return

    def twice(self):
        """Addresses that two have claimed lately, sorted."""
        now = time.monotonic()
        with self._lock:
            for owners in self._seen.values():
                for mac in [mac for mac, (_, last) in owners.items() if now - last > OWNED_S]:
                    del owners[mac]
            return sorted(address for address, owners in self._seen.items() if _overlap(list(owners.values())))

    def forget(self):
        """The pair has changed: who owns its addresses now is another one, and rightly."""
        with self._lock:
            self._seen.clear()

    def _listen(self):
        while True:
            try:
                frame = self._socket.recv(128)
            except OSError:
                return
            mac, address = frame[22:28].hex(":"), socket.inet_ntoa(frame[28:32])
            if len(frame) >= 42 and address != "0.0.0.0" and mac != self._mac:
                with self._lock:
                    now, owners = time.monotonic(), self._seen.setdefault(address, {})
                    owners[mac] = (owners.get(mac, (now,))[0], now)


def _overlap(times):
    """Whether two were heard in turns. One after the other is a pair of gateways that has changed, or a server that
    has moved."""
    return any(a[0] < b[1] and b[0] < a[1] for i, a in enumerate(times) for b in times[:i])
