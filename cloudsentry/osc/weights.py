"""`weights show | set`: what each member's weight is and why, and weights set by hand."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress
from cloudsentry.osc.event import EXIT_CODES
from cloudsentry.render import rows, text

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

COLUMNS = ("Balancer", "Server", "Address", "Weight now", "Weight wanted", "Share %", "Why")


class ShowWeights(base.Lister):
    """Show the weight of every member of an event's balancers, its share of new requests, and why.

    The balancers are looked at, read only. A measured weight is told with its calibration, the derating at the packing
    that stands, and what rounding to integers costs.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event's name."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> rows.Rows:
        """One row per member."""
        from cloudsentry.weights import weigh

        lines = weigh.weights(self.sentry, parsed_args.event)
        return COLUMNS, [
            (line.balancer, line.server, line.address, line.weight, line.wanted, line.share, line.why) for line in lines
        ]


class SetWeights(base.ShowOne):
    """Set the weights of units behind a balancer, all in one write.

    A new revision of the event keeps them: apply an older event file, and its weights come back. A unit is
    what `event status` lists: the servers of a pool at one place. Where several do this at once they take turns,
    and each one's weights hold.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 nara front-nara@private-xeon1=10 front-nara@private-opteron1=2
  %(prog)s koshien-2010 nara front-nara@private-opteron1=0     # no new requests there
  %(prog)s koshien-2010 nara --measured                 # after `calibrate`"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event, the balancer, the weights."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        parser.add_argument("balancer", metavar="BALANCER", help="the balancer's name in the event")
        parser.add_argument("weights", metavar="UNIT=WEIGHT", nargs="*", help="a unit and its weight, 0 to 256")
        parser.add_argument(
            "--measured", action="store_true", help="the weights of the newest calibration; those given here come first"
        )
        parser.add_argument(
            "--wait", type=float, default=30.0, metavar="SECONDS", help="for the event to be free (default: 30)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The run's end."""
        from cloudsentry.weights import weigh

        wanted = _parsed(parsed_args.weights)
        if parsed_args.measured:
            wanted = _measured(self.sentry, parsed_args.event, parsed_args.balancer) | wanted
        if not wanted:
            raise UserError("no weights: write UNIT=WEIGHT, or --measured")
        with progress.told() as listen:
            report = weigh.set_weights(
                self.sentry, parsed_args.event, parsed_args.balancer, wanted, wait=parsed_args.wait, listen=listen
            )
        self.exit_code = EXIT_CODES[report.outcome]
        words = " ".join(f"{unit}={weight}" for unit, weight in wanted.items())
        again = f"cloudsentry weights set {parsed_args.event} {parsed_args.balancer} {words}"
        for line in text.report_lines(report, again):
            base.say(line)
        return rows.report(report)


def _measured(sentry: Sentry, event: str, balancer: str) -> dict[str, int]:
    from cloudsentry.calibration import calibrate

    wanted = calibrate.measured_weights(sentry, event, balancer)
    base.say(f"measured: {' '.join(f'{unit}={weight}' for unit, weight in wanted.items())}")
    return wanted


def _parsed(words: list[str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for word in words:
        unit, equals, weight = word.rpartition("=")
        if not equals or not unit or not weight.isdecimal():
            raise UserError(f"{word!r} is no weight: write UNIT=WEIGHT, such as front-nara@private-xeon1=10")
        if wanted.setdefault(unit, int(weight)) != int(weight):
            raise UserError(f"{unit} is given two weights")
    return wanted
