# SPDX-License-Identifier: Apache-2.0
"""What every module and plugin of the collection has in common, for their documentation."""

from __future__ import annotations


class ModuleDocFragment:
    """The options, requirements and notes that all share."""

    DOCUMENTATION = r"""
options:
  config_file:
    description:
      - A configuration file of cloudsentry.
      - Otherwise C(/etc/cloudsentry/cloudsentry.conf), C(~/.config/cloudsentry/cloudsentry.conf) and the file named
        by the environment variable E(CLOUDSENTRY_CONF) are read, where they exist.
    type: path
requirements:
  - python >= 3.11
  - cloudsentry
notes:
  - Clouds are named by the event and looked up in C(clouds.yaml), at the usual places or in the file named by the
    environment variable E(OS_CLIENT_CONFIG_FILE).
  - The journal is that of the user who runs the module; the environment variable E(CLOUDSENTRY_STATE_DIR) or the
    configuration file puts it elsewhere. Play and command line must share it to know of each other's events.
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what would change, without a write to any cloud.
    support: full
  diff_mode:
    description: Returns what was, or would be, done when in diff mode.
    support: full
  platform:
    description: Where the module runs.
    support: full
    platforms: posix
"""

    READ = r"""
options: {}
attributes:
  check_mode:
    description: Reads only, so check mode makes no difference.
    support: full
  diff_mode:
    description: Changes nothing, so there is no difference to show.
    support: N/A
  platform:
    description: Where the module runs.
    support: full
    platforms: posix
"""
