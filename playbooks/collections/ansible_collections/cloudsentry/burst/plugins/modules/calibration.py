#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: calibration
short_description: Measure what the servers of a pool carry
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Drives load at the standing servers of a pool, past their balancer, and keeps what they carry in the journal, as
    C(cloudsentry calibrate) does. C(weights) that are C(measured) come from it.
  - The servers are fully busy meanwhile. Do it before the crowd comes.
  - A calibration that is young enough is left alone, so that a second run changes nothing.
options:
  event:
    description: The name of an event that was applied.
    type: str
    required: true
  pool:
    description: The pool's name in the event.
    type: str
    required: true
  max_age:
    description: Days for which a calibration holds. 0 measures in any case.
    type: float
    default: 30
  place:
    description: Where load comes from, V(local), V(netns:NAME) or V(ssh://user@host).
    type: str
    default: local
  driver:
    description: A driver of the family C(cloudsentry.load).
    type: str
    default: wrk
  path:
    description: What is asked for.
    type: str
    default: /image
  port:
    description: 0 is that of the pool's balancer, else 80.
    type: int
    default: 0
  seconds:
    description: Of each step of a ramp, 1 to 15.
    type: float
    default: 1
  rounds:
    description: Ramps of each kind of server.
    type: int
    default: 3
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.attributes
seealso:
  - module: cloudsentry.burst.weights
"""

EXAMPLES = r"""
- name: Measured this month, or now
  cloudsentry.burst.calibration:
    event: koshien-2010
    pool: front-nara
    place: ssh://root@client1.example.net
    path: /images/1.jpg
"""

RETURN = r"""
capacities:
  description: One dictionary per unit and number of servers at once; the newest that is kept.
  returned: always
  type: list
  elements: dict
  sample:
    - unit: front-nara@private-xeon1
      servers: 2
      connections: 8
      responses: 2153.0
      mbits: 430.6
      p99_ms: 11.2
      derating: 0.93
weights:
  description: The weight of each unit among its pool's that follows from it.
  returned: always
  type: dict
  sample: {front-nara@private-xeon1: 10, front-nara@private-opteron1: 2}
error:
  description:
    - "What a play may decide by where the task failed: C(kind), C(exit_code), C(cloud), C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample: {kind: UserError, exit_code: 2, cloud: "", refusals: [], faults: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import measuring, sentry


def main():
    """Run the module."""
    spec = {
        "event": {"type": "str", "required": True},
        "pool": {"type": "str", "required": True},
        "max_age": {"type": "float", "default": 30},
        "place": {"type": "str", "default": "local"},
        "driver": {"type": "str", "default": "wrk"},
        "path": {"type": "str", "default": "/image"},
        "port": {"type": "int", "default": 0},
        "seconds": {"type": "float", "default": 1},
        "rounds": {"type": "int", "default": 3},
        **sentry.OPTIONS,
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    sentry.answered(module, lambda hall: measuring.measured(module, hall))


if __name__ == "__main__":
    main()
