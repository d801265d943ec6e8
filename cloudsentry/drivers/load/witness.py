"""How near servers are to their own limit of CPU: the control groups that hypervisors keep them in.

Reads only. Works on the cpu controller of version 1 and of version 2, where the group of a server has a quota; a
group that is not there, or has none, is no answer. A hypervisor's own group above them counts as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cloudsentry.clouds.hosts import Host, host_of
from cloudsentry.records.loading import Bound

GROUPS = ("/sys/fs/cgroup/cpu/lab/{hypervisor}/{id}", "/sys/fs/cgroup/lab/{hypervisor}/{id}")
"""Where the lab keeps its servers, on either version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """One group at one moment: periods, those in which the quota was used up, CPU seconds used, and cores allowed."""

    periods: int
    throttled: int
    used: float
    quota: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The groups of some servers of a hypervisor at one moment, and the hypervisor's own."""

    servers: tuple[Counters, ...]
    host: Counters | None


class Witness:
    """Looks at control groups from a place; ``template`` has ``{hypervisor}`` and ``{id}`` (a server's) in it."""

    def __init__(self, place: str = "local", template: str = "") -> None:
        self._place, self._templates = place, (template,) if template else GROUPS

    def sample(self, hypervisor: str, ids: Sequence[str]) -> Sample | None:
        """The servers' groups now; None where not all of them are to be seen."""
        host = host_of(self._place.format(hypervisor=hypervisor))
        for template in self._templates:
            paths = [template.format(hypervisor=hypervisor, id=id) for id in ids]
            found = [_counters(host, path) for path in paths]
            servers = tuple(one for one in found if one is not None)
            if paths and len(servers) == len(paths):
                above = str(PurePosixPath(paths[0]).parent)
                return Sample(servers=servers, host=_counters(host, above))
        return None


def bound(before: Sample | None, after: Sample | None, seconds: float) -> Bound | None:
    """What happened between two samples, ``seconds`` apart; None where either is missing."""
    if before is None or after is None or len(before.servers) != len(after.servers):
        return None
    pairs = list(zip(before.servers, after.servers, strict=True))
    used = [new.used - old.used for old, new in pairs]
    own = Bound(
        throttled=sum(_throttled(old, new) for old, new in pairs) / len(pairs),
        used=sum(cpu / (new.quota * seconds) for cpu, (_, new) in zip(used, pairs, strict=True)) / len(pairs),
    )
    if before.host is None or after.host is None:
        return own
    together = Bound(throttled=_throttled(before.host, after.host), used=sum(used) / (after.host.quota * seconds))
    return max(own, together, key=lambda one: (one.used, one.throttled))


def _throttled(old: Counters, new: Counters) -> float:
    return (new.throttled - old.throttled) / max(1, new.periods - old.periods)


def _counters(host: Host, folder: str) -> Counters | None:
    text = host.read(f"{folder}/cpu.stat")
    quota = _quota(host, folder) if text is not None else None
    if text is None or quota is None:
        return None
    stat = dict(line.split() for line in text.decode().splitlines())
    if "usage_usec" in stat:
        used = int(stat["usage_usec"]) / 1e6
    else:
        tasks = (host.read(f"{folder}/tasks") or b"").split()
        used = sum(_ran(host.read(f"/proc/{task.decode()}/schedstat")) for task in tasks)
    return Counters(periods=int(stat["nr_periods"]), throttled=int(stat["nr_throttled"]), used=used, quota=quota)


def _quota(host: Host, folder: str) -> float | None:
    """Cores; None where there is no limit."""
    both = host.read(f"{folder}/cpu.max")
    if both is None:
        words = [host.read(f"{folder}/cpu.cfs_{name}_us") or b"-1" for name in ("quota", "period")]
    else:
        words = both.split()
    quota, period = words
    return None if quota.strip() in (b"max", b"-1") else int(quota) / int(period)


def _ran(schedstat: bytes | None) -> float:
    return int(schedstat.split()[0]) / 1e9 if schedstat else 0.0
