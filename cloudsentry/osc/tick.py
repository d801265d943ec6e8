"""`event tick` and `explain`: scaling from the terminal or any scheduler, and why it decided so."""

from __future__ import annotations

import argparse
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from cloudsentry.osc import base, progress
from cloudsentry.osc.event import EXIT_CODES
from cloudsentry.render import text

if TYPE_CHECKING:
    from cloudsentry.journal.decisions import DecisionRow

TICK = ("Pool", "Servers", "Wanted", "Rule", "Why", "State", "Run")
EXPLAIN = (
    "Decision",
    "From",
    "Until",
    "Times",
    "Pool",
    "Servers",
    "Wanted",
    "Rule",
    "Inputs",
    "Why",
    "Source",
    "State",
)


class Tick(base.Lister):
    """Decide once how many servers an event's pools need, and apply what changes

    For cron, timers and any other scheduler; `agent` does the same in a loop. The timetable and the signals are
    read, the policy decides within the bounds, and new counts are a new revision. Also goes on with a run that did
    not reach its end. Every decision is kept for `explain`.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 --dry-run --at 2010-08-21T03:30:00+00:00     # what would be decided then

exit codes: 0 done, 1 failed or stopped, 2 bad input, 3 the event has moved on meanwhile"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event, the time, and whether only to tell."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument(
            "--at",
            type=base.worded(moment, "a time such as 2010-08-21T04:00:00Z"),
            metavar="TIME",
            help="decide as if it were then (ISO 8601; default: now)",
        )
        parser.add_argument("--dry-run", action="store_true", help="tell the decisions; keep and change nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per pool."""
        from cloudsentry.scaling.scale import Scaler

        scaler = Scaler(self.sentry)
        with progress.told() as listen:
            tick = scaler.tick(parsed_args.name, at=parsed_args.at, dry_run=parsed_args.dry_run, listen=listen)
        scaler.close()
        if tick.report is not None:
            self.exit_code = EXIT_CODES[tick.report.outcome]
            for line in text.report_lines(tick.report, f"cloudsentry event tick {parsed_args.name}"):
                base.say(line)
        state = "dry run" if parsed_args.dry_run else None
        for line in tick.alarms:
            base.say(f"alarm: {line}")
        if not tick.decisions:
            self.notes = (f"event {parsed_args.name} scales no pool",)
        return TICK, [
            (row.pool, row.current, row.wanted, row.rule, list(row.reasons), state or row.state, row.run)
            for row in tick.decisions
        ]


class Explain(base.Lister):
    """Tell why an event's pools have as many servers as they have: inputs, rule, decision, newest first

    Decisions that change nothing for the same reason are one row, with the first and the last time.
    """

    _epilog = """examples:
  %(prog)s koshien-2010
  %(prog)s koshien-2010 --at 2010-08-21T05:00:00+00:00 --limit 1
  %(prog)s koshien-2010 -f json"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The event, and which decisions."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="the event's name")
        parser.add_argument(
            "--at",
            type=base.worded(moment, "a time such as 2010-08-21T04:00:00Z"),
            metavar="TIME",
            help="as it was known then (ISO 8601)",
        )
        parser.add_argument("--limit", type=base.whole, default=20, metavar="N", help="rows at the most (default: 20)")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per decision."""
        from cloudsentry.scaling.scale import Scaler

        scaler = Scaler(self.sentry)
        rows = scaler.explain(parsed_args.name, parsed_args.limit, parsed_args.at)
        scaler.close()
        table = parsed_args.formatter == "table"
        return EXPLAIN, [_explained(row, table) for row in rows]


def _explained(row: DecisionRow, table: bool) -> tuple[Any, ...]:
    why = [*row.reasons, *([row.error] if row.error else [])]
    inputs = told(row) if table else json.loads(json.dumps(row.inputs))
    return (
        row.id,
        row.at.isoformat(timespec="seconds"),
        row.until.isoformat(timespec="seconds"),
        row.times,
        row.pool,
        row.current,
        row.wanted,
        row.rule,
        inputs,
        why,
        row.source,
        row.state,
    )


def told(row: DecisionRow) -> list[str]:
    """What the policy saw, in short lines; ``-f json`` has all of it."""
    inputs = row.inputs
    lines = [
        f"{inputs['least']} to {inputs['most']} servers",
        f"boot {inputs['boot']:.0f} s, ahead {inputs['ahead']:.0f} s",
    ]
    if row.demand is not None:
        lines.append(f"demand {row.demand:g} requests/s")
    signal = inputs["signal"]
    if signal:
        lines.append(
            f"signal {signal['value']:g} {signal['unit']}" if "value" in signal else f"no signal: {signal['why']}"
        )
    return lines


def moment(value: str) -> dt.datetime:
    """An ISO 8601 time; one without an offset is UTC. Raises ValueError otherwise."""
    found = dt.datetime.fromisoformat(value)
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found
