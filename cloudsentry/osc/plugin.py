"""The plugin that the `openstack` shell imports on every call: it loads nothing until a command asks.

Names and signatures are osc-lib's plugin protocol.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

API_NAME = "sentry"
API_VERSION_OPTION = "os_sentry_api_version"
API_VERSIONS = {"1": "cloudsentry.sentry.Sentry"}
DEFAULT_API_VERSION = "1"
CONFIG_OPTION = "sentry_config_file"


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The shell's parser with our two global options."""
    parser.add_argument(
        "--os-sentry-api-version",
        metavar="<sentry-api-version>",
        default=os.environ.get("OS_SENTRY_API_VERSION", DEFAULT_API_VERSION),
        help="Version of the sentry commands (default: 1; env: OS_SENTRY_API_VERSION)",
    )
    parser.add_argument(
        "--sentry-config-file",
        metavar="<file>",
        dest=CONFIG_OPTION,
        help="cloudsentry's configuration file (env: CLOUDSENTRY_CONF)",
    )
    return parser


def make_client(instance: Any) -> Sentry:
    """The hall; osc-lib calls this when a command first asks for ``client_manager.sentry``."""
    from cloudsentry.osc.base import open_hall

    options = getattr(instance, "_cli_options", None)
    return open_hall(getattr(options, "config", {}).get(CONFIG_OPTION))
