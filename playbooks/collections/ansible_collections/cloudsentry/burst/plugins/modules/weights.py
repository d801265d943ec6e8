#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: weights
short_description: Set the weights of an event's servers behind a balancer
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Gives units of an event other weights, all in one write, as C(cloudsentry weights set) does. A unit is the servers
    of a pool at one place, such as V(front@kvm1).
  - The weights are kept as a new revision of the event, which is applied as a whole. Applying an older event file
    brings the older weights back.
  - Writers that come at once take turns, and each one's weights hold.
options:
  event:
    description: The name of an event that was applied.
    type: str
    required: true
  balancer:
    description: The balancer's name in the event.
    type: str
    required: true
  weights:
    description: A weight from 0 to 256 by unit. A unit of weight 0 gets no new requests.
    type: dict
    required: true
  wait:
    description: Seconds to wait while somebody else works on the event.
    type: float
    default: 30
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.attributes
seealso:
  - module: cloudsentry.burst.event
  - module: cloudsentry.burst.event_info
"""

EXAMPLES = r"""
- name: Ten to two, as measured
  cloudsentry.burst.weights:
    event: koshien-2010
    balancer: nara
    weights:
      front-nara@private-xeon1: 10
      front-nara@private-opteron1: 2

- name: No new requests to one hypervisor's servers
  cloudsentry.burst.weights:
    event: koshien-2010
    balancer: nara
    weights:
      front-nara@private-opteron1: 0
"""

RETURN = r"""
event:
  description: The event, what was done or would be.
  returned: when the weights could be planned
  type: dict
  contains:
    name:
      description: The event's name.
      type: str
      returned: always
      sample: koshien-2010
    plan:
      description: What would be done; its keys are those of M(cloudsentry.burst.event).
      type: dict
      returned: in check mode and in diff mode
    report:
      description: The end of the run; its keys are those of M(cloudsentry.burst.event).
      type: dict
      returned: outside check mode
weights:
  description: One dictionary per member of the event's balancers, as they are now.
  returned: when the weights could be planned
  type: list
  elements: dict
  sample:
    - balancer: nara
      server: koshien-2010-front-nara-1
      address: 10.1.0.20
      weight: 10
      wanted: 10
      share: 50.0
      why: the weight of pin front-nara@private-xeon1
error:
  description:
    - "What a play may decide by where the task failed: C(kind), C(exit_code), C(cloud), C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample: {kind: UserError, exit_code: 2, cloud: "", refusals: [], faults: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import answers, sentry


def main():
    """Run the module."""
    spec = {
        "event": {"type": "str", "required": True},
        "balancer": {"type": "str", "required": True},
        "weights": {"type": "dict", "required": True},
        "wait": {"type": "float", "default": 30},
        **sentry.OPTIONS,
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    name, balancer = module.params["event"], module.params["balancer"]
    wanted = answers.counted(module, "weights", "a weight is within 0 and 256")
    change = sentry.Change(
        proposed=lambda hall: sentry.reweighed(hall, name, balancer, wanted),
        made=lambda hall: sentry.set_weights(hall, name, balancer, wanted, module.params["wait"]),
        now=lambda hall: {"weights": sentry.weights(hall, name)},
    )
    sentry.answered(module, lambda hall: sentry.changed(module, hall, name, change))


if __name__ == "__main__":
    main()
