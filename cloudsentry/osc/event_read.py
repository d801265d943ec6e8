"""`event list | show`: what the journal knows of events. No cloud is asked."""

from __future__ import annotations

import argparse
import json
from typing import Any

from cloudsentry.osc import base
from cloudsentry.osc.journal_cells import Tree, When

COLUMNS = ("Name", "Revision", "State", "Runs", "Last outcome", "Updated")


class ListEvents(base.Lister):
    """List the events that were ever applied from here.

    An event that was destroyed is kept, as gone, for its history. How an event stands on its clouds
    now is told by `event status`.
    """

    _epilog = "example:\n  %(prog)s --kept"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whether those gone are left out."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--kept", action="store_true", help="leave out the events that were destroyed")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per event."""
        events = [row for row in self.sentry.events() if row.state == "kept" or not parsed_args.kept]
        self.notes = () if events else ("No events yet: `event apply FILE` makes one.",)
        return COLUMNS, [
            (row.name, row.revision, row.state, row.runs, row.outcome, When(row.updated)) for row in events
        ]


class ShowEvent(base.ShowOne):
    """Show the newest revision of an event.

    The text of user_data is left out, as it may hold secrets; ask for it with --user-data.
    """

    _epilog = "example:\n  %(prog)s koshien-2010"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event, and how much of it."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="name of the event")
        parser.add_argument("--user-data", action="store_true", help="show the servers' user_data too")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """The event's row, and its newest revision."""
        row, revision = self.sentry.show(parsed_args.event)
        body = json.loads(revision.body)
        fields = {
            "name": row.name,
            "state": row.state,
            "revision": revision.number,
            "digest": revision.digest,
            "revised": When(revision.created),
            "runs": row.runs,
            "last_outcome": row.outcome,
            "created": When(row.created),
            "updated": When(row.updated),
            "body": Tree(body if parsed_args.user_data else _covered(body)),
        }
        return tuple(fields), tuple(fields.values())


def _covered(body: Any) -> Any:
    """The same tree, every ``user_data`` replaced by its length."""
    if isinstance(body, dict):
        return {key: _length(value) if key == "user_data" else _covered(value) for key, value in body.items()}
    return [_covered(item) for item in body] if isinstance(body, list) else body


def _length(value: Any) -> Any:
    return f"({len(value)} characters)" if isinstance(value, str) else value
