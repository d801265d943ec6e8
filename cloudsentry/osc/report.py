"""`event report`: one file that tells an event from its first run on."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloudsentry.errors import UserError
from cloudsentry.osc import base

FORMATS = ("html", "md", "json")
"""Of a file's name the last part says which."""


class Report(base.Command):
    """Report an event out of the journal: runs, lead times, servers and server-hours by cloud, incidents, decisions

    No cloud is asked. The answer is one self-contained file: HTML (with plots; needs the extra [report]), Markdown or
    JSON.
    """

    _epilog = """examples:
  %(prog)s koshien-2010 --format html --out koshien.html
  %(prog)s koshien-2010 --format json | jq .hours
  %(prog)s koshien-2010 --format html --out koshien.html --figure 'TCP sessions=sessions.json'"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which event, which format, and where to."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="name of the event")
        parser.add_argument("--format", choices=FORMATS, default="md", help="default: md")
        parser.add_argument("--out", metavar="FILE", type=Path, help="write there instead of to the standard output")

        parser.add_argument(
            "--figure",
            metavar="TITLE=FILE",
            action="append",
            type=base.worded(_figure, "TITLE=FILE"),
            default=[],
            help="a course over time that the journal has not, such as sessions, traffic or CPU by hypervisor: the "
            "answer of Prometheus's query_range in a file (may be given several times)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Write the report."""
        from cloudsentry.history.figures import read
        from cloudsentry.history.report import history

        figures = tuple(read(title, path) for title, path in parsed_args.figure)
        found = replace(history(self.sentry, parsed_args.event), figures=figures)
        text = drawn(found, parsed_args.format)
        if parsed_args.out is None:
            self.app.stdout.write(text)
        else:
            written(parsed_args.out, text)


def _figure(value: str) -> tuple[str, Path]:
    """Raises ValueError where there is no title or no file."""
    title, _, path = value.partition("=")
    if not title.strip() or not path:
        raise ValueError(value)
    return title.strip(), Path(path)


def form_of(path: Path) -> str:
    """The format that a file's name asks for. Raises `UserError` where it asks for none, or for one that cannot be."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise UserError(f"{path}: reports end in .html, .md or .json")
    _renderer(form)
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}")
    return form


def drawn(found: object, form: str) -> str:
    """A history in one of the formats. Raises `UserError` where what draws it is not installed."""
    text: str = _renderer(form).report(found)
    return text


def _renderer(form: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"cloudsentry.render.report_{form}")
    except ImportError as error:
        raise UserError(f"HTML reports need the extra [report] (pip install cloudsentry[report]): {error}") from error


def written(path: Path, text: str) -> None:
    """Write a file: all of it, or what was there before stays. Raises `UserError`."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
