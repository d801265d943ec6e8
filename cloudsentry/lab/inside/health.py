"""What amphorae tell Octavia every few seconds: the heartbeat, made from HAProxy's socket and handed to Octavia's own
receivers.

Octavia's health manager would get the same message over UDP and do the same two calls with it: `update_stats` for the
listeners' counters and `UpdateHealthDb.update_health` for the operating status of balancer, listeners, pools and
members.
"""

import contextlib
import json
import time

import wires
from octavia.amphorae.drivers.health import heartbeat_udp
from octavia.db import api as db_api
from octavia.db import repositories
from oslo_log import log as logging

LOG = logging.getLogger("octavia.health")
EVERY_S = 2.0
COUNTERS = {"bin": "rx", "bout": "tx", "stot": "totconns", "ereq": "ereq"}
GONE_AFTER = 5  # looks in a row at which Octavia does not know the balancer


def heartbeat(amphora, rows, before):
    """The message of version 3 (counters are what came since the last), and the counters to give as `before` next
    time.
    """
    message = {"id": amphora, "ver": 3, "recv_time": time.time(), "listeners": {}, "pools": {}}
    after = {}
    for row in rows:
        name, kind = row["pxname"], row["svname"]
        if kind == "FRONTEND":
            after[name] = {counter: int(row[counter] or 0) for counter in COUNTERS}
            fresh = since(before.get(name, {}), after[name])
            stats = {word: fresh[counter] for counter, word in COUNTERS.items()} | {"conns": int(row["scur"] or 0)}
            message["listeners"][name] = {"status": row["status"], "stats": stats}
        else:
            pool = message["pools"].setdefault(name, {"members": {}})
            if kind == "BACKEND":
                pool["status"] = row["status"]
            else:
                pool["members"][kind] = member_status(row)
    return message, after


def since(before, after):
    """What came since: all of it when HAProxy has begun anew."""
    anew = any(after[name] < before.get(name, 0) for name in after)
    return {name: after[name] - (0 if anew else before.get(name, 0)) for name in after}


def member_status(row):
    """HAProxy's word; a server of weight 0 that is up is draining, which HAProxy says only when it was told by that
    word.
    """
    status = row["status"]
    if row["weight"] == "0" and status.startswith("UP"):
        return "DRAIN"
    return "MAINT" if status.startswith("MAINT") else status


def report(kept, one, updater):
    """One heartbeat of one balancer's amphora."""
    rows = []
    if kept["ports"]:
        with contextlib.suppress(OSError):
            rows = one.rows()
    path = f"{one.folder}/counters.json"
    message, counters = heartbeat(kept["amphora"], rows, wires.read(path))
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
