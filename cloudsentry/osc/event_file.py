"""Commands on event files alone: they ask no cloud and need no credentials."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cloudsentry.osc.base import Command, Lister

if TYPE_CHECKING:
    from cloudsentry.spec.event import Event

COLUMNS = ("File", "Event", "Sites", "Pools", "Servers", "Balancers")


class Validate(Lister):
    """Check event files without asking any cloud

    Every fault of every file is told at once, as FILE:LINE:COLUMN. Exit code 0: all files
    are valid; 2: at least one is not.

    Example:
      cloudsentry event validate koshien-2010.yaml
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The files."""
        parser = super().get_parser(prog_name)
        parser.add_argument("files", metavar="FILE", nargs="+", help="event file")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """One row per file. Raises SpecError with the faults of all files."""
        from cloudsentry.spec.load import load_all

        events = load_all(parsed_args.files)
        return COLUMNS, [_row(file, event) for file, event in zip(parsed_args.files, events, strict=True)]

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]) -> int:
        """A sentence per file; rows where another format than the table is asked for."""
        if parsed_args.formatter != "table":
            return super().produce_output(parsed_args, column_names, data)
        for row in data:
            print(_sentence(*row), file=self.app.stdout)
        return 0


class Schema(Command):
    """Print the JSON Schema of event files, for editors

    An editor that knows YAML schemas finds it by the first line of an event file:
      # yaml-language-server: $schema=event.schema.json

    Example:
      cloudsentry event schema > event.schema.json
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Print it."""
        from cloudsentry.spec.schema import schema

        print(json.dumps(schema(), indent=2), file=self.app.stdout)


def _row(file: str, event: Event) -> tuple[Any, ...]:
    servers = sum(pin.count for pool in event.pools.values() for pin in pool.pins)
    return file, event.event, len(event.sites), len(event.pools), servers, len(event.balancers)


def _sentence(file: str, event: str, sites: int, pools: int, servers: int, balancers: int) -> str:
    parts = f"{_many(sites, 'site')}, {_many(pools, 'pool')} with {_many(servers, 'server')}"
    return f"{file}: event {event} is valid: {parts}, {_many(balancers, 'balancer')}"


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
