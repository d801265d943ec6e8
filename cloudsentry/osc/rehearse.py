"""`rehearse`: the whole event beforehand, in minutes, with a crowd that is made up."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base
from cloudsentry.osc.report import drawn, form_of, written

if TYPE_CHECKING:
    from cloudsentry.rehearse import Verdict

COLUMNS = ("Match", "Pool", "Start", "Announced", "Came", "Ready", "Short", "Faults")


class Rehearse(base.Lister):
    """Play an event's whole calendar through the production code, on clouds in memory, and say GO or NO-GO

    A crowd is made up from the timetable, servers take --boot seconds, faults come from --chaos, and the clock
    jumps from one thing to the next: 15 days take minutes. No cloud is called and the journal is not touched.
    --report writes what `event report` would write of it afterwards, with the crowd's figures; --keep leaves the
    rehearsal's own journal in a folder, for `explain` and `event report`.
    """

    _epilog = """examples:
  %(prog)s koshien-2010.yaml
  %(prog)s koshien-2010.yaml --chaos busy,blind,server-lost
  %(prog)s koshien-2010.yaml --chaos all --seed 7 -f json
  %(prog)s koshien-2010.yaml --chaos all --report rehearsal.html
  %(prog)s koshien-2010.yaml --keep rehearsed

exit codes: 0 GO, 1 NO-GO (the reasons are told), 2 bad input"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event file, and how to play it."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="the event file (YAML)")
        parser.add_argument(
            "--speed",
            type=base.positive,
            metavar="N",
            help="N seconds of the event in one (default: as fast as it goes)",
        )
        parser.add_argument("--chaos", default="", metavar="LIST", help="faults, separated by commas, or all")
        parser.add_argument("--seed", type=int, default=1, metavar="N", help="another crowd (default: 1)")
        parser.add_argument(
            "--boot", type=base.positive, default=120.0, metavar="SECONDS", help="how long servers boot (default: 120)"
        )
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="write a report of it: .html (extra [report]), .md or .json"
        )
        parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave its journal in a new or empty folder")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per match; the verdict below."""
        from cloudsentry.rehearse import Rehearsal, parsed

        report, keep = parsed_args.report, parsed_args.keep
        form = form_of(report) if report else ""
        event = self.sentry.load(parsed_args.file)
        if keep:
            _emptied(keep)
        rehearsal = Rehearsal(
            event,
            self.sentry.settings,
            kinds=parsed(parsed_args.chaos),
            seed=parsed_args.seed,
            speed=parsed_args.speed,
            boot=parsed_args.boot,
            tell=base.say,
            keep=keep.absolute() if keep else None,
            reported=bool(report),
        )
        verdict = rehearsal.play()
        self.exit_code = 0 if verdict.go else 1
        base.say(headline(verdict))
        for reason in verdict.reasons:
            base.say(f"  {reason}")
        if report:
            written(report, drawn(rehearsal.report(verdict), form))
            base.say(f"{report}: its report")
        if keep:
            journal = keep.absolute() / "journal.sqlite"
            base.say(f"OS_JOURNAL__CONNECTION=sqlite:///{journal} cloudsentry explain {event.event}")
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


def _emptied(folder: Path) -> None:
    """Make a folder that has nothing in it. Raises `UserError` where there is something, or where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(f"{folder} is not empty: a rehearsal's journal begins anew")
    except OSError as error:
        raise UserError(f"{folder} cannot be used: {error.strerror}") from error


def headline(verdict: Verdict) -> str:
    """The verdict in one line."""
    word = "GO" if verdict.go else "NO-GO"
    return f"{word}: {verdict.days:.1f} days, {verdict.ticks} ticks, {verdict.runs} runs, {verdict.failed} failed"
