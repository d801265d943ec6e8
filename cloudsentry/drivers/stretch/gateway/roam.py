"""How an end that roams changes the network that it leaves by: the new card first, the old one when it is not used."""

from __future__ import annotations

import time
from typing import Any

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.stretch.gateway import calls, read
from cloudsentry.drivers.stretch.gateway.make import Maker
from cloudsentry.errors import Busy
from cloudsentry.records.marks import PREFIX


def by(cloud: Cloud, maker: Maker, uplink: str) -> None:
    """The router leaves by the maker's outer network, and has no port on another one.

    ``uplink`` is what its metadata will say of that. Raises `Busy` while one of the steps is under way.
    """
    server = maker.parts.servers[0]
    metadata = dict(server.get("metadata") or {})
    wanted = maker.uplink()
    others = [port for port in maker.parts.outers() if port["id"] != wanted["id"]]
    if not others and metadata.get(f"{PREFIX}.uplink") == uplink:
        return
    if calls.port(cloud, str(wanted["id"])).get("device_id") != server["id"]:
        calls.attach(cloud, str(server["id"]), str(wanted["id"]))
        raise Busy(f"router {server['name']} gets a card on the network of its place", cloud=cloud.name, after=1.0)
    told = maker.leaving_by(wanted)
    if metadata.get(f"{PREFIX}.outer") != told:
        calls.tell(cloud, str(server["id"]), {f"{PREFIX}.outer": told})
    if not _leaves_by(calls.console(cloud, str(server["id"])), str(wanted["mac_address"])):
        raise Busy(f"router {server['name']} registers from its new place", cloud=cloud.name, after=1.0)
    for port in others:
        if calls.port(cloud, str(port["id"])).get("device_id") == server["id"]:
            calls.detach(cloud, str(server["id"]), str(port["id"]))
            raise Busy(f"router {server['name']} gives its old card back", cloud=cloud.name, after=1.0)
        calls.delete(cloud, "port", str(port["id"]))
    calls.tell(cloud, str(server["id"]), {f"{PREFIX}.uplink": uplink})


def _leaves_by(console: str, mac: str) -> bool:
    """Whether its newest line says that it uses the card, and that the home end answers. No console tells nothing."""
    if not console:
        return True
    last: dict[str, Any] = {}
    for line in read.lines(console):
        last = line if "outer" in line else last
    return last.get("outer") == mac and bool(last.get("up")) and float(last.get("at", 0)) > time.time() - 60
