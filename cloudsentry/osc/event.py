"""`event plan | apply | status | watch | destroy`: the corridor, from the terminal."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress
from cloudsentry.render import rows, text

if TYPE_CHECKING:
    from cloudsentry.records.reports import Report

EXIT_CODES = {"done": 0, "failed": 1, "stopped": 1}


class Plan(base.Lister):
    """Show what `event apply` would do, step by step and why; nothing is changed.

    The event's clouds are looked at, read only. The same event on the same clouds gives
    the same bytes. Nothing to do gives no rows. Exit code 1 where not all could be looked at: what is
    planned then leaves that out.
    """

    _epilog = """examples:
  %(prog)s koshien-2010.yaml
  %(prog)s koshien-2010.yaml --out plan.json     # review it, then: event apply plan.json
  %(prog)s koshien-2010.yaml --destroy -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event file, and what to plan for."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="the event file (YAML)")
        parser.add_argument("--out", metavar="PLAN.json", help="save the plan for `event apply`, readable by you alone")
        parser.add_argument("--destroy", action="store_true", help="plan the end of the event instead")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """The plan's steps."""
        if parsed_args.out and parsed_args.destroy:
            raise UserError("--out saves plans for `event apply`; `event destroy` always plans anew")
        event = self.sentry.load(parsed_args.file)
        plan = self.sentry.plan(event, "destroy" if parsed_args.destroy else "apply")
        if parsed_args.out:
            from cloudsentry.render import plan_file

            plan_file.write(parsed_args.out, event, plan)
        self.notes = (*text.unplanned(plan), text.plan_summary(plan))
        for line in text.unseen(plan):
            base.say(line)
            self.exit_code = 1
        return rows.plan(plan)


class Apply(base.ShowOne):
    """Make the clouds as the event file says, and keep what is already so.

    Applying twice writes nothing. After Ctrl-C or a crash run it again: it looks at the clouds
    and does what is left. A saved plan is carried out as it was reviewed, or refused (exit 3)
    where the clouds have moved on.
    """

    _epilog = """examples:
  %(prog)s koshien-2010.yaml
  %(prog)s plan.json                             # from: event plan koshien-2010.yaml --out plan.json
  %(prog)s koshien-2010.yaml -f json

exit codes: 0 done, 1 failed or stopped (what is left is told), 2 bad input, 3 stale plan"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event file or a saved plan."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="the event file (YAML), or a plan saved by `event plan --out`")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run's end."""
        from cloudsentry.render import plan_file

        if plan_file.is_plan(parsed_args.file):
            event, plan = plan_file.read(parsed_args.file)
        else:
            event, plan = self.sentry.load(parsed_args.file), None
        with progress.told() as listen:
            report = self.sentry.apply(event, plan=plan, listen=listen)
        return ended(self, report, f"cloudsentry event apply {parsed_args.file}")


class Status(base.Lister):
    """Show an applied event as it is now: servers, weights, and where it differs from what is wanted.

    The servers of all clouds, each with the hypervisor it is on and whether that is where it
    should be. Below a table: the balancers and the drift.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 --balancers
  %(prog)s koshien-2010 --drift -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event's name, and which rows."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--balancers", action="store_true", help="rows are the balancers' members")
        which.add_argument(
            "--circuits",
            action="store_true",
            help="rows are the services that do not answer, and when each is asked again",
        )
        which.add_argument("--drift", action="store_true", help="rows are the differences from what is wanted")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """Servers, members or drift."""
        status = self.sentry.status(parsed_args.name)
        balancers = () if parsed_args.balancers else tuple(text.balancer(line) for line in status.balancers)
        drift = () if parsed_args.drift else tuple(text.drift(one) for one in status.drift)
        self.notes = (*balancers, *drift, *(self.sentry.resting() or ()), text.status_summary(status))
        if parsed_args.circuits:
            return rows.circuits(self.sentry.circuits())
        if parsed_args.balancers:
            return rows.balancers(status)
        return rows.drift(status) if parsed_args.drift else rows.servers(status)


class Watch(base.Command):
    """Show an applied event again and again: redrawn on a terminal; elsewhere a line each time, and what is new

    Servers, balancers, stretches with their probes, steering, moves under way, and clouds that do not answer.
    Ends with Ctrl-C, or after --times looks. A cloud that does not answer is told, and asked again.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 --every 30 --times 10"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event's name, how often, how long."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument(
            "--every", type=base.positive, default=5.0, metavar="SECONDS", help="between looks (default: 5)"
        )
        parser.add_argument(
            "--times", type=base.whole, default=0, metavar="N", help="number of looks (default: until Ctrl-C)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look until told to stop."""
        from cloudsentry.osc import watch
        from cloudsentry.picture import moving

        def look() -> watch.Look:
            status = self.sentry.status(parsed_args.name)
            under_way = moving.under_way(self.sentry, status.event)
            return watch.Look(status=status, moves=under_way, resting=self.sentry.resting() or ())

        watch.until_stopped(look, every=parsed_args.every, times=parsed_args.times)


class Destroy(base.ShowOne):
    """Remove everything that bears the event's mark, and prove that nothing is left.

    Each thing is deleted by its exact id; what has no mark is not touched.
    Asks first on a terminal; elsewhere --yes is required. Places that do not answer are told,
    and hold up nothing of the others; the event ends when they have answered, or are forsaken.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 --yes
  %(prog)s koshien-2010 --yes --forsake ssh://root@lb1.example.net    # that host is gone for good"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event's name, and the consent."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--forsake",
            action="append",
            default=[],
            metavar="PLACE",
            help="a cloud, host or API of the event that is gone for good: where it does not answer, what the event "
            "has there is given up (may be repeated)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run's end."""
        if not parsed_args.yes:
            self._ask(parsed_args.name)
        with progress.told() as listen:
            report = self.sentry.destroy(parsed_args.name, forsaken=tuple(parsed_args.forsake), listen=listen)
        return ended(self, report, f"cloudsentry event destroy {parsed_args.name}")

    def _ask(self, name: str) -> None:
        if not sys.stdin.isatty():
            raise UserError(f"destroying {name} needs a yes: say --yes where nobody can be asked")
        plan = self.sentry.plan_destroy(name)
        for step in plan.steps:
            base.say(f"{step.action} {step.cloud} {step.unit}: {text.what(step)}")
        print(f"Destroy {name}? Type its name: ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip() != name:
            raise UserError("not confirmed; nothing was changed")


def ended(command: base.ShowOne, report: Report, again: str) -> Any:
    command.exit_code = EXIT_CODES[report.outcome]
    for line in text.report_lines(report, again):
        base.say(line)
    if report.outcome == "done" and report.goal == "destroy":
        command.notes = (text.proof(report),)
    return rows.report(report)
