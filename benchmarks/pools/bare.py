"""The control plane's own ceiling: the multi-creates and nothing else, then one filtered list a second.

    python benchmarks/pools/bare.py SPEC.json

No plan, no mark, no journal, no balancer: what cannot be done with fewer calls.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from keystoneauth1.adapter import Adapter
from openstack.config import OpenStackConfig

VERSION = {"OpenStack-API-Version": "compute 2.96"}


def boot(spec: dict[str, Any], cloud: str, hosts: list[str]) -> None:
    """One create per hypervisor, then look until all are ACTIVE."""
    session = OpenStackConfig().get_one(cloud).get_session()
    session.app_name, session.app_version = "cloudsentry-bare", "1"
    compute = Adapter(session, service_type="compute", interface="public")
    networks = "none" if spec["networks"] == "none" else [{"uuid": spec["networks"][cloud]}]
    for host in hosts:
        body = {
            "name": f"{spec['name']}-{host}",
            "imageRef": spec["image"][cloud],
            "flavorRef": spec["flavor"][cloud],
            "networks": networks,
            "host": host,
            "min_count": spec["each"],
            "max_count": spec["each"],
        }
        compute.post("/servers", json={"server": body}, headers=VERSION).raise_for_status()
    wanted = len(hosts) * spec["each"]
    query = f"/servers?name={spec['name']}-&status=ACTIVE&limit=1000"
    while len(compute.get(query, headers=VERSION).json()["servers"]) < wanted:
        time.sleep(1)


def main() -> None:
    """Both clouds side by side."""
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    threads = [threading.Thread(target=boot, args=(spec, cloud, hosts)) for cloud, hosts in spec["hosts"].items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
