"""What the quotas of the clouds leave for servers while these are being planned. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from cloudsentry.records.views import PoolView
from cloudsentry.spec.event import Event

Key = tuple[str, str]
"""(cloud, driver): whose quotas they are."""


class Allowance:
    """Quotas of instances, cores, memory and ports by cloud, taken from by pool. What is not known has no end."""

    def __init__(self, event: Event, views: Mapping[str, PoolView]) -> None:
        """``views`` by pool."""
        self._keys = {pool: (view.cloud, view.driver) for pool, view in views.items()}
        self._needs = {pool: _needs(event, pool, view) for pool, view in views.items()}
        self._left: dict[Key, dict[str, int]] = {
            self._keys[pool]: {one.kind: one.free for one in view.ground.limits if one.free is not None}
            for pool, view in views.items()
        }

    def take(self, pool: str, count: int) -> None:
        """``count`` more servers of a pool are planned; fewer where it is below 0."""
        left = self._left[self._keys[pool]]
        for kind, need in self._needs[pool].items():
            if kind in left:
                left[kind] -= need * count

    def lacking(self, pool: str) -> int:
        """How many of the servers planned at a pool's cloud are beyond its quotas, counted in servers of the pool."""
        left = self._left[self._keys[pool]]
        over = [-(left[kind] // need) for kind, need in self._needs[pool].items() if need and left.get(kind, 0) < 0]
        return max(over, default=0)

    def admits(self, pool: str, *, instead_of: str) -> bool:
        """Whether a server may be planned at ``pool`` that then is not at ``instead_of``."""
        if self._keys[pool] == self._keys[instead_of]:
            return not self.lacking(pool)
        left = self._left[self._keys[pool]]
        return all(left[kind] >= need for kind, need in self._needs[pool].items() if kind in left)


def _needs(event: Event, pool: str, view: PoolView) -> dict[str, int]:
    spec = event.pools[pool]
    size = view.ground.flavor(spec.flavor)
    sized = {"cores": size.vcpus, "ram": size.ram} if size else {}
    return {"instances": 1, "ports": len(spec.network_names), **sized}
