#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: pool
short_description: Set how many servers an event's pools have
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Gives pools of an event other sizes, all in one run, as C(cloudsentry pool set) does. Servers that go are drained
    first.
  - The sizes are kept as a new revision of the event, which is applied as a whole. Applying an older event file
    brings the older sizes back.
  - Writers that come at once take turns, and each one's sizes hold.
options:
  event:
    description: The name of an event that was applied.
    type: str
    required: true
  sizes:
    description:
      - Servers by pool or by unit, from 0 to 1000. A pool's are spread over its pins in proportion; a unit is the
        servers of a pool at one place, such as V(front@kvm1).
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
- name: Twelve servers, spread as the event's pins are
  cloudsentry.burst.pool:
    event: koshien-2010
    sizes:
      front-nara: 12

- name: Two more at one hypervisor, and none at another
  cloudsentry.burst.pool:
    event: koshien-2010
    sizes:
      front-nara@private-xeon1: 6
      front-nara@private-opteron1: 0
"""

RETURN = r"""
event:
  description: The event, what was done or would be.
  returned: when the sizes could be planned
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
pools:
  description: One dictionary per place of the event's pools, as they are now.
  returned: when the sizes could be planned
  type: list
  elements: dict
  sample:
    - pool: front-nara
      unit: front-nara@private-xeon1
      cloud: private
      wanted: 6
      active: 6
      other: 0
      weight: 10
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
        "sizes": {"type": "dict", "required": True},
        "wait": {"type": "float", "default": 30},
        **sentry.OPTIONS,
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    name = module.params["event"]
    wanted = answers.counted(module, "sizes", "a size is within 0 and 1000")
    change = sentry.Change(
        proposed=lambda hall: sentry.resized(hall, name, wanted),
        made=lambda hall: sentry.set_sizes(hall, name, wanted, module.params["wait"]),
        now=lambda hall: {"pools": sentry.pools(hall, name)},
    )
    sentry.answered(module, lambda hall: sentry.changed(module, hall, name, change))


if __name__ == "__main__":
    main()
