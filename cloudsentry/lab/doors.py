"""The kinds of commands of the lab: cliff's own, whose help keeps the lines of its examples."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from cliff import command, lister, show


def _lined(parser: ArgumentParser) -> ArgumentParser:
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


class Command(command.Command):
    """A command that does."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """With the description as it was written."""
        return _lined(super().get_parser(prog_name))


class Lister(lister.Lister):
    """A command that lists."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """With the description as it was written."""
        return _lined(super().get_parser(prog_name))


class ShowOne(show.ShowOne):
    """A command that shows one thing."""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        """With the description as it was written."""
        return _lined(super().get_parser(prog_name))
