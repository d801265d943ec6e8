"""Twenty defects seeded one by one on the lab, and twenty set-ups that are well: what `event check` finds.

    cloudsentry lab up
    OS_CLIENT_CONFIG_FILE=… python -m benchmarks.reliability.preflight > docs/reliability-preflight.json
    python -m benchmarks.reliability.preflight --table docs/reliability-preflight.json > docs/reliability-preflight.inc

Each check is a look of its own at both clouds, by a hall of its own: tokens and catalogs are asked for anew.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from cloudsentry import conf
from cloudsentry.sentry import Sentry
from cloudsentry.spec.load import load_text

KOSHIEN = Path(__file__).parents[2] / "etc" / "cloudsentry" / "events" / "koshien-2010.yaml"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Defect:
    """``seed`` changes the event or a cloud and takes it back; a finding of ``check`` is to hold ``found``."""

    name: str
    check: str
    found: str
    seed: Callable[[Body, Any], contextlib.AbstractContextManager[None]]


def base() -> Body:
    """The example under another name, later than any password ends."""
    body: Body = yaml.safe_load(KOSHIEN.read_text())
    body["event"] = "preflight"
    return body


def said(**pool: Any) -> Callable[[Body, Any], contextlib.AbstractContextManager[None]]:
    """The event says something that the cloud does not have."""

    def seed(body: Body, cloud: Any) -> contextlib.AbstractContextManager[None]:
        body["pools"]["front-nara"].update(deepcopy(pool))
        return contextlib.nullcontext()

    return seed


def balanced(**spec: Any) -> Callable[[Body, Any], contextlib.AbstractContextManager[None]]:
    def seed(body: Body, cloud: Any) -> contextlib.AbstractContextManager[None]:
        body["balancers"]["nara"].update(spec)
        return contextlib.nullcontext()

    return seed


def quota(service: str, key: str, **pool: Any) -> Callable[[Body, Any], contextlib.AbstractContextManager[None]]:
    """A quota of the project with room for nothing more, as the cloud enforces it."""

    @contextlib.contextmanager
    def seed(body: Body, cloud: Any) -> Iterator[None]:
        body["pools"]["front-nara"].update(deepcopy(pool))
        project, paths = cloud.current_project_id, {"network": "/quotas/{}", "load-balancer": "/lbaas/quotas/{}"}
        path = paths.get(service, "/os-quota-sets/{}").format(project)
        proxy = {"network": cloud.network, "load-balancer": cloud.load_balancer}.get(service, cloud.compute)
        root = "quota_set" if service == "compute" else "quota"
        before = proxy.get(path).json()[root][key]
        # Nova asks for the word where other servers of the project stand already.
        force = {"force": True} if service == "compute" else {}
        proxy.put(path, json={root: {key: 0, **force}}).raise_for_status()
        try:
            yield
        finally:
            proxy.put(path, json={root: {key: before}}).raise_for_status()

    return seed


@contextlib.contextmanager
def disabled(body: Body, cloud: Any) -> Iterator[None]:
    """Nobody may put servers on the pinned hypervisor."""
    (service,) = (one for one in cloud.compute.services(binary="nova-compute") if one.host == "private-xeon1")
    path = f"/os-services/{service.id}"
    cloud.compute.put(path, json={"status": "disabled"}, microversion="2.53").raise_for_status()
    try:
        yield
    finally:
        cloud.compute.put(path, json={"status": "enabled"}, microversion="2.53").raise_for_status()


@contextlib.contextmanager
def narrow(body: Body, cloud: Any) -> Iterator[None]:
    """A network with room for two."""
    made = cloud.network.create_network(name=f"narrow-{uuid.uuid4().hex[:6]}")
    try:
        cloud.network.create_subnet(network_id=made.id, ip_version=4, cidr="10.98.0.0/29", enable_dhcp=False,
                                    allocation_pools=[{"start": "10.98.0.2", "end": "10.98.0.3"}])  # fmt: skip
        body["pools"]["front-nara"]["networks"] = [made.name]
        body["balancers"]["nara"]["network"] = made.name
        yield
    finally:
        cloud.network.delete_network(made.id)


@contextlib.contextmanager
def large(body: Body, cloud: Any) -> Iterator[None]:
    """An image that asks for more memory than the flavor has."""
    made = cloud.image.create_image(
        name=f"large-{uuid.uuid4().hex[:6]}", min_ram=65536, disk_format="raw", container_format="bare", data=b"x" * 512
    )
    try:
        body["pools"]["front-nara"]["image"] = made.name
        yield
    finally:
        cloud.image.delete_image(made.id)


@contextlib.contextmanager
def taken(body: Body, cloud: Any) -> Iterator[None]:
    """Somebody else has the segment of the stretch."""
    made = cloud.network.create_network(
        name=f"taken-{uuid.uuid4().hex[:6]}", provider_network_type="vlan",
        provider_physical_network="physnet1", provider_segmentation_id=120,
    )  # fmt: skip
    try:
        yield
    finally:
        cloud.network.delete_network(made.id)


@contextlib.contextmanager
def configured(body: Body, change: Callable[[Body], None]) -> Iterator[None]:
    """Another entry of clouds.yaml, `altered`, stands for the cloud `private`."""
    before = os.environ["OS_CLIENT_CONFIG_FILE"]
    known = yaml.safe_load(Path(before).read_text())
    entry = deepcopy(known["clouds"]["private"])
    change(entry)
    known["clouds"]["altered"] = entry
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clouds.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(known))
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(path)
        body["sites"]["nara"]["cloud"] = "altered"
        try:
            yield
        finally:
            os.environ["OS_CLIENT_CONFIG_FILE"] = before


@contextlib.contextmanager
def ending(body: Body, cloud: Any) -> Iterator[None]:
    """An application credential that ends tomorrow, and an event of next week."""
    today = dt.datetime.now(dt.UTC)
    body["calendar"] = {
        "timezone": "UTC", "from": (today + dt.timedelta(days=5)).date(), "until": (today + dt.timedelta(days=7)).date()
    }  # fmt: skip
    user, name = cloud.current_user_id, f"preflight-{uuid.uuid4().hex[:6]}"
    asked = {
        "name": name,
        "expires_at": f"{today + dt.timedelta(days=1):%Y-%m-%dT%H:%M:%S.000000Z}",
        "unrestricted": True,
    }
    path = f"/users/{user}/application_credentials"
    made = cloud.identity.post(path, json={"application_credential": asked}).json()["application_credential"]

    def change(entry: Body) -> None:
        url = entry["auth"]["auth_url"]
        entry["auth_type"] = "v3applicationcredential"
        entry["auth"] = {
            "auth_url": url, "application_credential_id": made["id"], "application_credential_secret": made["secret"]
        }  # fmt: skip

    try:
        with configured(body, change):
            yield
    finally:
        cloud.identity.delete(f"{path}/{made['id']}")


def wrong(body: Body, cloud: Any) -> contextlib.AbstractContextManager[None]:
    """A password that is not the account's."""
    return configured(body, lambda entry: entry["auth"].update(password="not-the-password"))


def member(body: Body, cloud: Any) -> contextlib.AbstractContextManager[None]:
    """An account that may not name a hypervisor."""
    body["sites"]["nara"]["cloud"] = "private-member"
    del body["stretches"], body["pools"]["front-osaka"]["networks"][1]
    return contextlib.nullcontext()


def pins(**pin: Any) -> list[Body]:
    return [{"count": 2, "weight": 10, **pin}]


DEFECTS = (
    Defect("an image that is not there", "image", "no image 'tinny'", said(image="tinny")),
    Defect("an image larger than its flavor", "flavor", "needs 65536 MiB", large),
    Defect("a flavor that is not there", "flavor", "no flavor 'm1.nono'", said(flavor="m1.nono")),
    Defect("a keypair that is not there", "keypair", "no keypair 'nobody'", said(key_name="nobody")),
    Defect("a security group that is not there", "security group", "no security group", said(security_groups=["w"])),
    Defect("a network that is not there", "network", "no network 'frnt'", said(networks=["frnt"])),
    Defect("a hypervisor that is not there", "hypervisor", "xeon9", said(pins=pins(hypervisor="private-xeon9"))),
    Defect("an aggregate that is not there", "aggregate", "no aggregate", said(pins=pins(aggregate="xenon"))),
    Defect("a hypervisor that is disabled", "plan", "'private-xeon1' of cloud private is disabled", disabled),
    Defect("a hypervisor without room", "room", "'private-xeon1' has",
           said(pins=pins(hypervisor="private-xeon1", count=900))),
    Defect("an account that may not pin", "plan", "requested_destination", member),
    Defect("quota of instances", "quota", "the quota of instances is 0", quota("compute", "instances")),
    Defect("quota of cores", "quota", "the quota of cores is 0", quota("compute", "cores")),
    Defect("quota of server groups", "quota", "the quota of server groups is 0",
           quota("compute", "server_groups", pins=pins(anti_affinity=1))),
    Defect("quota of ports", "quota", "the quota of ports is 0", quota("network", "port")),
    Defect("quota of load balancers", "quota", "load balancers is 0", quota("load-balancer", "load_balancer")),
    Defect("free addresses", "addresses", "2 addresses free", narrow),
    Defect("a segment that somebody has", "stretch", "no free VLAN 120", taken),
    Defect("credentials that end before the event", "credentials", "the credentials end on", ending),
    Defect("a wrong password", "cloud", "", wrong),
)  # fmt: skip


def good() -> Iterator[tuple[str, Body]]:
    """Twenty set-ups that the lab can carry out."""
    for count in (1, 2, 3):
        for place in (
            {"hypervisor": "private-xeon2"},
            {"aggregate": "xeon"},
            {"aggregate": "opteron"},
            {"zone": "az1"},
        ):
            yield f"{count} by {next(iter(place))}", _with(pools={"pins": [{"count": count, "weight": 1, **place}]})
    yield "the example", base()
    yield "no monitor", _with(balancers={"monitor": None})
    yield "a provider", _with(balancers={"provider": "amphora"})
    yield "another port", _with(balancers={"port": 8080})
    yield "user data", _with(pools={"user_data": "#!/bin/sh\nexec sleep 9\n"})
    yield "a spill", _with(pools={"spill": [{"aggregate": "opteron"}]})
    yield "metadata", _with(pools={"metadata": {"role": "front"}})
    lonely = base()
    for part in ("stretches", "balancers"):
        del lonely[part]
    lonely["pools"]["front-osaka"]["networks"] = ["front"]
    yield "no balancers", lonely


def _with(**parts: Body) -> Body:
    body = base()
    for part, values in parts.items():
        spec = body[part]["front-nara" if part == "pools" else "nara"]
        spec.update(deepcopy(values))
        for key in [key for key, value in spec.items() if value is None]:
            del spec[key]
    return body


def checked(body: Body) -> tuple[list[dict[str, str]], float]:
    """What the check finds, and the seconds that it took from a hall that knows nothing yet."""
    event = load_text(yaml.safe_dump(body, sort_keys=False), "preflight.yaml")
    hall = Sentry(conf.settings(None))
    try:
        began = time.perf_counter()
        found = hall.check(event)
        took = time.perf_counter() - began
    finally:
        hall.close()
    return [{"check": one.check, "cloud": one.cloud, "found": one.found, "do": one.do} for one in found], took


def seeded(defect: Defect, cloud: Any) -> dict[str, Any]:
    """One defect: its own finding, what else was told, and how long it took."""
    body = base()
    with defect.seed(body, cloud):
        found, took = checked(body)
    mine = [one for one in found if one["check"].startswith(defect.check) and defect.found in one["found"]]
    return {
        "defect": defect.name,
        "found": bool(mine),
        "told": mine[0]["found"] if mine else "; ".join(f"{one['check']}: {one['found']}" for one in found),
        "do": mine[0]["do"] if mine else "",
        "seconds": round(took, 1),
    }


def figures(only: int = 1) -> dict[str, Any]:
    """All of it; ``only`` takes every so-manieth."""
    import openstack

    with tempfile.TemporaryDirectory() as state, mock.patch.dict(os.environ, CLOUDSENTRY_STATE_DIR=state):
        cloud = openstack.connect(cloud="private")
        defects = [seeded(defect, cloud) for defect in DEFECTS[::only]]
        alarms = []
        for name, body in list(good())[::only]:
            found, took = checked(body)
            alarms.append({"setup": name, "alarms": [one["found"] for one in found], "seconds": round(took, 1)})
    return {"defects": defects, "good": alarms}


def table(told: dict[str, Any]) -> str:
    """A list-table, and a sentence with the sums."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 30 45 45", ""]
    listed = [(one["defect"], one["told"] if one["found"] else "**no**", one["do"]) for one in told["defects"]]
    for row in (("Defect", "Found", "What to do"), *listed):
        lines += [f"   * - {row[0]}", *(f"     - {cell.replace('`', '``')}" for cell in row[1:])]
    every = [*told["defects"], *told["good"]]
    seconds = sorted(one["seconds"] for one in every)
    alarms = sum(bool(one["alarms"]) for one in told["good"])
    found = sum(one["found"] for one in told["defects"])
    lines += ["", f"{found} of {len(told['defects'])} defects were found; {alarms} of {len(told['good'])} good set-ups "
              f"raised an alarm. A check of both clouds took {seconds[len(seconds) // 2]} s (median; "
              f"{seconds[-1]} s at the most)."]  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> int:
    """Exit code 1 where a defect was not found, or a good set-up raised an alarm."""
    if sys.argv[1:2] == ["--table"]:
        print(table(json.loads(Path(sys.argv[2]).read_text())), end="")
        return 0
    told = figures()
    print(json.dumps(told, indent=2))
    return 0 if all(one["found"] for one in told["defects"]) and not any(one["alarms"] for one in told["good"]) else 1


if __name__ == "__main__":
    sys.exit(main())
