"""`event rollback` and `run retry | rollback | fail`: what to do about a run that did not end well."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.osc import base, progress
from cloudsentry.osc.event import ended


class Rollback(base.ShowOne):
    """Go back to an earlier revision of an event: it is applied as any other, and becomes the newest.

    What both revisions want stays as it is. `event show` tells the newest revision's number; revision 0 is
    nothing, so that going back to it destroys the event.
    """

    _epilog = "examples:\n  %(prog)s koshien-2010      # the revision before the newest\n  %(prog)s koshien-2010 --to 3"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event, and how far back."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument("--to", type=int, metavar="REVISION", help="which one (default: the one before)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run's end."""
        with progress.told() as listen:
            report = self.sentry.rollback(parsed_args.name, parsed_args.to, listen=listen)
        to = "" if parsed_args.to is None else f" --to {parsed_args.to}"
        again = f"cloudsentry run retry {report.run}" if not to else f"cloudsentry event rollback {report.event}{to}"
        return ended(self, report, again)


class _OfRun(base.ShowOne):
    """A command on one run."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which run."""
        parser = super().get_parser(prog_name)
        parser.add_argument("run", metavar="RUN", type=int, help="number of the run, from `run list`")
        return parser


class RetryRun(_OfRun):
    """Go on with a run that stopped or failed: its revision is applied again, and what is left is done.

    Refused where the event has a newer revision.
    """

    _epilog = "example:\n  %(prog)s 7"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The new run's end."""
        with progress.told() as listen:
            report = self.sentry.retry_run(parsed_args.run, listen=listen)
        return ended(self, report, f"cloudsentry run retry {report.run}")


class RollbackRun(_OfRun):
    """Undo a run that stopped or failed: the revision before its own is applied.

    Refused where the event has a newer revision.
    """

    _epilog = "example:\n  %(prog)s 7"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The new run's end."""
        with progress.told() as listen:
            report = self.sentry.rollback_run(parsed_args.run, listen=listen)
        return ended(self, report, f"cloudsentry run retry {report.run}")


class FailRun(_OfRun):
    """Mark a run as failed whose process is gone; no cloud is touched, and nothing that it made is removed.

    Refused while the run works still.
    """

    _epilog = "example:\n  %(prog)s 7"

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run as it is now."""
        run = self.sentry.fail_run(parsed_args.run)
        return ("run", "event", "revision", "goal", "outcome"), (
            run.id,
            run.event,
            run.revision,
            run.goal,
            run.outcome,
        )
