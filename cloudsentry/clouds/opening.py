"""Clouds by their names in clouds.yaml: which there are, and one of them opened."""

from __future__ import annotations

import os
from collections.abc import Callable

from keystoneauth1 import exceptions as ksa

from cloudsentry.clouds.session import Cloud
from cloudsentry.errors import UserError

Connect = Callable[[str], Cloud]
"""Opens a cloud by its name in clouds.yaml."""

PLACEHOLDER = "defaults"
"""What openstacksdk calls the cloud that it makes up where a file has none."""


def open_cloud(name: str) -> Cloud:
    """The cloud of that name in clouds.yaml (or the environment, for ``envvars``); sends nothing yet.

    Raises `UserError` where the name is unknown, with the known names and the files that were read.
    """
    from openstack import exceptions as sdk  # costs 0.3 s: paid when a cloud is opened, not when a door is
    from openstack.config import OpenStackConfig

    try:
        config = OpenStackConfig()
        names = sorted(config.get_cloud_names())
    except (sdk.SDKException, OSError, ValueError, TypeError, AttributeError) as failure:  # it trusts the file's shape
        raise UserError(f"clouds.yaml cannot be read: {failure}") from failure
    if name not in names:
        raise UserError(_unknown(name, names, config.config_filename))
    try:
        return Cloud(name, config.get_one(name))
    except (sdk.SDKException, ksa.ClientException) as failure:
        raise UserError(f"cloud {name!r} in {config.config_filename}: {failure}") from failure


def cloud_names() -> tuple[str, ...]:
    """The clouds of clouds.yaml, sorted; none where there is no such file. Raises `UserError` for a broken one."""
    from openstack import exceptions as sdk
    from openstack.config import OpenStackConfig

    try:
        config = OpenStackConfig()
        return tuple(sorted(config.get_cloud_names())) if config.config_filename else ()
    except (sdk.SDKException, OSError, ValueError, TypeError, AttributeError) as failure:
        raise UserError(f"clouds.yaml cannot be read: {failure}") from failure


def _unknown(name: str, names: list[str], path: str | None) -> str:
    from openstack.config import loader

    if not path:
        named = os.environ.get("OS_CLIENT_CONFIG_FILE", "$OS_CLIENT_CONFIG_FILE")
        looked = [named, *dict.fromkeys(file for file in loader.CONFIG_FILES if file.endswith(".yaml"))]
        broken = [file for file in looked if os.path.exists(file)]  # openstacksdk passes them by
        if broken:
            return f"there is no cloud {name!r}: cannot be read, or is no YAML: {', '.join(broken)}"
        return f"there is no cloud {name!r}: no clouds.yaml was found; looked at {', '.join(looked)}"
    known = [cloud for cloud in names if cloud != PLACEHOLDER]
    return f"there is no cloud {name!r} in {path}; it knows {', '.join(known) or 'none'}"
