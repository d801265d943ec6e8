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
    is mended. Several agents may share a journal. SIGTERM and Ctrl-C end it cleanly: no call is cut off.
    """

    _epilog = """examples:
  %(prog)s
  %(prog)s --every 10 --times 1                  # one pass, for a timer"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """How often, and how long."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--every", type=positive, default=30.0, metavar="SECONDS", help="from pass to pass (default: 30)"
        )
        parser.add_argument(
            "--times", type=int, default=0, metavar="N", help="number of passes (default: until stopped)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Loop until told to stop."""
        from cloudsentry.agent import Agent as Loop
        from cloudsentry.executor.clock import Clock
        from cloudsentry.scale import Scaler
        from cloudsentry.sentry import Sentry

        clock = Clock()
        stopped_by_signals(clock)
        sentry = Sentry(self.sentry.settings, clock=clock)
        scaler = Scaler(sentry)
        base.say(f"agent: a pass every {parsed_args.every:g} s")
        try:
            Loop(scaler, clock, every=parsed_args.every).run(parsed_args.times)
        finally:
            scaler.close()
            sentry.close()
        base.say("agent: stopped")


def stopped_by_signals(clock: Clock) -> None:
    """SIGTERM and SIGINT stop a clock: sleepers wake, and runs end after the calls that are under way."""

    def stop(number: int, frame: Any) -> None:
        clock.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def positive(value: str) -> float:
    """A number above zero. Raises ValueError otherwise."""
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number
