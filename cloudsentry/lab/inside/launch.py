"""launch.py FAMILY: a zygote. It imports one project once, then forks a process for each line it reads.

Lines come over the FIFO `<lab>/run/<family>.orders`: one JSON object {"cloud", "role", "name", "port", "host"} each.
The child leaves its identity in `<lab>/<cloud>/run/<name>.pid` before it does anything else. The zygote ends on
SIGTERM; its children stay.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback

import marks

WEB = ("keystonemiddleware.auth_token", "cheroot.wsgi", "pymysql")

# Imported once, before the forks. None of these may read the configuration or start a thread when imported:
# nova.compute.manager and nova.scheduler.manager do read it (their periodic tasks), so they are not here.
PRELOAD = {
    "keystone": (
        "keystone.server.flask.application",
        "keystone.server.flask.core",
        "keystone.api",
        "keystone.server.wsgi",
        "cheroot.wsgi",
        "pymysql",
    ),
    "placement": ("placement.deploy", "placement.handler", *WEB),
    "glance": (
        "glance.common.wsgi_app",
        "glance.api.v2.router",
        "glance.api.versions",
        "glance.db.sqlalchemy.api",
        *WEB,
    ),
    "nova": (
        "nova.cmd.compute",
        "nova.cmd.conductor",
        "nova.cmd.scheduler",
        "nova.conductor.manager",
        "nova.compute.api",
        "nova.compute.resource_tracker",
        "nova.network.neutron",
        "nova.scheduler.host_manager",
        "nova.scheduler.client.report",
        "nova.image.glance",
        "nova.volume.cinder",
        "nova.virt.driver",
        "nova.virt.fake",
        "nova.api.openstack.compute.routes",
        "nova.api.openstack.wsgi_app",
        *WEB,
    ),
    "neutron": (
        "neutron.cmd.server",
        "neutron.plugins.ml2.plugin",
        "neutron.api.v2.router",
        "neutron.services.trunk.plugin",
        "neutron.services.l3_router.l3_router_plugin",
        "neutron.plugins.ml2.drivers.openvswitch.mech_driver.mech_openvswitch",
        "neutron.agent.resource_cache",
        "neutron.agent.rpc",
        *WEB,
    ),
    "octavia": (
        "octavia.api.app",
        "octavia.controller.queue.v2.consumer",
        "octavia.cmd.octavia_worker",
        "cheroot.wsgi",
        "pymysql",
    ),
}


def preload(family):
    """Import the family's project. A module that is gone is reported, and costs only time."""
    if family == "nova":
        from nova import monkey_patch

        monkey_patch.patch(backend="threading")
        import nova.virt

        # compute_driver = hypervisor.LabDriver is looked for as nova.virt.hypervisor.
        nova.virt.__path__.append(os.path.dirname(os.path.abspath(__file__)))
    for module in PRELOAD[family]:
        try:
            importlib.import_module(module)
        except ImportError as error:
            print(f"{family}: {module}: {error}", file=sys.stderr, flush=True)
    import roles  # noqa: F401

    gc.collect()
    gc.freeze()


def child(order):
    """Become the role that `order` names; never returns."""
    try:
        lab = os.environ["LAB_DIR"]
        folder, name = f"{lab}/{order['cloud']}", order["name"]
        os.environ.update(LAB_CLOUD=order["cloud"], LAB_RUN=f"{folder}/run", LAB_READY=f"{folder}/run/{name}.ready")
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        marks.write(f"{folder}/run/{name}.pid")
        out = os.open(f"{folder}/log/{name}.out", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        with open("/proc/self/comm", "w", encoding="utf-8") as comm:
            comm.write((order["host"] or f"{order['cloud']}/{order['role']}")[:15])
        import roles

        roles.ROLES[order["role"]](order["port"], order["host"])
    except BaseException:  # noqa: BLE001 (whatever ends a role is its last word, and never the zygote's business)
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def main():
    family = sys.argv[1]
    lab = os.environ["LAB_DIR"]
    os.umask(0o077)
    # A longer turn per thread: 25 to 45 % less CPU per server on two cores.
    sys.setswitchinterval(0.02)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    orders = os.open(f"{lab}/run/{family}.orders", os.O_RDWR)
    marks.write(f"{lab}/run/{family}.pid")
    preload(family)
    marks.write(f"{lab}/run/{family}.ready")
    # Children are nobody's to wait for: the kernel reaps them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with open(orders, encoding="utf-8", closefd=False) as lines:
        for line in iter(lines.readline, ""):
            if os.fork() == 0:
                os.close(orders)
                child(json.loads(line))


if __name__ == "__main__":
    main()
