"""`event shift`: a match is later, or earlier, and everything that hangs on its start moves with it."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base, progress
from cloudsentry.osc.event import EXIT_CODES
from cloudsentry.render import text

if TYPE_CHECKING:
    from cloudsentry.scaling.shift import Shift

COLUMNS = ("What", "Pool", "Servers", "Before", "After")
_PART = re.compile(r"(\d+)([dhms])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


class ShiftMatch(base.Lister):
    """Move a match of an event's timetable, and with it when its servers come and go

    The plan is shown first, and asked about on a terminal; elsewhere --yes is required. What is kept is a new
    revision of the event, applied like any other; `event tick` or `agent` carry out what it means for now.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 final +45m                 # rain
  %(prog)s koshien-2010 final +45m --and-later     # and every later match of its day
  %(prog)s koshien-2010 final -10m --yes
  %(prog)s koshien-2010 final --longer +30m        # extra innings; --longer=-30m is an early end
  %(prog)s koshien-2010 final --off                # rained out

exit codes: 0 done, 1 failed, 2 bad input or not confirmed, 3 the event has moved on meanwhile"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event, the match, by how much."""
        parser = super().get_parser(prog_name)
        # argparse takes what looks like a negative number for no option: so is -10m a time.
        parser._negative_number_matcher = re.compile(r"^-\d+[dhms\d]*$")
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument("match", metavar="MATCH", help="one of its matches")
        parser.add_argument(
            "by",
            type=base.worded(seconds, "a time such as +45m or -1h30m"),
            nargs="?",
            metavar="TIME",
            help="such as +45m, +1d, -10m or +1h30m",
        )
        parser.add_argument(
            "--longer",
            type=base.worded(seconds, "a time such as +45m or -1h30m"),
            default=0.0,
            metavar="TIME",
            help="it lasts so much longer, or shorter (-30m)",
        )
        parser.add_argument("--off", action="store_true", help="it is not played: its servers go")
        parser.add_argument("--and-later", action="store_true", help="the later matches of that day move as well")
        parser.add_argument("--dry-run", action="store_true", help="show the plan only")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """What moves; kept when somebody agreed."""
        from cloudsentry.scaling.shift import planned

        event, number = self.sentry.event(parsed_args.name)
        if parsed_args.by is None and not parsed_args.longer and not parsed_args.off:
            raise UserError("say by how much: TIME, --longer TIME, or --off")
        shift = planned(
            event,
            parsed_args.match,
            parsed_args.by or 0.0,
            later=parsed_args.and_later,
            longer=parsed_args.longer,
            off=parsed_args.off,
        )
        if not parsed_args.dry_run:
            if not parsed_args.yes:
                _ask(shift)
            with progress.told() as listen:
                report = self.sentry.apply(shift.event, since=number, listen=listen)
            self.exit_code = EXIT_CODES[report.outcome]
            for line in text.report_lines(report, f"cloudsentry event tick {parsed_args.name}"):
                base.say(line)
        return COLUMNS, [
            (move.what, move.pool, move.servers, move.before.isoformat(), move.after.isoformat())
            for move in shift.moves
        ]


def _ask(shift: Shift) -> None:
    if not sys.stdin.isatty():
        raise UserError("a match is moved with a yes: say --yes where nobody can be asked, or --dry-run to look first")
    for move in shift.moves:
        base.say(f"{move.what} {move.pool}: {move.before:%Y-%m-%d %H:%M} -> {move.after:%Y-%m-%d %H:%M %Z}")
    print("Move it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UserError("not confirmed; nothing was changed")


def seconds(value: str) -> float:
    """``+45m``, ``-10m``, ``+1h30m`` in seconds. Raises ValueError for anything else, and for no time at all."""
    sign, rest = value[:1], value[1:]
    if sign not in ("+", "-") or not re.fullmatch(r"(\d+[dhms])+", rest):
        raise ValueError(value)
    found = sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(rest))
    if not 0 < found <= 366 * 86400:
        raise ValueError(value)
    return -float(found) if sign == "-" else float(found)
