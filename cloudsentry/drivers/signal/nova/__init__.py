"""Load as Nova's hypervisors see it: the network counters of the pool's servers, and hypervisors that do not answer."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cloudsentry.drivers.signal.base import SignalDriver, measured
from cloudsentry.drivers.signal.counters import rate
from cloudsentry.errors import SentryError
from cloudsentry.records.marks import Mark, event_tag
from cloudsentry.records.scaling import Count, Missing, Reading

DIAGNOSTICS = "2.48"
"""Since then diagnostics look alike on every hypervisor; needs an administrator's rights."""
KEYS = {"bytes": "tx_octets", "packets": "tx_packets"}


class NovaSignal(SignalDriver):
    """``query`` is ``bytes`` or ``packets``: what the pool's servers send, per second."""

    def read(self) -> Reading | Missing:
        """One list, one call per server. Hypervisors that are down, and servers that tell nothing, are ``lost``.

        With any of them the load is not known, and is missing: what went blind is no quiet part of the pool.
        """
        source = f"nova {self.options.cloud}"
        key = KEYS.get(self.options.query)
        if key is None:
            return Missing(why=f"asked for {self.options.query!r}: expected bytes or packets", source=source)
        if self.options.connect is None:
            return Missing(why="there is no cloud to ask", source=source)
        try:
            return self._counted(self.options.connect(self.options.cloud), key, source)
        except SentryError as error:
            return Missing(why=str(error), source=source)

    def _counted(self, cloud: Any, key: str, source: str) -> Reading | Missing:
        params = {"tags": event_tag(self.options.event), "status": "ACTIVE"}
        listed = cloud.listed("compute", "/servers/detail", "servers", params=params, microversion=DIAGNOSTICS)
        servers = [one for one in listed if _pool(one) == self.options.pool]
        hosts = cloud.listed("compute", "/os-services", "services", params={"binary": "nova-compute"})
        down = {host["host"] for host in hosts if host.get("state") == "down"}
        counts: list[Count] = []
        lost = []
        for server in servers:
            if server.get("OS-EXT-SRV-ATTR:host") in down:
                lost.append(server["id"])
                continue
            try:
                told = cloud.get("compute", f"/servers/{server['id']}/diagnostics", microversion=DIAGNOSTICS)
                counts.append(_count(server["id"], told, key))
            except (SentryError, KeyError, TypeError):
                lost.append(server["id"])
        if lost:
            why = f"{len(lost)} of {len(servers)} servers are on hypervisors that do not answer"
            return Missing(why=why, source=source, counts=tuple(counts), lost=len(lost))
        if not servers:
            return measured(0, self.options.unit, source)
        return rate(self.options.before, counts, self.options.unit, source)


def _pool(server: dict[str, Any]) -> str:
    mark = Mark.from_metadata(server.get("metadata") or {})
    return mark.unit.split("@")[0] if mark else ""


def _count(id: str, told: dict[str, Any], key: str) -> Count:
    value = sum(int(nic[key] or 0) for nic in told["nic_details"])
    return Count(name=id, value=value, at=dt.datetime.now(dt.UTC))
