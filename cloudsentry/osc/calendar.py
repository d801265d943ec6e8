"""`event import-calendar`: a timetable that somebody else keeps, as matches of an event file."""

from __future__ import annotations

import argparse
import zoneinfo
from typing import Any

from cloudsentry.osc import base

COLUMNS = ("match", "start", "crowd", "length", "kind", "fold")


def zone(value: str) -> str:
    """The name of a zone that there is. Raises ValueError for others."""
    try:
        return zoneinfo.ZoneInfo(value).key
    except (KeyError, OSError) as error:
        raise ValueError(value) from error


def load(value: str) -> float:
    """Requests per second. Raises ValueError for what is none."""
    number = float(value)
    if not 0 < number <= 1e9:
        raise ValueError(value)
    return number


class ImportCalendar(base.Lister):
    """Show the entries of an iCalendar file as matches; -f yaml gives them as an event file's `matches`

    Every occurrence of a recurring entry is a match by itself, in the given zone. An entry may tell its crowd as
    X-CLOUDSENTRY-CROWD and its kind as X-CLOUDSENTRY-KIND; cancelled ones, and those of whole days, are left out.
    An event file may also name the calendar itself: `matches: {ical: tournament.ics, crowd: 2000}`.
    """

    _epilog = """examples:
  %(prog)s tournament.ics --timezone Asia/Tokyo --crowd 2000 -f yaml

exit codes: 0 done, 2 bad input"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The file, the zone and the crowd."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="an iCalendar file (.ics)")
        parser.add_argument(
            "--timezone",
            type=base.worded(zone, "a time zone such as Asia/Tokyo"),
            default="UTC",
            metavar="ZONE",
            help="the event's time zone (default: UTC)",
        )
        parser.add_argument(
            "--crowd", type=base.worded(load, "a number above 0"), metavar="N", help="load of entries that tell none"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per match."""
        from cloudsentry.spec.ical import Wanted, matches
        from cloudsentry.spec.load import text_of

        each = {} if parsed_args.crowd is None else {"crowd": parsed_args.crowd}
        found = matches(text_of(parsed_args.file), parsed_args.file, Wanted(zone=parsed_args.timezone, each=each))
        return COLUMNS, [
            (one["match"], one["start"], one["crowd"], f"{one['length']:g}s", one.get("kind"), one.get("fold"))
            for one in found
        ]
