"""`pool list | set`: how many servers a pool has and where, and sizes set by hand."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress
from cloudsentry.osc.event import EXIT_CODES
from cloudsentry.render import rows, text

COLUMNS = ("Pool", "Unit", "Cloud", "Wanted", "Active", "Other", "Weight")


class ListPools(base.Lister):
    """List the pools of an event: servers wanted and there, place by place.

    The clouds are looked at, read only.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """One row per place."""
        from cloudsentry import resize

        return COLUMNS, [
            (line.pool, line.unit, line.cloud, line.wanted, line.active, line.other, line.weight)
            for line in resize.pools(self.sentry, parsed_args.event)
        ]


class SetPool(base.ShowOne):
    """Set how many servers a pool has: as a whole, in proportion over its pins, or at one place.

    A new revision of the event keeps the sizes: apply an older event file, and its sizes come back. Servers that go
    are drained first. Where several do this at once they take turns, and each one's sizes hold.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 front-nara=12
  %(prog)s koshien-2010 front-nara@private-xeon1=6 front-nara@private-opteron1=2
  %(prog)s koshien-2010 front-nara=12 --dry-run"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event and the sizes."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        parser.add_argument("sizes", metavar="POOL|UNIT=COUNT", nargs="+", help="a pool or a unit, and its servers")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument(
            "--wait", type=float, default=30.0, metavar="SECONDS", help="for the event to be free (default: 30)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run's end, or what would be done."""
        from cloudsentry import resize

        wanted = _parsed(parsed_args.sizes)
        if parsed_args.dry_run:
            plan = self.sentry.plan(resize.proposed(self.sentry, parsed_args.event, wanted)[0])
            for step in plan.steps:
                base.say(f"{step.cloud} {step.unit}: {text.what(step)}  # {step.why}")
            return ("steps", "summary"), (len(plan.steps), text.plan_summary(plan))
        with progress.told() as listen:
            report = resize.set_sizes(self.sentry, parsed_args.event, wanted, wait=parsed_args.wait, listen=listen)
        self.exit_code = EXIT_CODES[report.outcome]
        words = " ".join(f"{name}={count}" for name, count in wanted.items())
        for line in text.report_lines(report, f"cloudsentry pool set {parsed_args.event} {words}"):
            base.say(line)
        return rows.report(report)


def _parsed(words: list[str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for word in words:
        name, equals, count = word.rpartition("=")
        if not equals or not name or not count.isdecimal():
            raise UserError(f"{word!r} is no size: write POOL=COUNT or UNIT=COUNT, such as front=4")
        if wanted.setdefault(name, int(count)) != int(count):
            raise UserError(f"{name} is given two sizes")
    return wanted
