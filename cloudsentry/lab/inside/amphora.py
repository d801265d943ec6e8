"""Octavia's amphora driver of the lab: an amphora is a namespace with a real HAProxy in it.

The configuration is Octavia's own (its templates over its own data model); the VIP of the real Neutron port is on an
interface of the namespace, on the network's bridge in the cloud's site. Each load balancer has a folder
<state>/lb/<id> with the configuration, HAProxy's socket, and lb.json; after `lab down` the folders bring the
balancers back.

health.py reports what HAProxy counts and how its servers fare.
"""

import contextlib
import json
import os
import re
import shutil
import threading

import haproxy
import health
import link
import wires
from octavia.amphorae.drivers.noop_driver.driver import NoopAmphoraLoadBalancerDriver
from octavia.common import constants, utils
from octavia.common.jinja.haproxy.combined_listeners import jinja_cfg
from oslo_log import log as logging

LOG = logging.getLogger("octavia.amphora")
VERSION = ("2", "6", "0")  # what Octavia's templates are told that HAProxy is
MAXCONN = 4000
# Lines of Octavia's template that only make sense in an amphora's own machine.
MACHINE = ("user ", "group ", "log ", "server-state-file", "daemon", "load-server-state")
STATS = " mode 0600 level admin expose-fd listeners"

_lock = threading.Lock()


def netns(balancer):
    return f"lb-{balancer[:13]}"


def root():
    return os.path.join(os.path.dirname(os.environ["LAB_RUN"]), "state", "octavia", "lb")


def folder(balancer):
    # The path of a UNIX socket may have 107 characters, and HAProxy adds some: the id's beginning is enough.
    return f"{root()}/{balancer[:13]}"


def process(balancer):
    return haproxy.Haproxy(folder(balancer), netns(balancer))


def configuration(balancer, amphora, listeners):
    """Octavia's configuration for these listeners, fit for a namespace instead of a machine."""
    templater = jinja_cfg.JinjaTemplater(base_amp_path=root(), connection_logging=False)
    text = templater.build_config(
        host_amphora=amphora,
        listeners=listeners,
        tls_certs={},
        haproxy_versions=VERSION,
        amp_details={},
        socket_path=f"{folder(balancer.id)}/sock",
    )
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(MACHINE)]
    lines = [re.sub(r"^(\s*(?:maxconn|fullconn)) \d+", rf"\1 {MAXCONN}", line) for line in lines]
    lines = [re.sub(r"(stats socket \S+).*", rf"\1{STATS}", line) for line in lines]
    start = lines.index("global") + 1
    return "\n".join([*lines[:start], "    nbthread 1", "    hard-stop-after 30s", *lines[start:]]) + "\n"


def addresses(balancer):
    """The VIPs with what Neutron knows of their subnets: {"address", "gateway", "network"} each."""
    found = []
    network = utils.get_network_driver()
    for vip in [balancer.vip, *(balancer.additional_vips or [])]:
        subnet = network.get_subnet(vip.subnet_id)
        prefix = wires.prefix(subnet.cidr)
        gateway = f"{subnet.gateway_ip}/{prefix}" if subnet.gateway_ip else None
        found.append({"address": f"{vip.ip_address}/{prefix}", "gateway": gateway, "network": subnet.network_id})
    return found


def segment(balancer):
    """The VLAN of the VIP's network, [physical network, id]; None where it is none."""
    network = utils.get_network_driver().get_network(balancer.vip.network_id)
    vlan = network.provider_network_type == "vlan"
    return [network.provider_physical_network, network.provider_segmentation_id] if vlan else None


def plug(kept):
    """The balancer's namespace exists and has its VIPs."""
    name = netns(kept["id"])
    cloud = os.environ["LAB_CLOUD"]
    if not wires.make(name):
        return
    gateways = [vip["gateway"] for vip in kept["vips"] if vip["gateway"]]
    bridge = wires.plug(cloud, kept["vips"][0]["network"], gateways, name, "eth0", f"v{kept['id'][:12]}")
    if kept["segment"]:
        link.join(cloud, *kept["segment"], bridge)
    lines = [f"addr add {vip['address']} dev eth0{' nodad' * (':' in vip['address'])}" for vip in kept["vips"]]
    lines += [f"route replace default via {gateway.split('/')[0]} dev eth0" for gateway in gateways]
    wires.batch(name, lines)


def apply(balancer, amphora):
    """The balancer's HAProxy does what Octavia's database says."""
    listeners = [
        listener
        for listener in balancer.listeners
        if listener.provisioning_status != constants.PENDING_DELETE and listener.protocol not in constants.LVS_PROTOCOLS
    ]
    with _lock:
        before = wires.read(f"{folder(balancer.id)}/lb.json")
        kept = {
            "id": balancer.id,
            "name": balancer.name,
            "amphora": amphora.id,
            "vips": before.get("vips") or addresses(balancer),
            "segment": before["segment"] if before else segment(balancer),
            "ports": [listener.protocol_port for listener in listeners if listener.enabled],
        }
        wires.replace(f"{folder(balancer.id)}/lb.json", json.dumps(kept))
        plug(kept)
        one = process(balancer.id)
        if any(listener.enabled for listener in listeners):
            how = one.apply(configuration(balancer, amphora, listeners))
            LOG.info("haproxy of load balancer %s: %s", balancer.id, how)
        else:
            one.stop()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(one.config)


def remove(balancer):
    """Nothing of the balancer is left."""
    with _lock:
        process(balancer).stop()
        wires.unplug(os.environ["LAB_CLOUD"], [f"v{balancer[:12]}"])
        wires.remove(netns(balancer))
        for vip in wires.read(f"{folder(balancer)}/lb.json").get("vips", [])[:1]:
            if wires.tidy(os.environ["LAB_CLOUD"], vip["network"]):
                link.leave(os.environ["LAB_CLOUD"], wires.bridge_name(vip["network"]))
        shutil.rmtree(folder(balancer), ignore_errors=True)


def kept_all():
    """lb.json of every balancer that should be."""
    try:
        names = os.listdir(root())
    except OSError:
        return []
    return [kept for name in names if (kept := wires.read(f"{root()}/{name}/lb.json"))]


def come_back():
    """Every balancer serves again, as it did before the lab, or only Octavia's worker, was down."""
    for kept in kept_all():
        try:
            with _lock:
                plug(kept)
                one = process(kept["id"])
                if os.path.exists(one.config) and not one.running():
                    one.start()
        except OSError:
            LOG.exception("load balancer %s", kept["id"])


def begin():
    """Called once, when Octavia's worker starts: balancers come back, their health is reported from then on."""
    reason = wires.available()
    if reason:
        LOG.warning("load balancers carry no traffic: %s", reason)
        return
    come_back()
    threading.Thread(target=health.report_forever, args=(kept_all, process, remove), daemon=True).start()


class LabAmphora(NoopAmphoraLoadBalancerDriver):
    """What Octavia tells an amphora, done in a namespace; certificates, VRRP and firewalls stay without effect."""

    def __init__(self):
        super().__init__()
        self.no_network = wires.available()

    def _apply(self, balancer, amphora=None):
        if self.no_network:
            return
        alive = [one for one in balancer.amphorae or [] if one.status != constants.DELETED]
        for one in [amphora] if amphora is not None else alive[:1]:
            apply(balancer, one)

    def update(self, loadbalancer):
        self._apply(loadbalancer)

    def update_amphora_listeners(self, loadbalancer, amphora, timeout_dict=None):
        if amphora is not None and amphora.status != constants.DELETED:
            self._apply(loadbalancer, amphora)

    def start(self, loadbalancer, amphora=None, timeout_dict=None):
        self._apply(loadbalancer, amphora)

    def reload(self, loadbalancer, amphora=None, timeout_dict=None):
        self._apply(loadbalancer, amphora)

    def delete(self, listener):
        balancer = listener.load_balancer
        if listener in balancer.listeners:
            balancer.listeners.remove(listener)
        self._apply(balancer)
