"""The layer-2 agents of a cloud's hypervisors, which have no switch: one process that speaks the agents' RPC for all.

It reports every host's state (agent type "Open vSwitch agent", that host's bridge mappings), listens for pushed ports
and answers a port bound to one of its hosts with `update_device_list(devices_up)`. So the in-tree openvswitch mechanism
driver binds, ports go ACTIVE, and Nova hears that the interface is plugged. Hosts are read from `<run>/hosts.json`:
{host: {physical network: bridge}}.

Faults: a host named in `<run>/agent.down` stops reporting (is dead for Neutron); one in `<run>/agent.nowire` reports
but never wires.
"""

import json
import os
import queue
import sys
import threading
import time

import marks

REPORT_S = 10.0
BATCH = 50


def listed(fault, host):
    """Is `host` named in the fault file `<run>/<fault>`?"""
    try:
        with open(f"{os.environ['LAB_RUN']}/{fault}", encoding="utf-8") as file:
            return host in file.read().split()
    except OSError:
        return False


def state(host, mappings, first):
    """The report of one host, as neutron-openvswitch-agent would send it."""
    report = {
        "binary": "neutron-openvswitch-agent",
        "host": host,
        "topic": "N/A",
        "agent_type": "Open vSwitch agent",
        "resource_versions": {},
        "configurations": {
            "bridge_mappings": mappings,
            "integration_bridge": "br-int",
            "tunnel_types": ["vxlan"],
            "tunneling_ip": "127.0.0.1",
            "l2_population": False,
            "arp_responder_enabled": False,
            "enable_distributed_routing": False,
            "log_agent_heartbeats": False,
            "extensions": [],
            "datapath_type": "system",
            "ovs_capabilities": {"datapath_types": ["system", "netdev"], "iface_types": ["internal", "vxlan"]},
            "ovs_hybrid_plug": False,
            "in_distributed_mode": False,
            "vhostuser_socket_dir": "/var/run/openvswitch",
            "devices": 0,
            "resource_provider_bandwidths": {},
        },
    }
    return report | {"start_flag": True} if first else report


def watch(hosts, bound):
    """Put (host, port id) on `bound` for every pushed port that is bound to one of our hosts and not yet up."""
    from neutron.agent import resource_cache
    from neutron.api.rpc.callbacks import resources

    def waits(binding, port):
        return (
            binding.host in hosts
            and binding.vif_type not in ("unbound", "binding_failed")
            and binding.status == "ACTIVE"
            and port.status != "ACTIVE"
            and not listed("agent.nowire", binding.host)
            and not listed("agent.down", binding.host)
        )

    class Ports(resource_cache.RemoteResourceCache):
        def record_resource_update(self, context, kind, port):
            for binding in port.bindings:
                if waits(binding, port):
                    bound.put((binding.host, port.id))

        def record_resource_delete(self, context, kind, port_id):
            """A port that is gone needs no wire."""

    Ports([resources.PORT]).start_watcher()


def batch(bound):
    """The ports of the next call per host: waits for one, takes what is there with it."""
    host, port = bound.get()
    ports = {host: {port}}
    for _ in range(BATCH - 1):
        try:
            host, port = bound.get_nowait()
        except queue.Empty:
            break
        ports.setdefault(host, set()).add(port)
    return ports


def wire(bound, plugin, context, log):
    """Answer bound ports for ever."""
    while True:
        for host, ports in batch(bound).items():
            try:
                plugin.update_device_list(
                    context, devices_up=list(ports), devices_down=[], agent_id=f"ovs-agent-{host}", host=host
                )
                log.info("wired on %s: %s", host, sorted(ports))
            except Exception:
                log.exception("wiring on %s", host)


def report(hosts, api, context, log):
    """Report every host for ever; ready once each was heard of."""
    first = dict.fromkeys(hosts, True)
    told = False
    while True:
        for host, mappings in hosts.items():
            if listed("agent.down", host):
                first[host] = True
                continue
            try:
                api.report_state(context, state(host, mappings, first[host]), use_call=True)
                first[host] = False
            except Exception as error:  # noqa: BLE001 (as above)
                log.warning("report of %s: %s", host, error)
        if not told and not any(new and not listed("agent.down", host) for host, new in first.items()):
            marks.ready()
            told = True
        time.sleep(REPORT_S if told else 0.5)


def main():
    from neutron.agent import rpc
    from neutron.common import config
    from neutron.conf.agent import common as agent_config
    from neutron_lib import context
    from neutron_lib.agent import topics
    from oslo_config import cfg
    from oslo_log import log as logging

    with open(f"{os.environ['LAB_RUN']}/hosts.json", encoding="utf-8") as file:
        hosts = json.load(file)
    agent_config.register_agent_state_opts_helper(cfg.CONF)
    config.register_common_config_options()
    config.init(sys.argv[1:])
    config.setup_logging()
    log = logging.getLogger("lab.agent")
    admin = context.get_admin_context_without_session()
    bound = queue.Queue()
    watch(hosts, bound)
    threading.Thread(target=wire, args=(bound, rpc.PluginApi(topics.PLUGIN), admin, log), daemon=True).start()
    report(hosts, rpc.PluginReportStateAPI(topics.REPORTS), admin, log)
