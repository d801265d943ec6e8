"""What every command shares: how errors reach people, where the hall is, how help looks.

A command parses, calls the hall (`self.sentry`) and hands rows to cliff. It never catches
an error of the project: `answered` does, once, for all of them.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from cliff import command, lister, show

from cloudsentry.errors import Lost, Moving, Owned, PlanError, PlanStale, RunStopped, SentryError, SpecError, UserError
from cloudsentry.osc.columns import shown

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever read our output has gone."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a file says that takes no more."""

_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (SpecError, "Nothing was changed. Mend the file and check it with `event validate`."),
    (PlanStale, "Nothing was changed. Make a new plan with `event plan --out`, or apply the event file itself."),
    (PlanError, "Nothing was changed."),
    (RunStopped, "Nothing is lost: run the same command again to go on; `run show` tells how far it came."),
    (Lost, "Nothing is lost: whoever has the event now goes on with it."),
    (Moving, "Nothing was changed."),
    (Owned, "Wait for the other process, or stop it, and run this again."),
    (KeyboardInterrupt, "Nothing is lost: run the same command again to go on."),
)


def say(text: str) -> None:
    """One message for people, on stderr: stdout is for the answer alone."""
    if sys.stderr is not None:  # closed by the caller (2>&-): `print` would turn to stdout
        print(text, file=sys.stderr, flush=True)


T = TypeVar("T")


def worded(read: Callable[[str], T], expected: str) -> Callable[[str], T]:
    """An argument's type that says what was expected of a value which ``read`` raises ValueError for."""

    def told(value: str) -> T:
        try:
            return read(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"expected {expected}, found {value!r}") from error

    return told


def positive(value: str) -> float:
    """An argument's type: a number above zero."""
    return worded(_positive, "a number above 0")(value)


def _positive(value: str) -> float:
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def whole(value: str) -> int:
    """An argument's type: an integer above zero."""
    return worded(_whole, "an integer above 0")(value)


def _whole(value: str) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(value)
    return number


def terminal() -> bool:
    """Whether a person watches stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def answered(action: Callable[[], int], *, debug: bool) -> int:
    """The exit code of ``action``; what it raises becomes sentences on stderr, never a traceback.

    An error of the project ends with its own ``exit_code``, Ctrl-C with 130, anything
    else with 1 and one line. ``debug`` shows the traceback as well.
    """
    try:
        return action()
    except BrokenPipeError:
        return BROKEN_PIPE
    except KeyboardInterrupt as stop:
        return _told(stop, "stopped", INTERRUPTED, debug)
    except SentryError as error:
        return _told(error, str(error), error.exit_code, debug)
    except OSError as error:
        if error.errno not in FULL:
            return _internal(error, debug)
        return _told(error, f"the answer cannot be written: {error.strerror}", 1, debug)
    except Exception as error:  # noqa: BLE001 - the last door before the user
        return _internal(error, debug)


def _internal(error: Exception, debug: bool) -> int:
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return _told(error, f"internal error: {line} (run with --debug for the traceback)", 1, debug)


def _told(error: BaseException, message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "")
    say(f"{message}\n{advice}" if advice else message)
    return code


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of descriptions and examples."""


class Command(command.Command):
    """A command that prints what it likes; `take_action` may return the exit code."""

    auth_required = False  # an event names its own clouds; the shell's own need not be one

    @property
    def sentry(self) -> Sentry:
        """The hall, opened when first asked for."""
        return hall_of(self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """cliff's parser, with help that keeps its line breaks."""
        return _plain(super().get_parser(prog_name))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit code; errors are told, not raised."""
        return answered(lambda: super(Command, self).run(parsed_args) or 0, debug=_debug(self.app))


class Lister(lister.Lister):
    """A command that answers with rows.

    `take_action` may set `exit_code`, and `notes`: lines for people, told after a table and never in data formats.
    """

    auth_required = False
    exit_code = 0
    notes: tuple[str, ...] = ()

    @property
    def sentry(self) -> Sentry:
        """The hall, opened when first asked for."""
        return hall_of(self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """cliff's parser, with help that keeps its line breaks."""
        return _plain(super().get_parser(prog_name))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit code; errors are told, not raised."""
        return answered(lambda: super(Lister, self).run(parsed_args) or self.exit_code, debug=_debug(self.app))

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]) -> int:
        """Rows, then the notes."""
        rows = [shown(row) for row in data]
        _printed(lambda: super(Lister, self).produce_output(parsed_args, column_names, rows))
        return _noted(self.notes, parsed_args)


class ShowOne(show.ShowOne):
    """A command that answers with one thing; `exit_code` and `notes` as in `Lister`."""

    auth_required = False
    exit_code = 0
    notes: tuple[str, ...] = ()

    @property
    def sentry(self) -> Sentry:
        """The hall, opened when first asked for."""
        return hall_of(self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """cliff's parser, with help that keeps its line breaks."""
        return _plain(super().get_parser(prog_name))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """The exit code; errors are told, not raised."""
        return answered(lambda: super(ShowOne, self).run(parsed_args) or self.exit_code, debug=_debug(self.app))

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Any, data: Any) -> int:
        """The fields and their values, then the notes."""
        _printed(lambda: super(ShowOne, self).produce_output(parsed_args, column_names, shown(data)))
        return _noted(self.notes, parsed_args)


def open_hall(config_file: str | None = None) -> Sentry:
    """A hall on the settings of ``config_file`` (default: the usual places), closed when the process ends.

    Raises UserError where the file is not there or wrong.
    """
    from cloudsentry import conf  # `--help` and every `openstack` call pass here without paying for these
    from cloudsentry.sentry import Sentry

    sentry = Sentry(conf.settings(["--config-file", config_file] if config_file else None))
    atexit.register(sentry.close)
    return sentry


def hall_of(app: Any) -> Sentry:
    """The hall of a running app: ours, or the one the `openstack` shell got from our plugin."""
    sentry: Sentry = app.client_manager.sentry
    return sentry


def _plain(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.formatter_class = Help
    return parser


def _printed(output: Callable[[], int]) -> None:
    try:
        output()
    except ValueError as error:  # cliff's answer to a `--column` that it does not know
        raise UserError(str(error)) from error


def _noted(notes: Iterable[str], parsed_args: argparse.Namespace) -> int:
    sys.stdout.flush()
    if parsed_args.formatter == "table":
        for note in notes:
            say(note)
    return 0


def _debug(app: Any) -> bool:
    return bool(getattr(getattr(app, "options", None), "debug", False))
