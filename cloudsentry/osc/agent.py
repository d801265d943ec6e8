"""`agent`: the loop, as a process that a service manager starts and stops."""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING, Any

from cloudsentry.osc import base

if TYPE_CHECKING:
    from cloudsentry.executor.clock import Clock


class Agent(base.Command):
    """Keep all applied events as they should be, in a loop: timetable, signals, drift

    Every --every seconds each event is decided on (as `event tick` does) and compared with its clouds; what differs
    is mended; `event nudge` has that done at once. Weights of events that ask for it follow their members, as
    `weights follow` lets them. Several agents may share a journal, on as many hosts as like to:
    an event is worked on by one of them at a time, and a dead one's are taken over. SIGTERM and Ctrl-C end it
    cleanly: no call is cut off.
    """

    _epilog = """examples:
  %(prog)s
  %(prog)s --every 10 --workers 4                # four events at once
  %(prog)s --every 10 --times 1                  # one pass, for a timer"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How often, and how long."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--every", type=base.positive, default=30.0, metavar="SECONDS", help="from pass to pass (default: 30)"
        )
        parser.add_argument(
            "--times", type=base.whole, default=0, metavar="N", help="number of passes (default: until stopped)"
        )
        parser.add_argument(
            "--workers",
            type=base.worded(workers, "a number from 1 to 64"),
            default=1,
            metavar="N",
            help="events worked on at once (default: 1)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Loop until told to stop."""
        from cloudsentry.agent import Agent as Loop
        from cloudsentry.executor.clock import Clock
        from cloudsentry.scaling.scale import Scaler
        from cloudsentry.sentry import Sentry
        from cloudsentry.weights.following import Follower

        clock = Clock()
        stopped_by_signals(clock)
        # One hall per worker: what a run has written is counted by its own calls.
        halls = [Sentry(self.sentry.settings, clock=clock) for _ in range(parsed_args.workers)]
        scalers = [Scaler(hall) for hall in halls]
        beside = Sentry(self.sentry.settings, clock=clock)
        follow = Follower(beside).once
        base.say(f"agent: a pass every {parsed_args.every:g} s")
        try:
            Loop(scalers[0], clock, every=parsed_args.every, others=scalers[1:], follow=follow).run(parsed_args.times)
        finally:
            beside.close()
            for scaler, hall in zip(scalers, halls, strict=True):
                scaler.close()
                hall.close()
        base.say("agent: stopped")


def stopped_by_signals(clock: Clock) -> None:
    """SIGTERM and SIGINT stop a clock: sleepers wake, and runs end after the calls that are under way."""

    def stop(number: int, frame: Any) -> None:
        clock.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


class Nudge(base.Command):
    """Have agents look at events now, and not at their next pass

    Whatever agent comes first does it, within a second or two; where none runs, the first that is started.
    """

    _epilog = "examples:\n  %(prog)s koshien-2010"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which events."""
        parser = super().get_parser(prog_name)
        parser.add_argument("names", nargs="+", metavar="NAME", help="an event's name")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask, and return at once."""
        for name in parsed_args.names:
            self.sentry.nudge(name)


def workers(value: str) -> int:
    """A number from 1 to 64. Raises ValueError otherwise."""
    number = int(value)
    if not 1 <= number <= 64:
        raise ValueError(value)
    return number
