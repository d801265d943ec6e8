"""What each process of a cloud does after it was forked from its family's zygote. One function per role.

A role finds its configuration in `<lab>/<cloud>/etc`, ends with its process, and marks itself ready when it serves.
"""

import importlib
import os
import sys
import threading
import time

import marks
from serving import serve


def etc():
    return f"{os.environ['LAB_DIR']}/{os.environ['LAB_CLOUD']}/etc"


def keystone(port, host):
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = etc()
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = "keystone.conf"
    sys.argv[:] = ["keystone-wsgi"]
    from keystone.wsgi.api import application

    serve(application, port, "keystone")


def placement(port, host):
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = etc()
    sys.argv[:] = ["placement-api"]
    from placement.wsgi.api import application

    serve(application, port, "placement")


def glance(port, host):
    os.environ["OS_GLANCE_CONFIG_DIR"] = etc()
    sys.argv[:] = ["glance-api"]
    from glance.wsgi.api import application

    serve(application, port, "glance")


def nova_api(port, host):
    os.environ["OS_NOVA_CONFIG_DIR"] = etc()
    sys.argv[:] = ["nova-api", "--log-file", "nova-api.log"]
    from nova.wsgi.osapi_compute import application

    serve(application, port, "nova-api")


# nova-compute goes on without them after this long, as it would anywhere.
NEEDS_S = 90
COMPUTE_NEEDS = ("nova-conductor", "keystone", "placement")


def nova_service(binary, host=None):
    """nova-conductor, nova-scheduler or the nova-compute of one hypervisor, without forks of its own."""
    from nova import service
    from nova.servicegroup import api

    # The first sign of life at once, not after 5 s: until then a restarted service counts as down.
    api.INITIAL_REPORTING_DELAY = 0
    launch, start = service.serve, service.Service.start

    def started(self):
        start(self)
        marks.ready()

    service.Service.start = started
    service.serve = lambda server, workers=None, no_fork=False: launch(server, workers=1, no_fork=True)
    name = f"{binary}-{host}" if host else binary
    sys.argv[:] = [binary, "--config-file", f"{etc()}/nova.conf", "--log-file", f"{name}.log"]
    if host:
        sys.argv += ["--config-file", f"{etc()}/nova-{host}.conf"]
    importlib.import_module("nova.cmd." + binary.removeprefix("nova-")).main()


def nova_conductor(port, host):
    nova_service("nova-conductor")


def nova_scheduler(port, host):
    nova_service("nova-scheduler")


def nova_compute(port, host):
    """Import what it needs, and go on when those serve that it needs.

    A nova-compute that finds no conductor sleeps 10 s, one that finds no Placement reports its inventory a minute late.
    """
    from nova import service

    create = service.Service.create

    def created(*arguments, **options):
        importlib.import_module("nova.compute.manager")
        importlib.import_module("nova.virt.hypervisor")
        end = time.monotonic() + NEEDS_S
        run = os.environ["LAB_RUN"]
        while not all(os.path.exists(f"{run}/{need}.ready") for need in COMPUTE_NEEDS) and time.monotonic() < end:
            time.sleep(0.05)
        return create(*arguments, **options)

    service.Service.create = created
    nova_service("nova-compute", host)


def neutron(port, host):
    """neutron-server, its RPC listeners in the API's own process instead of neutron-rpc-server's forks."""
    os.environ["OS_NEUTRON_CONFIG_DIR"] = etc()
    os.environ["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf;ml2_conf.ini"
    sys.argv[:] = ["neutron-server", "--log-file", "neutron-server.log"]
    from neutron.wsgi.api import application
    from neutron_lib.callbacks import events, registry, resources
    from neutron_lib.plugins import directory

    for plugin in directory.get_plugins().values():
        for listener in ("start_rpc_listeners", "start_rpc_state_reports_listener"):
            if hasattr(plugin, listener):
                try:
                    getattr(plugin, listener)()
                except NotImplementedError:
                    continue
    registry.publish(resources.PROCESS, events.AFTER_SPAWN, None)
    serve(application, port, "neutron")


def neutron_agent(port, host):
    import agent

    sys.argv[:] = ["neutron-agent", "--config-file", f"{etc()}/neutron.conf", "--log-file", "neutron-agent.log"]
    agent.main()


def octavia_in_the_lab():
    """Octavia's noop drivers keep a SQLite file at one fixed place in /tmp: give them one in the cloud's folder."""
    from octavia.compute.drivers.noop_driver import driver as compute
    from octavia.network.drivers.noop_driver import driver as network

    path = f"{os.environ['LAB_DIR']}/{os.environ['LAB_CLOUD']}/state/octavia/noop.db"
    for module in (compute, network):
        engine = module.create_engine
        module.create_engine = lambda url, engine=engine, **options: engine(f"sqlite:///{path}", **options)


def octavia_api(port, host):
    octavia_in_the_lab()
    sys.argv[:] = ["octavia-api", "--config-file", f"{etc()}/octavia.conf", "--log-file", "octavia-api.log"]
    from octavia.wsgi.api import application

    serve(application, port, "octavia-api")


def octavia_worker(port, host):
    octavia_in_the_lab()
    sys.argv[:] = ["octavia-worker", "--config-file", f"{etc()}/octavia.conf", "--log-file", "octavia-worker.log"]
    from octavia.common import service

    service.prepare_service(sys.argv)
    import amphora
    from octavia.controller.queue.v2 import consumer
    from oslo_config import cfg

    amphora.begin()
    consumer.ConsumerService(0, cfg.CONF).run()
    marks.ready()
    threading.Event().wait()


ROLES = {
    "keystone": keystone,
    "placement": placement,
    "glance": glance,
    "nova-api": nova_api,
    "nova-conductor": nova_conductor,
    "nova-scheduler": nova_scheduler,
    "nova-compute": nova_compute,
    "neutron": neutron,
    "neutron-agent": neutron_agent,
    "octavia-api": octavia_api,
    "octavia-worker": octavia_worker,
}
