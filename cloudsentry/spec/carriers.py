"""Servers of an event that carry its balancers: what they run at their first boot where their pool says nothing.

A shell script, as cloud-init runs it: it installs what is lacking, keeps the distribution's own services from the
balancer's port, lets the pool's key in as root, and tells the server's host keys on its console, from where the driver
knows them. It stands in the event's revision: a newer script replaces no server until the file is applied again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudsentry.spec.event import Event

DAEMONS = {"haproxy-pair": ("haproxy", "haproxy"), "apache-pair": ("apache2", "apache2")}
"""Driver → (program, package and service), Debian's."""

SCRIPT = """#!/bin/sh
# A server that carries a balancer of cloudsentry, which configures it by ssh.
set -eu
missing=""
for pair in {program}:{package} keepalived:keepalived ip:iproute2 python3:python3 sysctl:procps; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${{pair%%:*}}" >/dev/null 2>&1 || missing="$missing ${{pair#*:}}"
done
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    until apt-get -q update && apt-get -q install -y --no-install-recommends $missing; do sleep 5; done
fi
if [ -d /run/systemd/system ] && [ -d /var/lib/cloud ]; then
    systemctl disable --now {package} keepalived 2>/dev/null || true
    if [ -f /root/.ssh/authorized_keys ]; then
        # cloud-init's own lines for root end in an advice to log in as somebody else.
        sed -i 's/^no-port-forwarding.*" \\(ssh-\\|ecdsa-\\|sk-\\)/\\1/' /root/.ssh/authorized_keys
    fi
fi
echo '-----BEGIN SSH HOST KEY KEYS-----'
cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null || true
echo '-----END SSH HOST KEY KEYS-----'
echo 'cloudsentry: ready to carry a balancer'
[ -d /var/lib/cloud ] || while :; do sleep 3600; done
"""


def script(driver: str) -> str:
    """The user data of a server that carries balancers of a driver."""
    program, package = DAEMONS[driver]
    return SCRIPT.format(program=program, package=package)


def equipped(event: Event) -> Event:
    """The event with user data for the pools that carry balancers and have none."""
    pools = dict(event.pools)
    for spec in event.balancers.values():
        pool = pools.get(spec.carried_by or "")
        if pool is not None and pool.user_data is None and spec.driver in DAEMONS:
            pools[spec.carried_by or ""] = pool.model_copy(update={"user_data": script(spec.driver)})
    return event.model_copy(update={"pools": pools})
