#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: event
short_description: Make the clouds as an event wants them, or take the event down
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Makes the servers, balancers and stretched networks of an event on the clouds that it names, as C(cloudsentry event
    apply) does, or removes everything that bears the event's mark, as C(cloudsentry event destroy) does.
  - What is already as wanted is left alone, so a second run changes nothing. In check mode the task is the plan.
  - A run that was stopped or killed is completed by the next.
options:
  state:
    description:
      - V(present) makes the clouds as the event says.
      - V(absent) removes everything of the event and proves by listing that nothing is left.
    type: str
    choices: [present, absent]
    default: present
  file:
    description:
      - The event file, on the host that the module runs on.
      - Exactly one of O(file), O(definition) and O(name) is given.
    type: path
  definition:
    description:
      - The event, written inline with the keys of an event file.
      - The text of C(user_data) is not shown again by Ansible in the task's results.
    type: dict
  name:
    description:
      - The name of an event that the journal knows. Its newest revision is applied again, or taken down.
    type: str
extends_documentation_fragment:
  - cloudsentry.burst.sentry
  - cloudsentry.burst.sentry.attributes
seealso:
  - module: cloudsentry.burst.event_info
  - module: cloudsentry.burst.weights
"""

EXAMPLES = r"""
- name: See what would be done
  cloudsentry.burst.event:
    file: /etc/cloudsentry/events/koshien-2010.yaml
  check_mode: true
  diff: true

- name: Do it
  cloudsentry.burst.event:
    file: /etc/cloudsentry/events/koshien-2010.yaml
  register: koshien

- name: Tell where the crowd is to go
  ansible.builtin.debug:
    var: koshien.event.vips

- name: An event written inline
  cloudsentry.burst.event:
    definition:
      event: summer-sale
      sites:
        home: {cloud: private}
      pools:
        web:
          site: home
          image: web-2026
          flavor: m1.small
          networks: [front]
          pins:
            - {hypervisor: kvm1, count: 2, weight: 10}

- name: Take the event down
  cloudsentry.burst.event:
    name: koshien-2010
    state: absent
"""

RETURN = r"""
event:
  description: The event, what was done or would be, and how it stands now.
  returned: when the event could be read and the clouds could be looked at
  type: dict
  contains:
    name:
      description: The event's name.
      type: str
      returned: always
      sample: koshien-2010
    plan:
      description: What would be done. C(steps) holds one dictionary per step, C(summary) is one line.
      type: dict
      returned: in check mode and in diff mode
      sample:
        goal: apply
        wanted: 2
        steps:
          - action: create
            cloud: private
            unit: front@kvm1
            verb: create
            what: 2 servers on kvm1
            why: 2 servers are missing
        summary: "koshien-2010: 1 step: 1 to create; 2 servers wanted"
    report:
      description: The end of the run, with the keys of C(cloudsentry event apply -f json).
      type: dict
      returned: outside check mode
      sample:
        run: 7
        event: koshien-2010
        goal: apply
        outcome: done
        seconds: 14.2
        writes: 6
        reads: 31
        steps: {done: 6, failed: 0, skipped: 0}
        servers: {wanted: 2, active: 2, misplaced: 0}
        left: []
    status:
      description:
        - The event on its clouds, after the run or at the time of the plan. The keys are those of RV(event.status)
          of M(cloudsentry.burst.event_info).
      type: dict
      returned: always
    vips:
      description: The virtual address of each balancer, by the balancer's name in the event.
      type: dict
      returned: always
      sample: {front: 10.1.0.9}
error:
  description:
    - "What a play may decide by where the task failed: C(kind) (such as V(SpecError), V(PlanError) or V(NoCapacity)),
      C(exit_code) of the same command, C(cloud), and one entry per reason in C(refusals) and C(faults)."
  returned: on failure
  type: dict
  sample:
    kind: PlanError
    exit_code: 1
    cloud: ""
    refusals: ["there is no hypervisor kvm9 on private"]
    faults: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cloudsentry.burst.plugins.module_utils import answers, sentry

GOALS = {"present": "apply", "absent": "destroy"}


def planned(hall, event, goal):
    """What check mode returns."""
    plan, status = hall.plan(event, goal), answers.stood(hall.status(event))
    told = {"name": event.event, "plan": answers.planned(plan), "status": status, "vips": status["vips"]}
    return {"changed": bool(plan.steps), "event": told, "diff": answers.difference(plan)}


def done(hall, event, goal, diff):
    """What a run returns; C(msg) is among it where the run did not come to its end."""
    plan = hall.plan(event, goal) if diff else None
    report = hall.apply(event) if goal == "apply" else hall.destroy(event)
    status = answers.stood(hall.status(event.event))
    told = {"name": event.event, "report": answers.reported(report), "status": status, "vips": status["vips"]}
    returns = {"changed": answers.changed(report), "event": told}
    if plan is not None:
        told["plan"] = answers.planned(plan)
        returns["diff"] = answers.difference(plan, report)
    return {**returns, **sentry.trouble(report, "this task")}


def main():
    """Run the module."""
    spec = {
        "state": {"type": "str", "choices": list(GOALS), "default": "present"},
        "file": {"type": "path"},
        "definition": {"type": "dict"},
        "name": {"type": "str"},
        **sentry.OPTIONS,
    }
    module = AnsibleModule(
        spec,
        no_log=True,  # the system log would get the user_data of a definition
        mutually_exclusive=[("file", "definition", "name")],
        required_one_of=[("file", "definition", "name")],
        supports_check_mode=True,
    )
    source = {key: module.params[key] for key in ("file", "definition", "name")}
    module.params["definition"] = sentry.shaded(source["definition"])
    goal = GOALS[module.params["state"]]

    def verb(hall):
        event = sentry.wished(hall, **source)
        return planned(hall, event, goal) if module.check_mode else done(hall, event, goal, module._diff)

    sentry.answered(module, verb)


if __name__ == "__main__":
    main()
