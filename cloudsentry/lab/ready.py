"""Is the lab ready: does each cloud say that all of its hypervisors and agents can be used?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from cloudsentry.lab import configs, schemas, waiting
from cloudsentry.lab.layout import Cloud, Layout

READY_S = 90


def adapters(lab: Layout, cloud: Cloud) -> dict[str, Adapter]:
    """An administrator's adapter per API, on the blueprint's addresses."""
    auth = v3.Password(
        auth_url=f"{cloud.url('keystone')}/v3",
        username="admin",
        password=configs.passwords(lab).admin_password,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
    )
    session = Session(auth=auth)
    urls = {"compute": f"{cloud.url('nova')}/v2.1", "placement": cloud.url("placement")}
    urls |= {"network": f"{cloud.url('neutron')}/v2.0", "balancer": f"{cloud.url('octavia')}/v2"}
    return {api: Adapter(session, endpoint_override=url) for api, url in urls.items()}


def unready(lab: Layout, cloud: Cloud, apis: dict[str, Adapter]) -> str:
    """One line about what is still missing in the cloud; "" when nothing is."""
    names = {hypervisor.name for hypervisor in cloud.hypervisors}
    checks: tuple[tuple[str, Callable[[], set[str]]], ...] = (
        ("nova-compute", lambda: _computes(apis["compute"])),
        ("mapped hypervisor", lambda: _hypervisors(apis["compute"])),
        ("inventory", lambda: _inventories(apis["placement"])),
        ("network agent", lambda: _agents(apis["network"])),
    )
    for what, look in checks:
        lacking = names - look()
        if lacking:
            return f"{cloud.name}: no {what} of {', '.join(sorted(lacking))}"
    apis["balancer"].get("/lbaas/loadbalancers?limit=1")
    return ""


def _computes(compute: Adapter) -> set[str]:
    found = compute.get("/os-services?binary=nova-compute").json()["services"]
    return {service["host"] for service in found if service["state"] == "up"}


def _hypervisors(compute: Adapter) -> set[str]:
    return {one["hypervisor_hostname"] for one in compute.get("/os-hypervisors").json()["hypervisors"]}


def _inventories(placement: Adapter) -> set[str]:
    def has(provider: dict[str, str]) -> bool:
        return bool(placement.get(f"/resource_providers/{provider['uuid']}/inventories").json()["inventories"])

    found = placement.get("/resource_providers").json()["resource_providers"]
    return {provider["name"] for provider in found if has(provider)}


def _agents(network: Adapter) -> set[str]:
    return {agent["host"] for agent in network.get("/agents").json()["agents"] if agent["alive"]}


def wait(lab: Layout) -> None:
    """Every cloud is ready when this returns. Raises SentryError that says what is missing."""
    schemas.together(partial(_wait, lab, cloud) for cloud in lab.clouds)


def _wait(lab: Layout, cloud: Cloud) -> None:
    apis = adapters(lab, cloud)
    missing = f"{cloud.name}: no answer"

    def is_ready() -> bool:
        nonlocal missing
        try:
            missing = unready(lab, cloud, apis)
        except exceptions.ClientException as error:
            missing = f"{cloud.name}: {error}"
        return not missing

    try:
        waiting.until(is_ready, cloud.name, deadline_s=READY_S, every_s=0.25)
    except waiting.LabTimeout as error:
        raise waiting.LabTimeout(f"{missing}: not within {READY_S} s (see {lab.folder(cloud.name) / 'log'})") from error
