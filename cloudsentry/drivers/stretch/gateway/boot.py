"""The gateway's program as user data: one shell script, with everything in it that a Debian cloud image lacks.

It runs as cloud-init's script at the first boot (where it leaves a systemd unit behind, for later boots), and as any
shell script on a machine without systemd.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib import resources

NEEDS = (
    *("nft:nftables", "keepalived:keepalived"),
    *("ip:iproute2", "ping:iputils-ping", "python3:python3"),
)
"""Commands, and the Debian packages that bring them."""
FILES = ("machine", "wire", "firewall", "pair", "probe", "gateway")
TRANSPORTS = {
    "wireguard": (("tunnel",), ("wg:wireguard-tools",)),
    "openvpn": (("certificate", "openvpn"), ("openvpn:openvpn", "openssl:openssl")),
}
"""What a gateway has further, by what carries its tunnel: files, and what it needs."""
LARGEST = 65535
"""Bytes of base64 that Nova takes as user data."""

HEAD = """#!/bin/sh
# The {program} of a stretched network, made by cloudsentry; it ends with its stretch.
set -eu
umask 077
home="$PWD/{program}"
if [ -d /run/systemd/system ]; then home=/var/lib/cloudsentry-{program}; fi
mkdir -p "$home" && cd "$home"
missing=""
for pair in {needs}; do
    command -v "${{pair%%:*}}" >/dev/null 2>&1 || missing="$missing ${{pair#*:}}"
done
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    until apt-get -q update && apt-get -q install -y --no-install-recommends $missing; do sleep 5; done
fi
"""

TAIL = """if [ -d /run/systemd/system ]; then
    cat > /etc/systemd/system/cloudsentry-{program}.service <<'CLOUDSENTRY'
[Unit]
Description=The {program} of a stretched network
After=network.target
[Service]
WorkingDirectory=/var/lib/cloudsentry-{program}
ExecStart=/usr/bin/python3 {program}.py {program}.json
Restart=always
RestartSec=1
StandardOutput=journal+console
[Install]
WantedBy=multi-user.target
CLOUDSENTRY
    systemctl daemon-reload
    exec systemctl enable --now cloudsentry-{program}.service
fi
while :; do
    python3 {program}.py {program}.json || true
    sleep 1
done
"""


def files(transport: str) -> tuple[str, ...]:
    """The files of a gateway."""
    return (*TRANSPORTS[transport][0], *FILES)


def needs(transport: str) -> tuple[str, ...]:
    """What a gateway needs, as `NEEDS`."""
    return (*TRANSPORTS[transport][1], *NEEDS)


def script(
    config: Mapping[str, object],
    *,
    program: str = "gateway",
    files: Iterable[str],
    needs: Iterable[str],
) -> str:
    """The user data of one gateway, or of another program of ``inside``; ``config`` is what that reads."""
    parts = [HEAD.format(program=program, needs=" ".join(needs))]
    parts += [_file(f"{name}.py", _source(name)) for name in files]
    parts += [_file(f"{program}.json", json.dumps(config, sort_keys=True) + "\n"), TAIL.format(program=program)]
    return "".join(parts)


def _source(name: str) -> str:
    return resources.files(f"{__package__}.inside").joinpath(f"{name}.py").read_text(encoding="utf-8")


def _file(name: str, text: str) -> str:
    return f"cat > {name} <<'CLOUDSENTRY'\n{text}CLOUDSENTRY\n"
