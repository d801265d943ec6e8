"""Names as people write them to the ids that calls want, each looked up once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.clouds.names import ambiguous, missing, resolve
from cloudsentry.drivers.pool.nova import calls
from cloudsentry.errors import Conflict, NotSupported
from cloudsentry.records.ground import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A flavor's id, and its size for telling a used-up quota."""

    id: str
    vcpus: int
    ram: int
    disk: int = 0


class Names:
    """Looks names up and remembers them. Methods that answer with ids raise `NotSupported` for what is not there."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._images: dict[str, str] = {}
        self._flavors: dict[str, Flavor] = {}
        self._networks: dict[str, str] = {}
        self._needs: dict[str, Size] = {}

    def sizes(self) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
        """What the flavors looked up so far take, and what the images need at the least."""
        flavors = tuple(
            Size(name=name, vcpus=flavor.vcpus, ram=flavor.ram, disk=flavor.disk)
            for name, flavor in sorted(self._flavors.items())
        )
        return flavors, tuple(size for _, size in sorted(self._needs.items()))

    def networks_by_id(self) -> dict[str, str]:
        """The networks looked up so far: id → name."""
        return {id: name for name, id in self._networks.items()}

    def forget(self) -> None:
        """Look everything up again next time: an id may have gone stale."""
        self._images, self._flavors, self._networks = {}, {}, {}

    def image(self, name: str) -> str:
        """An image's id."""
        self._demand(self.images((name,)))
        return self._images[name]

    def flavor(self, name: str) -> Flavor:
        """A flavor."""
        self._demand(self.flavors((name,)))
        return self._flavors[name]

    def network_ids(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Networks' ids, in order."""
        self._demand(self.networks(names))
        return tuple(self._networks[name] for name in names)

    def _demand(self, faults: list[str]) -> None:
        if faults:
            raise NotSupported(f"there is no {faults[0]}", cloud=self._cloud.name)

    def images(self, names: tuple[str, ...]) -> list[str]:
        """Look up images; a sentence for each that is not there or not one."""
        faults = []
        for name in names:
            if name in self._images:
                continue
            items = self._cloud.listed("image", "/images", "images", params={"name": name}) or self._image_by_id(name)
            if len(items) == 1:
                self._images[name] = items[0]["id"]
                self._needs[name] = _need(name, items[0])
            elif items:
                faults.append(ambiguous("image", name, (item["id"] for item in items)))
            else:
                known = self._cloud.listed("image", "/images", "images")
                faults.append(missing("image", name, (item.get("name") or "" for item in known)))
        return faults

    def _image_by_id(self, id: str) -> list[dict[str, Any]]:
        try:
            return [self._cloud.get("image", f"/images/{id}")] if _like_id(id) else []
        except Conflict:
            return []

    def flavors(self, names: tuple[str, ...]) -> list[str]:
        """Look up flavors, all with one call; a sentence for each that is not there."""
        wanted = [name for name in names if name not in self._flavors]
        if not wanted:
            return []
        items = self._cloud.listed("compute", "/flavors/detail", "flavors", microversion=calls.version(self._cloud))
        known = {key: _flavor(item) for key_of in ("id", "name") for item in items for key in (item[key_of],)}
        self._flavors |= {name: known[name] for name in wanted if name in known}
        return [missing("flavor", name, (item["name"] for item in items)) for name in wanted if name not in known]

    def networks(self, names: tuple[str, ...]) -> list[str]:
        """Look up networks; a sentence for each that is not there or not one."""
        found, faults = resolve(self._cloud, "network", [name for name in names if name not in self._networks])
        self._networks |= found
        return list(faults)

    def key_names(self, names: tuple[str, ...]) -> list[str]:
        """A sentence for each keypair that is not there."""
        return self._check("keypair", names, self._keypairs)

    def security_groups(self, names: tuple[str, ...]) -> list[str]:
        """A sentence for each security group of the project that is not there."""
        return self._check("security group", names, self._security_groups)

    def zones(self, names: tuple[str, ...]) -> list[str]:
        """A sentence for each availability zone that is not there or not available."""
        return self._check("available zone", names, self._zones)

    @staticmethod
    def _check(kind: str, names: tuple[str, ...], look: Callable[[], set[str]]) -> list[str]:
        known = look() if names else set()
        return [missing(kind, name, known) for name in names if name not in known]

    def _keypairs(self) -> set[str]:
        items = self._cloud.listed("compute", "/os-keypairs", "keypairs", microversion=calls.version(self._cloud))
        return {item["keypair"]["name"] for item in items}

    def _security_groups(self) -> set[str]:
        params: Mapping[str, str | list[str]] = {"fields": ["id", "name"], "project_id": self._cloud.project()}
        items = self._cloud.listed("network", "/security-groups", "security_groups", params=params)
        return {item[key] for item in items for key in ("id", "name")}

    def _zones(self) -> set[str]:
        body = self._cloud.get("compute", "/os-availability-zone", microversion=calls.version(self._cloud))
        return {zone["zoneName"] for zone in body["availabilityZoneInfo"] if zone["zoneState"]["available"]}


def _flavor(item: Mapping[str, Any]) -> Flavor:
    disk = sum(int(item.get(key) or 0) for key in ("disk", "OS-FLV-EXT-DATA:ephemeral"))
    disk += -(-int(item.get("swap") or 0) // 1024)  # swap is in MiB
    return Flavor(id=item["id"], vcpus=int(item.get("vcpus", 0)), ram=int(item.get("ram", 0)), disk=disk)


def _like_id(name: str) -> bool:
    return len(name) == 36 and name.count("-") == 4


def _need(name: str, image: dict[str, Any]) -> Size:
    """Nova refuses a flavor whose disk is smaller than ``min_disk`` (GiB) or than the image's own bytes."""
    held = math.ceil(int(image.get("size") or 0) / 2**30)
    return Size(name=name, ram=int(image.get("min_ram") or 0), disk=max(held, int(image.get("min_disk") or 0)))
