"""`event check`: what would make an apply fail, before anything is made."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.osc import base, progress

COLUMNS = ("Check", "Cloud", "Found", "Do")


class Check(base.Lister):
    """Check an event against its clouds, reading only: what would make `event apply` fail now, and what to do.

    Asked are the quotas of Nova, Neutron and Octavia, the free room of every pinned hypervisor, the names
    that the event mentions, free addresses, what stretches and steering need, the account's rights and how
    long it lasts, and the clouds' clocks. A row per finding. Exit code 0: nothing was found; 1: something was;
    2: the file is wrong.
    """

    _epilog = "examples:\n  %(prog)s koshien-2010.yaml\n  %(prog)s koshien-2010.yaml -f json"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event file."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="the event file (YAML)")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per finding."""
        event = self.sentry.load(parsed_args.file)
        findings = self.sentry.check(event)
        self.exit_code = 1 if findings else 0
        clouds = ", ".join(sorted({site.cloud for site in event.sites.values()}))
        told = f"{len(findings)} found" if findings else "nothing found"
        self.notes = (f"{event.event}: checked against {clouds}: {told}",)
        return COLUMNS, [(one.check, one.cloud, one.found, one.do) for one in findings]
