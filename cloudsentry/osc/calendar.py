"""`event import-calendar`: a timetable that somebody else keeps, as matches of an event file."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.osc import base

COLUMNS = ("match", "start", "crowd", "length", "kind")


class ImportCalendar(base.Lister):
    """Show the entries of an iCalendar file as matches; -f yaml gives them as an event file's `matches`

    Every occurrence of a recurring entry is a match by itself, in the given zone. An entry may tell its crowd as
    X-CLOUDSENTRY-CROWD and its kind as X-CLOUDSENTRY-KIND; cancelled ones, and those of whole days, are left out.
    """

    _epilog = """examples:
  %(prog)s tournament.ics --timezone Asia/Tokyo --crowd 2000 -f yaml

exit codes: 0 done, 2 bad input"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The file, the zone and the crowd."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="FILE", help="an iCalendar file (.ics)")
        parser.add_argument("--timezone", default="UTC", metavar="ZONE", help="the event's time zone (default: UTC)")
        parser.add_argument("--crowd", type=float, metavar="N", help="load of entries that tell none")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per match."""
        from cloudsentry.scaling.ical import matches

        found = matches(parsed_args.file, parsed_args.timezone, parsed_args.crowd)
        return COLUMNS, [
            (one.match, f"{one.start:%Y-%m-%d %H:%M:%S}", one.crowd, f"{one.length:g}s", one.kind) for one in found
        ]
