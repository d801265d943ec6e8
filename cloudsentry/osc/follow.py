"""`weights follow`: weights that follow how fast members answer, how a site comes, and what a path carries."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base
from cloudsentry.osc.agent import stopped_by_signals

COLUMNS = ("Balancer", "Unit", "Weight full", "Weight now", "Time ms", "Slowness", "Why")


class FollowWeights(base.Lister):
    """Let the weights of an event's balancers follow what their members and paths show

    What is followed is in the event file: `reweigh` of a balancer, `ramp` and `fallback` of its members.
    Stopped (Ctrl-C, SIGTERM) or after --times looks it shows the last look. Missing data changes nothing.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 --every 5 --times 12
  %(prog)s koshien-2010 --times 1 --dry-run -f json   # one look, paths tried, nothing changed"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event, how often."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        parser.add_argument(
            "--every", type=base.positive, default=5.0, metavar="SECONDS", help="from look to look (default: 5)"
        )
        parser.add_argument(
            "--times", type=base.whole, default=0, metavar="N", help="number of looks (default: until stopped)"
        )
        parser.add_argument("--dry-run", action="store_true", help="look, and change nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per unit, as the last look found it."""
        from cloudsentry.executor.clock import Clock
        from cloudsentry.spec.reweighing import may_be_tuned
        from cloudsentry.weights.following import Follower

        event, _ = self.sentry.event(parsed_args.event)
        if not may_be_tuned(event):
            raise UserError(
                f"event {event.event} has nothing to follow: give a balancer 'reweigh', or a member 'ramp' or "
                "'fallback'"
            )
        clock, follower = Clock(), Follower(self.sentry)
        stopped_by_signals(clock)
        looks = 0
        lines: tuple[Any, ...] = ()
        while not clock.stopped:
            began = clock.now()
            lines = _look(follower, event.event, parsed_args.dry_run, lines)
            looks += 1
            if looks == parsed_args.times:
                break
            clock.sleep(parsed_args.every - (clock.now() - began))
        return COLUMNS, [
            (
                line.balancer,
                line.unit,
                line.full,
                line.weight,
                None if line.time_ms is None else round(line.time_ms, 1),
                None if line.slowness is None else round(line.slowness, 2),
                line.why,
            )
            for line in lines
        ]


def _look(follower: Any, event: str, dry_run: bool, before: tuple[Any, ...]) -> tuple[Any, ...]:
    """One look; what cannot be seen or done now is told, and met again in the next one."""
    from cloudsentry.errors import DriverError, Owned, PlanStale

    try:
        lines, report = follower.once(event, dry_run=dry_run)
    except (DriverError, Owned, PlanStale) as error:
        base.say(f"no look: {error}")
        return before
    old = {(line.balancer, line.unit): line.weight for line in before}
    for line in lines:
        if old.get((line.balancer, line.unit), line.full) != line.weight:
            why = line.why or "as its pin says"
            base.say(f"{line.balancer} {line.unit}: weight {line.weight} of {line.full}: {why}")
    if report is not None and report.outcome != "done":
        base.say(f"run {report.run}: {report.outcome}: {'; '.join(report.left)}")
    return tuple(lines)
