"""The `cloudsentry` program: cliff's application over the entry points `cloudsentry.commands`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

from cliff import app, command, commandmanager
from cliff.help import HelpExit

from cloudsentry.errors import SentryError, UserError
from cloudsentry.osc.base import answered, open_hall, say

if TYPE_CHECKING:
    from cloudsentry.sentry import Sentry

NAMESPACE = "cloudsentry.commands"
CONSOLE_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
"""By count of -v, from -q: nothing below a warning unless asked."""


class Halls:
    """Stands where the `openstack` shell has its client manager; opens the hall when first asked."""

    def __init__(self, config_file: str | None) -> None:
        self._config_file = config_file

    @cached_property
    def sentry(self) -> Sentry:
        """The hall. Raises UserError where the configuration is wrong."""
        return open_hall(self._config_file)


class Commands(commandmanager.CommandManager):
    """cliff's, but a command's module is imported when the command is called, not at every start."""

    def load_commands(self, namespace: str) -> None:
        """Know the entry points of ``namespace`` by name."""
        self.group_list.append(namespace)
        for entry in metadata.entry_points(group=namespace):
            self.commands[entry.name.replace("_", " ")] = entry


class HelpAction(argparse.Action):
    """Global help: options and the commands' first lines; a command that cannot be loaded is said so."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print, and leave with 0."""
        shell: Shell = self.default
        parser.print_help(shell.stdout)
        shell.stdout.write(f"\nCommands:\n{listed(sorted(shell.command_manager, key=lambda item: item[0]))}")
        shell.stdout.write(f"\n`{shell.NAME} help COMMAND` tells more, with an example.\n")
        raise HelpExit()


def listed(commands: Sequence[tuple[str, commandmanager.EntryPointT]]) -> str:
    """A line for each command."""
    width = max(len(name) for name, _ in commands)
    return "".join(f"  {name:<{width}}  {first_line(entry)}\n" for name, entry in commands)


def first_line(entry: commandmanager.EntryPointT) -> str:
    """What a command says of itself in one line; why it cannot be loaded where it cannot."""
    try:
        kind: type[command.Command] = entry.load()
    except Exception as error:  # noqa: BLE001 - a broken plugin must not take the help of the others down
        return f"(cannot be loaded: {' '.join(str(error).split())})"
    return str(getattr(kind, "_description", "") or kind.__doc__ or "").strip().split("\n")[0].rstrip(".")


class Shell(app.App):
    """The standalone application. ``client_manager.sentry`` is the hall, as in the `openstack` shell."""

    NAME = "cloudsentry"

    def __init__(self) -> None:
        self.client_manager = Halls(None)
        self._error: BaseException | None = None
        super().__init__(
            description="Flash-crowd capacity for an IaaS that is already there.",
            version=metadata.version("cloudsentry"),
            command_manager=Commands(NAMESPACE),
            deferred_help=True,
        )

    def build_option_parser(self, description: str | None, version: str | None, *_: Any) -> argparse.ArgumentParser:
        """The global options."""
        parser = argparse.ArgumentParser(
            prog=self.NAME, description=description, add_help=False, usage="%(prog)s [options] COMMAND …"
        )
        # Behind a command it asks for that command's help: cliff makes `help COMMAND` of it.
        parser.add_argument("-h", "--help", action="store_true", dest="deferred_help", help="show this help and exit")
        parser.add_argument("--version", action="version", version=f"{self.NAME} {version}")
        parser.add_argument(
            "--config-file",
            metavar="FILE",
            help="configuration file (env: CLOUDSENTRY_CONF; default: /etc/cloudsentry and ~/.config/cloudsentry)",
        )
        loudness = parser.add_mutually_exclusive_group()
        loudness.add_argument(
            "-v", "--verbose", action="count", dest="verbose_level", default=1, help="say more; twice for everything"
        )
        loudness.add_argument(
            "-q", "--quiet", action="store_const", const=0, dest="verbose_level", help="errors and answers only"
        )
        parser.add_argument("--log-file", type=appendable, metavar="FILE", help="write the full log there as well")
        parser.add_argument(
            "--log-json",
            action=JsonAction,
            nargs=0,
            default=False,
            help="log lines as JSON objects, by oslo.log (needs the extra `log`)",
        )
        parser.add_argument("--debug", action="store_true", help="show tracebacks")
        return parser

    def configure_logging(self) -> None:
        """Console on stderr by -v and -q; everything in the log file."""
        super().configure_logging()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                setattr(handler, "handleError", _told_once(self.options.log_file))  # noqa: B010 - mypy takes no method
        if self.options.log_json:
            _as_json(logging.getLogger().handlers)
        wanted = self.options.verbose_level
        for handler in logging.getLogger().handlers:
            if type(handler) is logging.StreamHandler:
                handler.setLevel(CONSOLE_LEVELS[min(wanted, len(CONSOLE_LEVELS) - 1)])
                if wanted < 2:
                    # A library's warning about a call that it makes again is no news: its failure would be told by us.
                    handler.addFilter(
                        lambda record: record.name.startswith(self.NAME) or record.levelno > logging.WARNING
                    )

    def initialize_app(self, argv: list[str]) -> None:
        """Take the configuration's place from the options; it is read when a command needs it."""
        self.client_manager = Halls(self.options.config_file)

    def print_help_if_requested(self) -> None:
        """Global help in the shell's own form."""
        if self.options.deferred_help:
            self.interact()

    def interact(self) -> None:
        """There is no interactive mode: without a command the help is what is wanted."""
        HelpAction([], dest="help", default=self)(self.parser)

    def run_subcommand(self, argv: list[str]) -> int:
        """As cliff does; what goes wrong before or while a command is loaded is told in one line as well."""
        return answered(lambda: self._known(argv), debug=self.options.debug)

    def _known(self, argv: list[str]) -> int:
        called = argv[1:] if argv[0] == "help" else argv
        if not called:
            self.interact()
        if called != argv or called[-1] in ("--help", "-h"):
            self._of_noun(" ".join(word for word in called if word not in ("--help", "-h")))
        try:
            self.command_manager.find_command(called)
        except ValueError as error:
            raise UserError(self._unknown(called)) from error
        code = int(super().run_subcommand(argv))
        # Commands that are not on our base leave their errors to cliff, which tells them and knows one code only.
        return self._error.exit_code if isinstance(self._error, SentryError) else code

    def _of_noun(self, noun: str) -> None:
        """Help for ``event``, which is no command but has some: their first lines. Returns where it has none."""
        mine = self._under(noun)
        if not mine or any(name == noun for name, _ in self.command_manager):
            return
        self.stdout.write(f"usage: {self.NAME} {noun} COMMAND …\n\n{listed(mine)}")
        self.stdout.write(f"\n`{self.NAME} help {noun} COMMAND` tells more, with an example.\n")
        raise HelpExit()

    def _under(self, noun: str) -> list[tuple[str, commandmanager.EntryPointT]]:
        return sorted((name, entry) for name, entry in self.command_manager if name.startswith(f"{noun} "))

    def clean_up(self, cmd: command.Command, result: int, err: BaseException | None) -> None:
        """Remember what ended the command; cliff has told it."""
        self._error = err

    def _unknown(self, argv: Sequence[str]) -> str:
        words = [word for word in argv if not word.startswith("-")]
        if not words:
            return f"Unknown option {argv[0]!r}; see `{self.NAME} --help`."
        if len(words) == 1 and (mine := self._under(words[0])):
            return f"{words[0]!r} alone is no command; there are:\n{listed(mine)}`{self.NAME} help COMMAND` tells more."
        wanted = " ".join(words[:2])
        names = nearest(wanted, [name for name, _ in self.command_manager])
        known = "".join(f"\n  {self.NAME} {name}" for name in names)
        near = f" Nearest:{known}\n" if names else " "
        return f"There is no command {wanted!r}.{near}`{self.NAME} --help` lists them all."


def appendable(path: str) -> str:
    """An argument's type: a file that can be written to, made where it is not there."""
    try:
        open(path, "a").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {path}: {error.strerror}") from error
    return path


class JsonAction(argparse.Action):
    """Asks for JSON lines; an error of the command line where what makes them is not installed."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        """Note it."""
        try:
            import oslo_log.formatters  # noqa: F401
        except ImportError:
            parser.error("--log-json needs oslo.log: pip install cloudsentry[log]")
        setattr(namespace, self.dest, True)


def _told_once(path: str) -> Callable[[logging.LogRecord], None]:
    """What a handler does where its file takes no more: a line the first time, where logging has a traceback each."""
    told: list[str] = []

    def tell(record: logging.LogRecord) -> None:
        if not told:
            told.append(path)
            say(f"the log {path} cannot be written: {sys.exc_info()[1]}")

    return tell


def _as_json(handlers: Sequence[logging.Handler]) -> None:
    """The program's own handlers write JSON; those of whoever runs it in their process stay as they are."""
    from oslo_log.formatters import JSONFormatter

    class Lines(JSONFormatter):
        """Arguments as their text: oslo.log would look into any object, an entry point's whole distribution too."""

        def format(self, record: logging.LogRecord) -> str:
            """One line."""
            told = logging.makeLogRecord({**record.__dict__, "msg": record.getMessage(), "args": None})
            return str(super().format(told))

    for handler in handlers:
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            handler.setFormatter(Lines())


def nearest(wanted: str, names: Sequence[str]) -> list[str]:
    """Names that begin with the same word, or else the most alike: at most eight."""
    import difflib

    first = wanted.split()[0]
    kin = sorted(name for name in names if name.split()[0] == first)
    close = difflib.get_close_matches(wanted, names, n=8, cutoff=0.5)
    return (close + [name for name in kin if name not in close])[:8]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Exit codes: 0 done, 1 failed, 2 bad input, 3 stale plan, 130 interrupted."""
    if sys.stdout is None:  # closed by the caller (>&-): nobody wants the answer
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    return int(Shell().run(list(sys.argv[1:] if argv is None else argv)))


if __name__ == "__main__":
    sys.exit(main())
