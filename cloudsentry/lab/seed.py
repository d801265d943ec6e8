"""What a new cloud holds: accounts, endpoints, flavors, an image, networks, aggregates and traits.

It looks before it makes: twice equals once.
"""

from __future__ import annotations

import os
from typing import Any

import openstack
from openstack import exceptions

from cloudsentry.lab import configs
from cloudsentry.lab.layout import FLAVORS, Cloud, Layout, Network

# The account of the services, and the roles of each account in its project.
DOMAIN = "default"
ROLES = {
    "svc": ("service", ("admin", "service")),
    # Octavia has roles of its own: with them a plain member may use balancers.
    "demo": ("demo", ("member", "load-balancer_member")),
}
# Service name, its type in the catalogue, the API of the blueprint, the path after its address.
ENDPOINTS = (
    ("placement", "placement", "placement", ""),
    ("glance", "image", "glance", ""),
    ("nova", "compute", "nova", "/v2.1"),
    ("neutron", "network", "neutron", ""),
    ("octavia", "load-balancer", "octavia", ""),
)
IMAGE = "tiny"
IMAGE_BYTES = 1 << 20
PLACEMENT_TRAITS = "1.6"


def connect(lab: Layout, cloud: Cloud) -> Any:
    """An administrator's connection, from the lab's own clouds.yaml alone."""
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)], load_envvars=False)
    return openstack.connection.Connection(config=config.get_one(cloud=cloud.name))


def identity(lab: Layout, cloud: Cloud) -> None:
    """Projects, users, roles and the catalogue. Needs Keystone only."""
    keystone = connect(lab, cloud).identity
    known = configs.passwords(lab)
    word = {"svc": known.svc_password, "demo": known.demo_password}
    roles = {role.name: role for role in keystone.roles()}
    projects = {project.name: project for project in keystone.projects()}
    users = {user.name: user for user in keystone.users()}
    for user, (project, wanted) in ROLES.items():
        home = projects.get(project) or keystone.create_project(name=project, domain_id=DOMAIN)
        account = users.get(user) or keystone.create_user(
            name=user, domain_id=DOMAIN, password=word[user], default_project_id=home.id
        )
        for role in wanted:
            roles[role] = roles.get(role) or keystone.create_role(name=role)
            keystone.assign_project_role_to_user(home.id, account.id, roles[role].id)
    _catalogue(keystone, cloud)


def _catalogue(keystone: Any, cloud: Cloud) -> None:
    services = {service.type: service for service in keystone.services()}
    there = {(endpoint.service_id, endpoint.interface) for endpoint in keystone.endpoints()}
    for name, kind, api, path in ENDPOINTS:
        service = services.get(kind) or keystone.create_service(name=name, type=kind)
        for interface in ("public", "internal"):
            if (service.id, interface) not in there:
                keystone.create_endpoint(
                    service_id=service.id, interface=interface, url=cloud.url(api) + path, region_id=cloud.name
                )


def resources(lab: Layout, cloud: Cloud) -> None:
    """Flavors, image, networks, aggregates and traits. Needs a ready cloud."""
    connection = connect(lab, cloud)
    for flavor in FLAVORS:
        if not connection.compute.find_flavor(flavor.name):
            connection.compute.create_flavor(
                name=flavor.name, ram=flavor.memory_mb, vcpus=flavor.vcpus, disk=flavor.disk_gb
            )
    _image(connection)
    for network in cloud.networks:
        _network(connection.network, network)
    _aggregates(connection.compute, cloud)
    _traits(connection.placement, cloud)


def _image(connection: Any) -> None:
    if not connection.image.find_image(IMAGE):
        connection.image.create_image(
            IMAGE,
            disk_format="raw",
            container_format="bare",
            data=os.urandom(IMAGE_BYTES),
            visibility="public",
            wait=False,
            validate_checksum=False,
        )


def _network(neutron: Any, network: Network) -> None:
    made = neutron.find_network(network.name)
    if not made:
        segment = {} if network.segment is None else {"provider_segmentation_id": network.segment}
        made = neutron.create_network(
            name=network.name,
            provider_network_type=network.kind,
            provider_physical_network=network.physical_network,
            is_shared=network.shared,
            is_router_external=network.external,
            **segment,
        )
    if not neutron.find_subnet(network.name, network_id=made.id):
        neutron.create_subnet(
            name=network.name,
            network_id=made.id,
            ip_version=4,
            cidr=network.cidr,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": network.pool[0], "end": network.pool[1]}],
        )


def _aggregates(nova: Any, cloud: Cloud) -> None:
    """One aggregate per kind of hypervisor, and one per zone that also is its availability zone."""
    wanted: dict[tuple[str, str | None], list[str]] = {}
    for hypervisor in cloud.hypervisors:
        wanted.setdefault((hypervisor.kind, None), []).append(hypervisor.name)
        wanted.setdefault((hypervisor.zone, hypervisor.zone), []).append(hypervisor.name)
    there = {aggregate.name: aggregate for aggregate in nova.aggregates()}
    for (name, zone), hosts in wanted.items():
        aggregate = there.get(name) or nova.create_aggregate(name=name, **({"availability_zone": zone} if zone else {}))
        for host in hosts:
            if host not in (aggregate.hosts or ()):
                try:
                    nova.add_host_to_aggregate(aggregate, host)
                except exceptions.ConflictException:
                    continue  # it is there: somebody was faster


def _traits(placement: Any, cloud: Cloud) -> None:
    """Each hypervisor's resource provider carries the trait of its kind."""
    for hypervisor in cloud.hypervisors:
        exceptions.raise_from_response(placement.put(f"/traits/{hypervisor.trait}", microversion=PLACEMENT_TRAITS))
        found = placement.get(f"/resource_providers?name={hypervisor.name}").json()["resource_providers"]
        for provider in found:
            url = f"/resource_providers/{provider['uuid']}/traits"
            now = placement.get(url, microversion=PLACEMENT_TRAITS).json()
            if hypervisor.trait not in now["traits"]:
                body = {
                    "traits": sorted({*now["traits"], hypervisor.trait}),
                    "resource_provider_generation": now["resource_provider_generation"],
                }
                exceptions.raise_from_response(placement.put(url, json=body, microversion=PLACEMENT_TRAITS))
