"""What both ends compute alike, from what the event says: tunnel addresses, identifiers, and the MTU. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping

WIREGUARD = {4: 60, 6: 80}
"""Bytes that WireGuard adds: outer IP header, UDP 8, its own header and authenticator 32 (its paper, 5.4.6)."""

OPENVPN = {4: 82, 6: 102}
"""Bytes that OpenVPN over TCP adds, with one packet to a segment: outer IP header, TCP with timestamps 32 (RFC 7323),
length 2, opcode and peer 4, packet number 4, authenticator 16 (its wire protocol), 4 to spare. TCP would carry more:
but a packet that is cut into two segments costs two."""

TRANSPORTS = {"wireguard": WIREGUARD, "openvpn": OPENVPN}

ETHERNET = 14
"""Bytes of a frame's header in a tap."""

VXLAN = 50
"""Bytes that VXLAN adds within the tunnel: inner Ethernet 14, IPv4 20, UDP 8, VXLAN 8 (RFC 7348)."""

TUNNELS = ipaddress.IPv4Network("100.64.0.0/10")
"""Tunnel addresses are of the range that no network outside has (RFC 6598)."""

PORT = 51820
"""WireGuard's own; the next one is for the next generation of keys."""

Options = Mapping[str, str]


def transport(options: Options) -> str:
    """What carries the tunnel: ``wireguard`` or ``openvpn``."""
    return options.get("transport") or "wireguard"


def tunnel_mtu(underlay: int, version: int = 4, *, over: str = "wireguard") -> int:
    """The largest packet within the tunnel."""
    return underlay - TRANSPORTS[over][version]


def inner_mtu(underlay: int, mode: str, version: int = 4, *, over: str = "wireguard") -> int:
    """The largest packet of a server on the stretched network."""
    layer2 = ETHERNET if over == "openvpn" else VXLAN
    return tunnel_mtu(underlay, version, over=over) - (layer2 if mode == "l2" else 0)


def tunnel_addresses(stretch: str, side: str) -> tuple[str, str]:
    """The fixed tunnel addresses: of this side (``1`` or ``2``), and of the other."""
    first = int(TUNNELS[0]) + 2 * (_number(stretch) % (TUNNELS.num_addresses // 2))
    both = str(ipaddress.IPv4Address(first)), str(ipaddress.IPv4Address(first + 1))
    return both if side == "1" else (both[1], both[0])


def vni(stretch: str) -> int:
    """The VXLAN network identifier: 24 bits, not 0."""
    return _number(stretch) % 0xFFFFFF + 1


def router_id(stretch: str) -> int:
    """The VRRP identifier: 1 to 255; it need only differ from those of others on the outer network."""
    return _number(stretch) % 255 + 1


def port(options: Options) -> int:
    """The first of the tunnel's two ports: of UDP, or of TCP with OpenVPN."""
    return int(options.get("port") or PORT)


def _number(stretch: str) -> int:
    return int.from_bytes(hashlib.sha256(stretch.encode()).digest()[:6], "big")
