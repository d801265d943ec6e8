"""`event audit`: what bears a mark and is wanted by no event, and what is wanted and gone."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress

COLUMNS = ("State", "Cloud", "Kind", "Name", "ID", "Event", "Passes", "Why")


class Audit(base.Lister):
    """List marked resources that no event of this journal wants, and wanted ones that are gone, over all clouds.

    All clouds of clouds.yaml are asked for servers, server groups, balancers, networks, ports, routers, trunks,
    security groups, VPNs and images; balancers' hosts and steering for what events of this journal left. A leak
    is offered for deletion once two audits, a minute apart, have seen it. Whoever shares a project with another
    journal of cloudsentry sees the other's events here: those are no leaks. Exit code 1 where there is anything
    to tell.
    """

    _epilog = "examples:\n  %(prog)s\n  %(prog)s --delete --yes       # what two audits have seen, each by its id"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whether to delete."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--delete", action="store_true", help="delete the leaks that two audits have seen")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per leak and per thing that is gone; with --delete, per thing deleted."""
        if parsed_args.delete and not parsed_args.yes:
            raise UserError("deleting leaks needs a yes: look at `event audit` first, then say --delete --yes")
        lines = self.sentry.audit(delete=parsed_args.delete)
        gone = sum(one.state == "deleted" for one in lines)
        self.exit_code = 1 if len(lines) > gone else 0
        offered = sum(one.state == "leak" and one.passes > 1 for one in lines)
        self.notes = (
            f"{gone} deleted" if parsed_args.delete else f"{len(lines)} found, {offered} offered for deletion",
        )
        return COLUMNS, [
            (one.state, one.cloud, one.kind, one.name, one.id, one.event, one.passes, one.why) for one in lines
        ]
