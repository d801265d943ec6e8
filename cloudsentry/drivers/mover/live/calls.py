"""The cloud of a live move, on Nova."""

from __future__ import annotations

from typing import Any

from cloudsentry.clouds import Cloud, Connect
from cloudsentry.drivers.mover.live.ends import Guest, Migration
from cloudsentry.errors import Conflict, Denied
from cloudsentry.records.marks import PREFIX, Mark
from cloudsentry.records.moving import Findings, MoveOrder

COMPUTE = "2.74"
"""A live migration to a named host goes by the scheduler (2.30); a queued one can be given up (2.65)."""


class NovaEnds:
    """`cloudsentry.drivers.mover.live.ends.Ends`, by HTTP. The cloud is opened at the first call."""

    def __init__(self, cloud: str, connect: Connect) -> None:
        self._name, self._connect = cloud, connect

    @property
    def _cloud(self) -> Cloud:
        return self._connect(self._name)

    def check(self, order: MoveOrder) -> Findings:
        """As `Ends` says."""
        found = self._server(order)
        if found is None:
            return Findings(refusals=(f"server {order.server} is not there",))
        refusals = []
        if found["status"] not in ("ACTIVE", "PAUSED"):
            refusals.append(f"server {order.name} is {found['status']}: only a running one can move while it runs")
        if found.get("OS-EXT-SRV-ATTR:host") == order.hypervisor:
            refusals.append(f"server {order.name} is on {order.hypervisor} already")
        refusals += self._host(order.hypervisor)
        return Findings(refusals=tuple(refusals), joined=True, memory_mb=int((found.get("flavor") or {}).get("ram", 0)))

    def _host(self, name: str) -> list[str]:
        if not name:
            return ["a live move goes to a hypervisor: name it with --hypervisor"]
        try:
            params = {"binary": "nova-compute", "host": name}
            listed = self._cloud.listed("compute", "/os-services", "services", params=params, microversion=COMPUTE)
        except Denied:
            return ["the account may not move servers while they run (policy os_migrate_server:migrate_live)"]
        if not listed:
            return [f"there is no hypervisor {name!r} on {self._name}"]
        state, status = listed[0]["state"], listed[0]["status"]
        return [] if (state, status) == ("up", "enabled") else [f"hypervisor {name} is {state} and {status}"]

    def _server(self, order: MoveOrder) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._cloud.get("compute", f"/servers/{order.server}", microversion=COMPUTE)
        except Conflict as gone:
            if gone.status != 404:
                raise
            return None
        server: dict[str, Any] = found["server"]
        return server

    def guest(self, order: MoveOrder) -> Guest | None:
        """As `Ends` says."""
        found = self._server(order)
        if found is None:
            return None
        mark = Mark.from_metadata(found.get("metadata") or {})
        return Guest(
            status=found["status"],
            hypervisor=found.get("OS-EXT-SRV-ATTR:host") or "",
            unit=mark.unit if mark else "",
            task=found.get("OS-EXT-STS:task_state") or "",
        )

    def migrations(self, order: MoveOrder) -> tuple[Migration, ...]:
        """As `Ends` says."""
        params = {"instance_uuid": order.server, "migration_type": "live-migration"}
        listed = self._cloud.listed("compute", "/os-migrations", "migrations", params=params, microversion=COMPUTE)
        found = [
            Migration(id=int(one["id"]), status=one["status"], dest=one.get("dest_compute") or "") for one in listed
        ]
        return tuple(sorted(found, key=lambda one: -one.id))

    def progress(self, order: MoveOrder, migration: Migration) -> Migration:
        """As `Ends` says."""
        try:
            path = f"/servers/{order.server}/migrations/{migration.id}"
            told = self._cloud.get("compute", path, microversion=COMPUTE)["migration"]
        except Conflict as ended:
            if ended.status != 404:
                raise
            return migration
        total, left = told.get("memory_total_bytes") or 0, told.get("memory_remaining_bytes") or 0
        return Migration(
            id=migration.id, status=told["status"], dest=migration.dest, memory_total=total, memory_left=left
        )

    def migrate(self, order: MoveOrder, hypervisor: str) -> None:
        """As `Ends` says."""
        body = {"os-migrateLive": {"host": hypervisor, "block_migration": "auto"}}
        self._cloud.post("compute", f"/servers/{order.server}/action", body, microversion=COMPUTE)

    def abort(self, order: MoveOrder, migration: int) -> None:
        """As `Ends` says."""
        try:
            self._cloud.delete("compute", f"/servers/{order.server}/migrations/{migration}", microversion=COMPUTE)
        except Conflict as ended:
            # 409: it is over, or just about to be; the record tells which.
            if ended.status != 409:
                raise

    def force(self, order: MoveOrder, migration: int) -> None:
        """As `Ends` says."""
        path = f"/servers/{order.server}/migrations/{migration}/action"
        self._cloud.post("compute", path, {"force_complete": None}, microversion=COMPUTE)

    def mark(self, order: MoveOrder, unit: str) -> None:
        """As `Ends` says."""
        body = {"metadata": {f"{PREFIX}.unit": unit}}
        self._cloud.post("compute", f"/servers/{order.server}/metadata", body, microversion=COMPUTE)
