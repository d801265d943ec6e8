#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: migration
short_description: Move a pool or servers of an event to another cloud or hypervisor
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Moves a pool or servers of an event, as C(cloudsentry migrate run) does. A pool is replaced, and no request is
    lost; a server is moved with its disk and its addresses. Every reason why something cannot move is told at once,
    before anything is touched.
  - What is on the target cloud already, as an earlier move has left it, is left alone.
  - A move that was interrupted is gone on with by O(state=retried), or undone by O(state=undone), as long as it has
    not passed its point of no return.
options:
  event:
    description: The name of an event that was applied.
    type: str
    required: true
  what:
    description: A pool, a server's name or id, or one of the event's own C(moves). Needed by O(state=moved).
    type: str
  group:
    description: Further pools and servers, moved after it.
    type: list
    elements: str
    default: []
  together:
    description: All of them move, or none.
    type: bool
    default: false
  to:
    description: A cloud of C(clouds.yaml), or a site of the event. One of the event's C(moves) knows its own.
    type: str
    default: ""
  mover:
    description: A driver of the family C(cloudsentry.mover). Chosen by the program where it is not said.
    type: str
  wave:
    description: How many servers at once. 0 is all of them.
    type: int
    default: 0
  hypervisors:
    description: Hypervisors of the target, to be spread over. None leaves it to its scheduler.
    type: list
    elements: str
    default: []
  move:
    description: The number of a move. Needed by O(state=retried) and O(state=undone).
    type: int
  state:
    description: What shall be.
    type: str
    choices: [moved, retried, undone]
    default: moved
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.attributes
seealso:
  - module: cloudsentry.burst.event
"""

EXAMPLES = r"""
- name: The pool of Nara to the public cloud, four servers at once
  cloudsentry.burst.migration:
    event: koshien-2010
    what: front-nara
    to: public
    wave: 4

- name: Go on with a move that was interrupted
  cloudsentry.burst.migration:
    event: koshien-2010
    move: 3
    state: retried
"""

RETURN = r"""
plan:
  description: One dictionary per move that would be made. C(refusals) is empty where nothing stands against it.
  returned: with O(state=moved), in check mode and in diff mode
  type: list
  elements: dict
  sample:
    - server: front-nara
      source: private
      target: public
      mover: replace
      why: a pool behind a balancer
      copy_mb: 0.0
      seconds: 42.0
      gap: 0.0
      refusals: []
moves:
  description: One dictionary per move that was made or gone on with.
  returned: outside check mode
  type: list
  elements: dict
  sample:
    - id: 3
      server: front-nara
      source: private
      target: public
      mover: replace
      phase: release
      state: done
      attempts: 0
      error: ""
error:
  description:
    - "What a play may decide by where the task failed: C(kind), C(exit_code), C(cloud), C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample: {kind: PlanError, exit_code: 1, cloud: "", refusals: [], faults: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import moving, sentry


def main():
    """Run the module."""
    spec = {
        "event": {"type": "str", "required": True},
        "what": {"type": "str"},
        "group": {"type": "list", "elements": "str", "default": []},
        "together": {"type": "bool", "default": False},
        "to": {"type": "str", "default": ""},
        "mover": {"type": "str"},
        "wave": {"type": "int", "default": 0},
        "hypervisors": {"type": "list", "elements": "str", "default": []},
        "move": {"type": "int"},
        "state": {"type": "str", "choices": ["moved", "retried", "undone"], "default": "moved"},
        **sentry.OPTIONS,
    }
    needed = [("state", "moved", ["what"]), ("state", "retried", ["move"]), ("state", "undone", ["move"])]
    module = AnsibleModule(spec, supports_check_mode=True, required_if=needed)
    if module.params["wave"] < 0:
        module.fail_json(msg="wave: expected a number of servers, or 0 for all")
    verb = moving.moved if module.params["state"] == "moved" else moving.resumed
    sentry.answered(module, lambda hall: verb(module, hall))


if __name__ == "__main__":
    main()
