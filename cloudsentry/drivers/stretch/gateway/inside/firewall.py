"""What may cross, and who may speak to the gateway itself: one nftables ruleset, written as a whole.

Nothing depends on connection tracking: bridges have it in new kernels only, and it knows nothing of what the other
gateway of the pair has let through. Towards the side that serves go packets to the named ports, back come packets from
them that do not open a connection.
"""

import machine
import wire


def rules(config, card, tunnels):
    """The text for nft(8). ``tunnels`` are the names of the tunnel's devices."""
    forward = _bridged(config, card, tunnels) if config.mode == "l2" else _routed(config, card, tunnels)
    tables = ("inet gateway", "bridge gateway") if config.mode == "l2" else ("inet gateway",)
    anew = [f"{verb} table {table}" for table in tables for verb in ("add", "delete")]
    return "\n".join([*anew, *_own(config, card, tunnels), *forward]) + "\n"


def load(config, card, tunnels):
    """The ruleset holds, the whole of it or the one before."""
    machine.run("nft", "-f", "-", stdin=rules(config, card, tunnels))


def _own(config, card, tunnels):
    """To the gateway: the far end's tunnel, the partner, answers, and echo requests."""
    inside = wire.BRIDGE if config.mode == "l2" else card
    named = ", ".join(f'"{name}"' for name in tunnels)
    lines = [
        'iifname "lo" accept',
        "ct state established,related accept",
        *_called(config, named),
        *([f"ip saddr {config.partner} ip protocol vrrp accept"] if config.partner else []),
        *([f"ip saddr {config.partner} udp dport {wire.TALK} accept"] if config.partner else []),
        f'iifname {{ {named}, "{inside}" }} icmp type echo-request accept',
        "icmp type { destination-unreachable, time-exceeded } accept",
        "udp sport 67 udp dport 68 accept",
        # A connection that was the other gateway's: the far end is told so at once, and calls anew.
        *(["meta l4proto tcp reject with tcp reset"] * (config.transport == "openvpn")),
    ]
    return _chain("inet", "gateway", "input", lines)


def _called(config, named):
    """By what the far end may begin to speak: to the tunnel's ports, and through it to the VXLAN device."""
    ports = f"{{ {config.port}, {config.port + 1} }}"
    if config.transport == "openvpn":
        return [f"tcp dport {ports} accept"] if config.listens else []
    return [
        f"udp dport {ports} accept",
        f"iifname {{ {named} }} ip saddr {config.far_tunnel} udp dport 4789 accept",
    ]


def _ports(config):
    """(protocol, ports as nft writes them) of what is let through."""
    found = {}
    for entry in config.allow:
        protocol, _, port = entry.partition("/")
        if protocol in ("tcp", "udp"):
            found.setdefault(protocol, []).append(port)
    return [(protocol, "{ " + ", ".join(sorted(ports)) + " }") for protocol, ports in sorted(found.items())]


def _ways(config, near, far):
    """(from, to) of requests: towards the side that serves, or both ways where none is named."""
    ways = {"near": [(far, near)], "far": [(near, far)], "": [(near, far), (far, near)]}
    return ways[config.serves]


def _bridged(config, card, tunnels):
    beyond = _set(tunnels) if config.transport == "openvpn" else f'"{wire.VXLAN}"'
    lines = [
        f"ether type arp arp saddr ip {config.near_cidr} arp daddr ip {config.near_cidr} accept",
        f"ether type ip ip saddr != {config.near_cidr} drop",
        f"ether type ip ip daddr != {config.near_cidr} drop",
    ]
    for source, target in _ways(config, f'"{card}"', beyond):
        there, back = f"iifname {source} oifname {target}", f"iifname {target} oifname {source}"
        for protocol, ports in _ports(config):
            opens = " tcp flags & (syn | ack) != syn" if protocol == "tcp" else ""
            lines.append(f"{there} {protocol} dport {ports} accept")
            lines.append(f"{back} {protocol} sport {ports}{opens} accept")
        if "icmp" in config.allow:
            lines.append(f"{there} icmp type echo-request accept")
            lines.append(f"{back} icmp type echo-reply accept")
    lines.append("icmp type destination-unreachable accept")
    return _chain("bridge", "gateway", "forward", lines)


def _routed(config, card, tunnels):
    wan = _set(tunnels)
    inside, lines = f'"{card}"', ["ct state established,related accept"]
    sides = {inside: config.near_cidr, wan: config.far_cidr}
    for source, target in _ways(config, inside, wan):
        way = f"iifname {source} oifname {target} ip saddr {sides[source]} ip daddr {sides[target]}"
        back = f"iifname {target} oifname {source} ip saddr {sides[target]} ip daddr {sides[source]}"
        for protocol, ports in _ports(config):
            # Who takes over knows of no connection, and the first of its packets may be an answer.
            opens = " tcp flags & (syn | ack) != syn" if protocol == "tcp" else ""
            lines += [f"{way} {protocol} dport {ports} accept", f"{back} {protocol} sport {ports}{opens} accept"]
        if "icmp" in config.allow:
            lines += [f"{way} icmp type echo-request accept", f"{back} icmp type echo-reply accept"]
    # Hosts inside believe in their own card's MTU: the tunnel's is less.
    mss = config.tunnel_mtu - 40
    lines.insert(0, f"tcp flags syn tcp option maxseg size > {mss} tcp option maxseg size set {mss}")
    return _chain("inet", "gateway", "forward", lines)


def _set(names):
    return "{ " + ", ".join(f'"{name}"' for name in names) + " }"


def _chain(family, table, hook, lines):
    return [
        f"table {family} {table} {{",
        f"  chain {hook} {{ type filter hook {hook} priority 0; policy drop;",
        *(f"    {line}" for line in lines),
        "  }",
        "}",
    ]
