#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: stretch
short_description: Check the stretched networks of an event, or give one new keys
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Tells how the ends of an event's stretched networks are, and fails where one is not as the event wants it. They
    are made and removed with their event, by M(cloudsentry.burst.event).
  - With O(rotate=true) a stretch is given new keys at both ends, as C(cloudsentry stretch rotate) does.
options:
  event:
    description: The name of an event that was applied.
    type: str
    required: true
  stretch:
    description: The stretch's name in the event. Without it, all of them.
    type: str
  rotate:
    description: Give it new keys. Needs O(stretch). Changes something at every run.
    type: bool
    default: false
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.attributes
seealso:
  - module: cloudsentry.burst.event
"""

EXAMPLES = r"""
- name: The link to the origin stands
  cloudsentry.burst.stretch:
    event: koshien-2010
    stretch: origin-link

- name: New keys
  cloudsentry.burst.stretch:
    event: koshien-2010
    stretch: origin-link
    rotate: true
"""

RETURN = r"""
ends:
  description: One dictionary per end.
  returned: always
  type: list
  elements: dict
  sample:
    - unit: origin-link
      cloud: private
      driver: vlan
      state: ready
findings:
  description: What is not as the event wants it.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: missing
      cloud: public
      unit: origin-link
      what: this end is not there
report:
  description: The end of the run; its keys are those of M(cloudsentry.burst.event).
  returned: with O(rotate=true), outside check mode
  type: dict
error:
  description:
    - "What a play may decide by where the task failed: C(kind), C(exit_code), C(cloud), C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample: {kind: UserError, exit_code: 2, cloud: "", refusals: [], faults: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import sentry, stretching


def main():
    """Run the module."""
    spec = {
        "event": {"type": "str", "required": True},
        "stretch": {"type": "str"},
        "rotate": {"type": "bool", "default": False},
        **sentry.OPTIONS,
    }
    module = AnsibleModule(spec, supports_check_mode=True, required_if=[("rotate", True, ["stretch"])])
    verb = stretching.rotated if module.params["rotate"] else stretching.checked
    sentry.answered(module, lambda hall: verb(module, hall))


if __name__ == "__main__":
    main()
