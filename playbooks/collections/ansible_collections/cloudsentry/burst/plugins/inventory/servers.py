# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
name: servers
short_description: The servers of events, by event, pool, cloud and hypervisor
version_added: 0.1.0
author:
  - cloudsentry contributors (!UNKNOWN)
description:
  - Lists the servers of events as they are now; the clouds are looked at, read only.
  - "Groups are C(event_NAME), C(pool_NAME), C(cloud_NAME) and C(hypervisor_NAME), with underscores where Ansible allows
    no other sign."
  - "Each host has C(ansible_host), its first address, and C(cloudsentry_event), C(cloudsentry_pool),
    C(cloudsentry_unit), C(cloudsentry_cloud), C(cloudsentry_hypervisor), C(cloudsentry_status), C(cloudsentry_id) and
    C(cloudsentry_weight)."
  - The file's name ends with C(cloudsentry.yaml) or C(cloudsentry.yml).
  - Runs on the control node, with the Python of Ansible itself.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [cloudsentry.burst.servers]
  events:
    description: The names of the events; by default every event that the journal keeps.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - constructed
  - cloudsentry.burst.sentry
"""

EXAMPLES = r"""
# koshien.cloudsentry.yaml: the servers of one event
plugin: cloudsentry.burst.servers
events: [koshien-2010]

---
# cloudsentry.yaml: every event that is kept, and a group of those that get requests
plugin: cloudsentry.burst.servers
groups:
  serving: cloudsentry_weight > 0
"""

from collections import Counter

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.cloudsentry.burst.plugins.module_utils import sentry

KEYS = ("cloud", "pool", "hypervisor")
FACTS = ("event", *KEYS, "unit", "status", "id", "weight")


class InventoryModule(BaseInventoryPlugin, Constructable):
    """An event's servers as hosts."""

    NAME = "cloudsentry.burst.servers"

    def verify_file(self, path):
        """Whether the file may be ours, by its name."""
        return super().verify_file(path) and path.endswith(("cloudsentry.yaml", "cloudsentry.yml"))

    def parse(self, inventory, loader, path, cache=True):
        """Fill the inventory. Raises AnsibleParserError with the sentence that the command line has."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if sentry.MISSING:
            raise AnsibleParserError(sentry.MISSING)
        try:
            lines = sentry.servers(self.get_option("config_file"), self.get_option("events"))
        except sentry.SentryError as error:
            raise AnsibleParserError(str(error)) from error
        names = Counter(line["name"] for line in lines)
        for line in lines:
            # Nova lets two servers have one name, Ansible does not let two hosts.
            self._add(line["name"] if names[line["name"]] == 1 else line["id"], line)

    def _add(self, host, line):
        self.inventory.add_host(host)
        facts = {f"cloudsentry_{key}": line[key] for key in FACTS}
        for key, value in {"ansible_host": line["address"] or None, **facts}.items():
            if value is not None:
                self.inventory.set_variable(host, key, value)
        for key in ("event", *KEYS):
            if line[key]:
                group = self.inventory.add_group(self._sanitize_group_name(f"{key}_{line[key]}"))
                self.inventory.add_child(group, host)
        strict = self.get_option("strict")
        known = self.inventory.get_host(host).get_vars()
        self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)
