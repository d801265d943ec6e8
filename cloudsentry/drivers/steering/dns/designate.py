"""Designate on a cloud: record sets one by one, the mark first.

Its record sets hold each address once and weigh none, so a share is a part of the number of addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cloudsentry.drivers.steering.base import CLOSE
from cloudsentry.drivers.steering.dns.answers import LABEL, RRset, listed
from cloudsentry.errors import Busy, Conflict, NotSupported
from cloudsentry.records.steering import Target

UNSETTLED = -1
"""The TTL of a record set that the name servers do not answer with yet: it is like no other."""


class Designate:
    """The zones of an account."""

    def __init__(self, cloud: str, connect: Callable[[str], Any]) -> None:
        self.place = cloud
        self._cloud = connect(cloud)

    def __repr__(self) -> str:
        return f"Designate({self.place!r})"

    def marks(self) -> list[tuple[str, str, str]]:
        """(zone, name, content) of every mark, by one list over all zones."""
        found = self._cloud.listed("dns", "/recordsets", "recordsets", params={"name": f"{LABEL}.*", "type": "TXT"})
        return [(one["zone_name"], one["name"], record) for one in found for record in one["records"]]

    def sets(self, zone: str, name: str) -> tuple[RRset, ...]:
        """What is at a name. Raises `Conflict` where the zone is not there."""
        return tuple(
            RRset(
                name=one["name"],
                type=one["type"],
                ttl=(one["ttl"] or 0) if one["status"] == "ACTIVE" else UNSETTLED,
                records=tuple(one["records"]),
            )
            for one in self._at(self._zone(zone), name)
        )

    def change(self, zone: str, sets: Sequence[RRset]) -> None:
        """One after another; what is as wanted is not written again. `Busy` while an earlier change is on its way."""
        known = self._zone(zone)
        for wanted in sets:
            standing = next((one for one in self._at(known, wanted.name) if one["type"] == wanted.type), None)
            self._one(known, standing, wanted)

    def render(self, name: str, ttl: int, targets: Sequence[Target]) -> tuple[RRset, ...]:
        """What answers by these shares."""
        return listed(name, ttl, targets, CLOSE)

    def missing(self, zone: str) -> list[str]:
        """Why the zone could not be steered here."""
        try:
            self._zone(zone)
        except (Conflict, NotSupported):
            return [f"zone '{zone}'"]
        return []

    def _zone(self, zone: str) -> str:
        found = self._cloud.listed("dns", "/zones", "zones", params={"name": zone})
        if not found:
            raise Conflict(f"there is no zone {zone}", cloud=self.place)
        return str(found[0]["id"])

    def _at(self, zone: str, name: str, *, going: bool = False) -> list[dict[str, Any]]:
        """What is at a name, or, with ``going``, what is being deleted there."""
        found = self._cloud.listed("dns", f"/zones/{zone}/recordsets", "recordsets", params={"name": name})
        return [one for one in found if one["name"] == name and (one.get("action") == "DELETE") == going]

    def _one(self, zone: str, standing: dict[str, Any] | None, wanted: RRset) -> None:
        body = {"ttl": wanted.ttl, "records": sorted(wanted.records)}
        path = f"/zones/{zone}/recordsets"
        if standing is None and wanted.records:
            # An alias is alone at its name until the name servers have forgotten it; so is who comes in its place.
            if [one for one in self._at(zone, wanted.name, going=True) if "CNAME" in (one["type"], wanted.type)]:
                raise Busy(f"{wanted.name} is being freed", cloud=self.place, after=1.0)
            self._cloud.post("dns", path, {"name": wanted.name, "type": wanted.type, **body})
        elif standing is not None and standing["status"] == "PENDING":
            raise Busy(f"{wanted.name} {wanted.type} is being changed", cloud=self.place, after=1.0)
        elif standing is not None and not wanted.records:
            self._cloud.delete("dns", f"{path}/{standing['id']}")
        elif standing is not None and (standing["ttl"], sorted(standing["records"])) != (
            wanted.ttl,
            sorted(wanted.records),
        ):
            self._cloud.put("dns", f"{path}/{standing['id']}", body)
