"""`stretch list | show | check`: the ends of an event's stretched networks, as they are now. Nothing is written."""

from __future__ import annotations

import argparse
from typing import Any

from cloudsentry.errors import PlanError, UserError
from cloudsentry.osc import base, progress
from cloudsentry.osc.event import ended
from cloudsentry.records.reports import StretchLine
from cloudsentry.render import text

COLUMNS = ("Stretch", "Cloud", "Driver", "State", "Joined", "Alive", "RTT ms", "Loss %", "Offer", "Objects")


def _row(line: StretchLine) -> tuple[Any, ...]:
    probed = (line.alive, line.rtt, line.loss)
    return line.unit, line.cloud, line.driver, line.state, line.joined, *probed, line.offer, line.objects


class ListStretches(base.Lister):
    """List the ends of an event's stretched networks: state, what each offers, and whether the two are joined."""

    _epilog = "examples:\n  %(prog)s koshien-2010\n  %(prog)s koshien-2010.yaml -f json"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per end."""
        lines = self.sentry.status(parsed_args.event).stretches
        self.notes = () if lines else (f"{parsed_args.event}: no end of a stretched network is there",)
        return COLUMNS, [_row(line) for line in lines]


class ShowStretch(base.Lister):
    """Show one stretched network: a row per end; below what its ends saw of each other, and what is not as wanted.

    Whoever looks (this command, status, the agent) keeps in the journal what the ends have just told.
    """

    _epilog = "example:\n  %(prog)s koshien-2010 origin-link"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event and which of its stretches."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        parser.add_argument("stretch", metavar="STRETCH", help="name of the stretch")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The ends of one stretch."""
        from cloudsentry.probing import summed

        wanted, _ = self.sentry.event(parsed_args.event)
        status = self.sentry.status(parsed_args.event)
        known = sorted({line.unit for line in status.stretches} | set(wanted.stretches))
        if parsed_args.stretch not in known:
            raise UserError(
                f"event {wanted.event} has no stretch {parsed_args.stretch!r} (known: {', '.join(known) or 'none'})"
            )
        lines = [line for line in status.stretches if line.unit == parsed_args.stretch]
        drift = [one for one in status.drift if one.unit == parsed_args.stretch]
        details = [f"{line.cloud}: {line.detail}" for line in lines if line.detail]
        seen = summed(self.sentry.probes(wanted.event, parsed_args.stretch))
        self.notes = (*details, *seen, *(f"drift: {one.cloud}: {one.what}" for one in drift))
        return COLUMNS, [_row(line) for line in lines]


class RotateStretch(base.ShowOne):
    """Give a stretched network new keys, at both ends.

    `gateway`: without loss, both keys hold until the far end has answered on the new one. `vpnaas`: the tunnel is
    interrupted for a moment. Where this is stopped in between, the next apply goes on.
    """

    _epilog = "example:\n  %(prog)s koshien-2010 origin-link"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event and which of its stretches."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name")
        parser.add_argument("stretch", metavar="STRETCH", help="name of the stretch")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """Rotate, and apply."""
        with progress.told() as listen:
            report = self.sentry.rotate(parsed_args.event, parsed_args.stretch, listen=listen)
        return ended(self, report, f"cloudsentry event apply {parsed_args.event}")


class CheckStretches(base.Lister):
    """Check an event's stretched networks by reading both clouds; nothing is made, and no packet is sent.

    Before an apply it tells what would be refused, afterwards what is not as it should be. Exit code 1 where
    there is anything to tell. A row per finding.
    """

    _epilog = "examples:\n  %(prog)s koshien-2010.yaml      # before anything is made\n  %(prog)s koshien-2010"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The guard's refusals, and the drift of the ends."""
        wanted, _ = self.sentry.event(parsed_args.event)
        found: list[tuple[Any, ...]] = []
        try:
            plan = self.sentry.plan(wanted)
        except PlanError as error:
            found += [("refused", "", "", line) for line in error.refusals]
        else:
            drift = [one for one in plan.drift if one.unit in wanted.stretches]
            found += [(one.kind, one.cloud, one.unit, one.what) for one in drift]
        self.exit_code = 1 if found else 0
        told = text.count(len(found), "finding") if found else "nothing to tell: both ends of each are as wanted"
        checked = "1 stretch" if len(wanted.stretches) == 1 else f"{len(wanted.stretches)} stretches"
        self.notes = (f"{wanted.event}: {checked} checked, {told}",)
        return ("Kind", "Cloud", "Stretch", "What"), found
