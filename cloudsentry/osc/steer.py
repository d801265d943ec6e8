"""`steer show | set`: which share of the clients goes where, and shares set by hand."""

from __future__ import annotations

import argparse

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress
from cloudsentry.osc.event import EXIT_CODES
from cloudsentry.render import rows, text

COLUMNS = ("Steering", "Driver", "At", "Target", "To", "Wanted %", "Share %", "State")


class ShowSteering(base.Lister):
    """Show the share of the clients that each target of an event's steerings gets, wanted and as the means give it.

    The means (fronts, name servers, maps) are looked at, read only. State: ACTIVE, SETTLING (some clients still go
    by an older answer), CHANGED (by somebody else since), REVERTED, ABSENT.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event's name."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """One row per target."""
        from cloudsentry import steer

        lines = steer.steering(self.sentry, parsed_args.event)
        details = {f"{line.unit}: {line.detail}": None for line in lines if line.detail}
        self.notes = tuple(details) if lines else (f"{parsed_args.event}: no clients are steered",)
        return COLUMNS, [
            (line.unit, line.driver, line.cloud, line.target, line.to, line.wanted, line.share, line.state)
            for line in lines
        ]


class SetSteering(base.Lister):
    """Send shares of the clients to the targets of a steering, in one change.

    Home gets what the other targets leave. A new revision of the event keeps the shares: apply an older event file,
    and its shares come back. The command ends when no client goes by an older answer any more.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 images nara=25 --dry-run
  %(prog)s koshien-2010 images nara=25 osaka=12.5
  %(prog)s koshien-2010 images nara=0              # everybody home, the event stays"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event, the steering, the shares."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        parser.add_argument("steering", metavar="NAME", help="the steering's name in the event")
        parser.add_argument("shares", metavar="TARGET=PERCENT", nargs="+", help="a target and its share, 0 to 100")
        parser.add_argument("--dry-run", action="store_true", help="show the plan, and change nothing")
        parser.add_argument(
            "--wait", type=float, default=30.0, metavar="SECONDS", help="for the event to be free (default: 30)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """The plan's steps, or how they ended."""
        from cloudsentry import steer

        name, unit, shares = parsed_args.event, parsed_args.steering, parsed(parsed_args.shares)
        if parsed_args.dry_run:
            plan = steer.planned(self.sentry, name, unit, shares)
            self.notes = (*text.unplanned(plan), text.plan_summary(plan))
            return rows.plan(plan)
        with progress.told() as listen:
            report = steer.set_shares(self.sentry, name, unit, shares, wait=parsed_args.wait, listen=listen)
        self.exit_code = EXIT_CODES[report.outcome]
        words = " ".join(f"{target}={share:g}" for target, share in shares.items())
        for line in text.report_lines(report, f"cloudsentry steer set {name} {unit} {words}"):
            base.say(line)
        ended = [(one.id, one.cloud, one.verb, one.outcome, one.seconds, one.error) for one in report.steps]
        return ("Step", "At", "Verb", "Outcome", "Seconds", "Error"), ended


def parsed(words: list[str]) -> dict[str, float]:
    """``nara=25`` or ``nara=25%`` as numbers. Raises `UserError`."""
    shares: dict[str, float] = {}
    for word in words:
        target, equals, percent = word.partition("=")
        try:
            share = float(percent.removesuffix("%")) if equals and target else float("nan")
        except ValueError:
            share = float("nan")
        if share != share:
            raise UserError(f"{word!r} is no share: write TARGET=PERCENT, such as nara=25")
        if shares.setdefault(target, share) != share:
            raise UserError(f"{target} is given two shares")
    return shares
