"""What a hypervisor asks other services of OpenStack: a network's segment of Neutron, servers' metadata of Nova."""

import json
import os

import wires
from nova import context as nova_context
from nova import objects
from nova.network import neutron


def segment(network):
    """What Neutron says a network is on the wire; asked once for each network of the cloud."""
    mark = f"{os.environ['LAB_RUN']}/segments/{network}.json"
    known = wires.read(mark)
    if not known:
        client = neutron.get_client(nova_context.get_admin_context(), admin=True)
        shown = client.show_network(network)["network"]
        known = {
            name: shown.get(f"provider:{name}") for name in ("network_type", "physical_network", "segmentation_id")
        }
        wires.replace(mark, json.dumps(known))
    return known


def metadata(host, uuids):
    """(uuid, name, metadata) of the host's servers among ``uuids``, as they are now: Nova tells it to no hypervisor."""
    servers = objects.InstanceList.get_by_host(nova_context.get_admin_context(), host, expected_attrs=["metadata"])
    return [(one.uuid, one.display_name, dict(one.metadata)) for one in servers if one.uuid in uuids]
