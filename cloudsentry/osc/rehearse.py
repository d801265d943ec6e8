"""`rehearse`: the whole event beforehand, in minutes, with a crowd that is made up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cloudsentry.osc import base

if TYPE_CHECKING:
    from cloudsentry.rehearse import Verdict

COLUMNS = ("Match", "Pool", "Start", "Announced", "Came", "Ready", "Short", "Faults")


class Rehearse(base.Lister):
    """Play an event's whole calendar through the production code, on clouds in memory, and say GO or NO-GO

    A crowd is made up from the timetable, servers take --boot seconds, faults come from --chaos, and the clock
    jumps from one thing to the next: 15 days take minutes. No cloud is called and the journal is not touched.
    """

    _epilog = """examples:
  %(prog)s koshien-2010.yaml
  %(prog)s koshien-2010.yaml --chaos busy,blind,server-lost
  %(prog)s koshien-2010.yaml --chaos all --seed 7 -f json

exit codes: 0 GO, 1 NO-GO (the reasons are told), 2 bad input"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event file, and how to play it."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="the event file (YAML)")
        parser.add_argument(
            "--speed", type=positive, metavar="N", help="N seconds of the event in one (default: as fast as it goes)"
        )
        parser.add_argument("--chaos", default="", metavar="LIST", help="faults, separated by commas, or all")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another crowd (default: 1)")
        parser.add_argument(
            "--boot", type=positive, default=120.0, metavar="SECONDS", help="how long servers boot (default: 120)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per match; the verdict below."""
        from cloudsentry.rehearse import Rehearsal, parsed

        rehearsal = Rehearsal(
            self.sentry.load(parsed_args.file),
            self.sentry.settings,
            kinds=parsed(parsed_args.chaos),
            seed=parsed_args.seed,
            speed=parsed_args.speed,
            boot=parsed_args.boot,
            tell=base.say,
        )
        verdict = rehearsal.play()
        self.exit_code = 0 if verdict.go else 1
        base.say(headline(verdict))
        for reason in verdict.reasons:
            base.say(f"  {reason}")
        return COLUMNS, [
            (
                line.match,
                line.pool,
                line.start.isoformat(),
                round(line.announced),
                round(line.came),
                line.ready,
                round(line.short),
                ", ".join(line.faults),
            )
            for line in verdict.matches
        ]


def headline(verdict: Verdict) -> str:
    """The verdict in one line."""
    word = "GO" if verdict.go else "NO-GO"
    return f"{word}: {verdict.days:.1f} days, {verdict.ticks} ticks, {verdict.runs} runs, {verdict.failed} failed"


def positive(value: str) -> float:
    """A number above zero. Raises ValueError otherwise."""
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number
