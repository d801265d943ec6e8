#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: event_info
short_description: Tell how an event stands, or which events there are
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - With O(name) or O(file) looks at the event's clouds, read only, and tells where each server is and should be, the
    balancers with their members, and every difference from what is wanted, as C(cloudsentry event status) does.
  - With neither, tells the events that the journal knows, and asks no cloud.
options:
  name:
    description: The name of an event that the journal knows.
    type: str
  file:
    description: An event file, on the host that the module runs on, which need not have been applied.
    type: path
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.read
seealso:
  - module: cloudsentry.burst.event
"""

EXAMPLES = r"""
- name: Look at an event
  cloudsentry.burst.event_info:
    name: koshien-2010
  register: koshien

- name: Stop here unless all is as wanted
  ansible.builtin.assert:
    that: koshien.event.status.state == 'up'

- name: Which events are kept
  cloudsentry.burst.event_info:
  register: known
"""

RETURN = r"""
event:
  description: The event as it is now.
  returned: when O(name) or O(file) is given
  type: dict
  contains:
    name:
      description: The event's name.
      type: str
      returned: always
      sample: koshien-2010
    vips:
      description: The virtual address of each balancer, by the balancer's name in the event.
      type: dict
      returned: always
      sample: {front: 10.1.0.9}
    weights:
      description: One dictionary per member of a balancer, with its weight, the weight wanted, its share and why.
      type: list
      elements: dict
      returned: when O(name) is given
      sample:
        - balancer: front
          server: koshien-2010-front-1
          address: 10.1.0.20
          weight: 10
          wanted: 10
          share: 50.0
          why: the weight of pin front@kvm1
    status:
      description: The event on its clouds, against its newest revision or the file.
      type: dict
      returned: always
      contains:
        name:
          description: The event's name.
          type: str
          returned: always
          sample: koshien-2010
        revision:
          description: The number of the revision, or V(0) where the journal has none of this kind.
          type: int
          returned: always
          sample: 3
        state:
          description: V(up) where all is as wanted, V(drifted), or V(absent) where nothing is there.
          type: str
          returned: always
          sample: up
        counts:
          description: Servers that are wanted, active, and not where they should be.
          type: dict
          returned: always
          sample: {wanted: 2, active: 2, misplaced: 0}
        servers:
          description: One dictionary per server.
          type: list
          elements: dict
          returned: always
          sample:
            - cloud: private
              unit: front@kvm1
              pool: front
              name: koshien-2010-front-1
              id: 2b1b7c4e-6c5f-4d0e-9a3e-0d6f4e0e7a11
              status: ACTIVE
              hypervisor: kvm1
              pinned: kvm1
              placed: true
              address: 10.1.0.20
              weight: 10
              member: ONLINE
        balancers:
          description: One dictionary per balancer, with its members.
          type: list
          elements: dict
          returned: always
          sample:
            - cloud: private
              unit: front
              name: koshien-2010-front
              vip: 10.1.0.9
              provisioning: ACTIVE
              operating: ONLINE
              members: [{address: 10.1.0.20, weight: 10, status: ONLINE}]
        stretches:
          description: One dictionary per end of a stretched network.
          type: list
          elements: dict
          returned: always
          sample: []
        drift:
          description: One dictionary per difference from what is wanted.
          type: list
          elements: dict
          returned: always
          sample: [{unit: front@kvm1, cloud: private, kind: missing, what: 1 of 2 servers}]
        vips:
          description: The virtual address of each balancer.
          type: dict
          returned: always
          sample: {front: 10.1.0.9}
        summary:
          description: All of it in one line.
          type: str
          returned: always
          sample: "koshien-2010 (revision 3): up; 2 of 2 servers active, 0 misplaced, no drift"
events:
  description: What the journal knows of each event; C(state) is V(kept), or V(gone) where it was destroyed.
  returned: when neither O(name) nor O(file) is given
  type: list
  elements: dict
  sample:
    - name: koshien-2010
      state: kept
      revision: 3
      runs: 4
      outcome: done
      updated: "2010-08-07T06:00:00+00:00"
error:
  description:
    - "What a play may decide by where the task failed: C(kind), C(exit_code), C(cloud), C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample: {kind: UserError, exit_code: 2, cloud: "", refusals: [], faults: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import answers, sentry


def known(hall):
    """The journal's events."""
    fields = ("name", "state", "revision", "runs", "outcome")
    return [
        {**{field: getattr(row, field) for field in fields}, "updated": row.updated.isoformat()}
        for row in hall.events()
    ]


def one(hall, name, file):
    """One event, by the journal's name of it or by a file."""
    status = answers.stood(hall.status(name or sentry.wished(hall, file=file)))
    told = {"name": status["name"], "status": status, "vips": status["vips"]}
    return {**told, "weights": sentry.weights(hall, name)} if name else told


def main():
    """Run the module."""
    module = AnsibleModule(
        {"name": {"type": "str"}, "file": {"type": "path"}, **sentry.OPTIONS},
        mutually_exclusive=[("name", "file")],
        supports_check_mode=True,
    )
    name, file = module.params["name"], module.params["file"]
    sentry.answered(
        module,
        lambda hall: {"event": one(hall, name, file)} if name or file else {"events": known(hall)},
    )


if __name__ == "__main__":
    main()
