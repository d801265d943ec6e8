"""`run list | show`: what was done, from the journal. No cloud is asked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cloudsentry.osc import base
from cloudsentry.osc.journal_cells import Lines, Tree, When

if TYPE_CHECKING:
    from cloudsentry.journal import RunRow, StepRow

COLUMNS = ("Run", "Event", "Revision", "Goal", "Outcome", "Started", "Seconds", "Writes", "Reads")


class ListRuns(base.Lister):
    """List runs, the newest first.

    An outcome of `open` is a run that works still, or whose process was killed: apply the event again, and
    what is left is done.
    """

    _epilog = "example:\n  %(prog)s --event koshien-2010"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whose runs."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--event", metavar="EVENT", help="only the runs of this event")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per run."""
        runs = self.sentry.runs(parsed_args.event)
        self.notes = () if runs else ("No runs yet.",)
        return COLUMNS, [_row(run) for run in runs]


class ShowRun(base.ShowOne):
    """Show one run: what it did step by step, and what it left."""

    _epilog = "example:\n  %(prog)s 7"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which run."""
        parser = super().get_parser(prog_name)
        parser.add_argument("run", metavar="RUN", type=int, help="number of the run, from `run list`")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """The run and its steps."""
        run = self.sentry.run(parsed_args.run)
        fields = {
            "run": run.id,
            "event": run.event,
            "revision": run.revision,
            "goal": run.goal,
            "outcome": _outcome(run),
            "started": When(run.started),
            "ended": When(run.ended),
            "process": f"{run.pid} on {run.host}",
            "writes": run.writes,
            "reads": run.reads,
            "retries": sum(max(0, step.attempts - 1) for step in run.steps),
            "left": Lines(run.report.left if run.report else ()),
            "steps": Steps([_step(step) for step in run.steps]),
        }
        return tuple(fields), tuple(fields.values())


class Steps(Tree):
    """The steps of a run: a line each in a table, objects to a program."""

    def human_readable(self) -> str:
        """``done    web/hv1  create-servers  why``, and below it what went wrong."""
        return "\n".join(_line(step) for step in self._value)


def _line(step: dict[str, Any]) -> str:
    tries = f" ({step['attempts']} attempts)" if step["attempts"] > 1 else ""
    error = f"\n         {step['error']}" if step["error"] else ""
    return f"{step['state']:<8} {step['cloud']} {step['unit']} {step['verb']}{tries}: {step['why']}{error}"


def _step(step: StepRow) -> dict[str, Any]:
    return {
        "id": step.step,
        "unit": step.unit,
        "cloud": step.cloud,
        "verb": step.verb,
        "action": step.action,
        "state": step.state,
        "attempts": step.attempts,
        "why": step.why,
        "error": step.error,
        "started": When(step.started).machine_readable(),
        "ended": When(step.ended).machine_readable(),
    }


def _row(run: RunRow) -> tuple[Any, ...]:
    seconds = round((run.ended - run.started).total_seconds(), 1) if run.ended else None
    return (
        run.id,
        run.event,
        run.revision,
        run.goal,
        _outcome(run),
        When(run.started),
        seconds,
        run.writes,
        run.reads,
    )


def _outcome(run: RunRow) -> str:
    return run.outcome or "open"
