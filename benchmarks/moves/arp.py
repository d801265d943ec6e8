"""Who answers for an address, asked ten times a second from one site's bridge: arp.py BRIDGE ADDRESS OWN-ADDRESS

Prints one JSON object at SIGTERM: how many questions were asked, how many had one answer, how many had more than one
(the address is owned twice), and the longest time without an answer. Run within the site's namespace, as root.
"""

from __future__ import annotations

import json
import signal
import socket
import struct
import sys
import time

EVERY = 0.1
ARP, REQUEST, REPLY = 0x0806, 1, 2


def frame(mac: bytes, own: str, address: str) -> bytes:
    """A question, to everybody."""
    head = b"\xff" * 6 + mac + struct.pack("!H", ARP) + struct.pack("!HHBBH", 1, 0x0800, 6, 4, REQUEST)
    return head + mac + socket.inet_aton(own) + bytes(6) + socket.inet_aton(address)


def main() -> None:
    """Ask until told to stop."""
    bridge, address, own = sys.argv[1:]
    door = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
    door.bind((bridge, ARP))
    mac = door.getsockname()[4]
    wanted = socket.inet_aton(address)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    counts = {"asked": 0, "once": 0, "twice": 0}
    last, longest = time.monotonic(), 0.0
    while not stopped:
        door.send(frame(mac, own, address))
        end, answers = time.monotonic() + EVERY, 0
        while (left := end - time.monotonic()) > 0:
            door.settimeout(left)
            try:
                seen = door.recv(128)
            except TimeoutError:
                break
            if struct.unpack("!H", seen[20:22])[0] == REPLY and seen[28:32] == wanted:
                answers += 1
        counts["asked"] += 1
        counts["once"] += answers == 1
        counts["twice"] += answers > 1
        now = time.monotonic()
        longest = max(longest, now - last)
        last = now if answers else last
    print(json.dumps({**counts, "longest_silence_s": round(longest, 1)}), flush=True)


if __name__ == "__main__":
    main()
