"""What amphorae tell Octavia every two seconds: heartbeats from HAProxy's sockets, for Octavia's own receivers.

Octavia's health manager would get the same message over UDP and do the same two calls with it: `update_stats` for the
listeners' counters and `UpdateHealthDb.update_health` for the operating status of balancer, listeners, pools and
members.
"""

import contextlib
import json
import time

import heartbeat
import wires
from octavia.amphorae.drivers.health import heartbeat_udp
from octavia.db import api as db_api
from octavia.db import repositories
from oslo_log import log as logging

LOG = logging.getLogger("octavia.health")
EVERY_S = 2.0
GONE_AFTER = 5  # looks in a row at which Octavia does not know the balancer


def report(kept, one, updater):
    """One heartbeat of one balancer's amphora."""
    rows = []
    if kept["ports"]:
        with contextlib.suppress(OSError):
            rows = one.rows()
    path = f"{one.folder}/counters.json"
    message, counters = heartbeat.message(kept["amphora"], rows, wires.read(path))
    heartbeat_udp.update_stats(message)
    if counters:
        wires.replace(path, json.dumps(counters))
    updater.update_health(message, "127.0.0.1")
    if rows:
        one.sweep()


def known(balancer):
    """Has Octavia this balancer (in any state but deleted)?"""
    session = db_api.get_session()
    with session.begin():
        found = repositories.LoadBalancerRepository().get(session, id=balancer)
    return found is not None and found.provisioning_status != "DELETED"


def report_forever(kept_all, process, remove):
    """Report every balancer every two seconds; end those that Octavia has deleted with all their children at once."""
    updater = heartbeat_udp.UpdateHealthDb()
    strangers = {}
    while True:
        time.sleep(EVERY_S)
        for kept in kept_all():
            try:
                if known(kept["id"]):
                    strangers.pop(kept["id"], None)
                    report(kept, process(kept["id"]), updater)
                    continue
                strangers[kept["id"]] = strangers.get(kept["id"], 0) + 1
                if strangers[kept["id"]] >= GONE_AFTER:
                    remove(kept["id"])
            except Exception:
                LOG.exception("load balancer %s", kept["id"])
