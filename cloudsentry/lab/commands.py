"""The doors of the lab: `cloudsentry lab up | status | down | reset | env | service`.

Imports of the lab's parts wait until a command runs, for every `cloudsentry` call imports this module.
"""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudsentry.lab.doors import Command, Lister

if TYPE_CHECKING:
    from cloudsentry.lab.lifecycle import Outcome

CONTROL_PLANE_ONLY = "not root: the lab is a control plane only, its servers carry no traffic"


def _told(what: str, outcome: Outcome) -> str:
    start = "cold" if outcome.cold else "warm"
    return f"lab {what}: ready in {outcome.seconds:.1f} s ({start} start), {outcome.memory_mb} MB in use"


class _Work(Command):
    """A command that changes the lab and says on standard error how it goes."""

    def say(self, line: str) -> None:
        print(line, file=self.app.stderr, flush=True)


class LabUp(_Work):
    """Bring up the two clouds of the lab, `private` and `public`; a running lab is left alone

    Example: `cloudsentry lab up`, then `eval "$(cloudsentry lab env)"`
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--fresh", action="store_true", help="build from nothing; all state of the lab is lost")
        return parser

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.lab import layout, lifecycle, progress

        if os.geteuid() != 0:
            self.say(CONTROL_PLANE_ONLY)
        lab = layout.layout()
        outcome = lifecycle.up(lab, progress.progress(self.app.stderr), fresh=parsed_args.fresh)
        self.say(_told("up", outcome))
        self.say('Next: eval "$(cloudsentry lab env)"')


class LabInstall(_Work):
    """Install the daemons and tools that tests and benchmarks drive beside the lab, by group

    Example: `cloudsentry lab install agents steering`; without a group, all of them. Nothing is started.
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        from cloudsentry.lab.packages import GROUPS

        parser: ArgumentParser = super().get_parser(prog_name)
        names = ", ".join(f"{group} ({', '.join(packages)})" for group, packages in GROUPS.items())
        parser.add_argument("group", nargs="*", metavar="GROUP", help=names)
        return parser

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.errors import UserError
        from cloudsentry.lab import layout, packages

        groups = parsed_args.group or list(packages.GROUPS)
        if unknown := [group for group in groups if group not in packages.GROUPS]:
            raise UserError(f"no group {', '.join(unknown)}: there are {', '.join(packages.GROUPS)}")
        wanted = {name: program for group in groups for name, program in packages.GROUPS[group].items()}
        packages.install_debian(layout.layout().root / "log" / "apt.log", wanted)


class LabReset(_Work):
    """Put the lab back to its golden state: all servers, ports, balancers and changes of settings are gone

    Example: `cloudsentry lab reset`
    """

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.lab import layout, lifecycle, progress

        outcome = lifecycle.reset(layout.layout(), progress.progress(self.app.stderr))
        self.say(_told("reset", outcome))


class LabDown(_Work):
    """End every process of the lab; its state stays for the next `lab up`

    Example: `cloudsentry lab down --keep-warm`
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "--keep-warm", action="store_true", help="keep the services' code in memory for a faster up"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.lab import layout, lifecycle, progress

        lifecycle.down(layout.layout(), progress.progress(self.app.stderr), keep_warm=parsed_args.keep_warm)


class LabStatus(Lister):
    """Show every service of the lab: state, memory (PSS, MiB) and endpoint

    Example: `cloudsentry lab status -f json`
    """

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], Iterable[tuple[object, ...]]]:
        from cloudsentry.lab import layout, services

        columns = ("Cloud", "Service", "State", "PID", "Memory", "Endpoint")
        rows = services.status(layout.layout())
        return columns, [(row.cloud, row.service, row.state, row.pid, row.memory_mb, row.endpoint) for row in rows]


class LabEnv(Command):
    """Print the shell lines that point OpenStack clients at the lab, for eval

    Example: `eval "$(cloudsentry lab env)"`
    """

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.errors import UserError
        from cloudsentry.lab import layout

        lab = layout.layout()
        if not lab.clouds_yaml.exists():
            raise UserError(f"there is no lab in {lab.root} yet: run `cloudsentry lab up`")
        for name, value in (("OS_CLIENT_CONFIG_FILE", lab.clouds_yaml), ("CLOUDSENTRY_LAB_DIR", lab.root)):
            print(f"export {name}={shlex.quote(str(value))}", file=self.app.stdout)


class LabService(_Work):
    """Kill, stop, start or restart one service of the lab, such as `kill private nova-compute-private-xeon1`"""

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("action", choices=("kill", "stop", "start", "restart"), help="kill is a crash: SIGKILL")
        parser.add_argument("cloud", metavar="CLOUD")
        parser.add_argument("service", metavar="SERVICE", help="as `lab status` names it")
        return parser

    def take_action(self, parsed_args: Namespace) -> None:
        from cloudsentry.lab import layout, lifecycle, services

        lab = layout.layout()
        role = services.find(lab, parsed_args.cloud, parsed_args.service)
        with lifecycle.owned(lab):
            if parsed_args.action == "kill":
                services.kill(lab, role)
            if parsed_args.action in ("stop", "restart"):
                services.stop(lab, [role])
            if parsed_args.action in ("start", "restart"):
                services.start(lab, [role])
        self.say(f"{role.cloud}/{role.name} is {services.state(lab, role)}")
