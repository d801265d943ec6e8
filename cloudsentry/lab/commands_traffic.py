"""The doors of the lab's data plane: `cloudsentry lab exec | load | wan show | wan set | fault add | fault list |
fault clear`.

Imports of the lab's parts wait until a command runs, for every `cloudsentry` call imports this module.
"""

from __future__ import annotations

import argparse
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudsentry.lab.doors import Command, Lister, ShowOne

if TYPE_CHECKING:
    from cloudsentry.lab.faults import Fault
    from cloudsentry.lab.wan import Wan

Rows = tuple[tuple[str, ...], Iterable[tuple[object, ...]]]


class LabExec(Command):
    """Run a command in the network of a server, a load balancer or a site of the lab

    Examples:
        cloudsentry lab exec private -- curl -s http://10.1.0.20/name
        cloudsentry lab exec koshien-1 -- ip address
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("where", metavar="SERVER|SITE", help="name or id, CLOUD/NAME where a name is not enough")
        parser.add_argument(
            "command", metavar="-- COMMAND", nargs=argparse.REMAINDER, help="its exit code is this one's"
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> int:
        from cloudsentry.errors import UserError
        from cloudsentry.lab import layout, names

        wanted = parsed_args.command[1:] if parsed_args.command[:1] == ["--"] else parsed_args.command
        if not wanted:
            raise UserError("what shall run there? lab exec SERVER -- COMMAND")
        line = names.command(names.namespace(layout.layout(), parsed_args.where), wanted)
        code = subprocess.run(line, check=False).returncode
        return code if code >= 0 else 128 - code


class LabLoad(Lister):
    """Send a crowd to a load balancer or a server of the lab and show which server answered how often

    Examples:
        cloudsentry lab load koshien --duration 10
        cloudsentry lab load public/10.2.0.20 --path /image --rate 200 --connections 32
        cloudsentry lab load koshien --requests 2400
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            "vip", metavar="VIP", help="address, or a load balancer's name or id, or CLOUD/one of these"
        )
        parser.add_argument("--cloud", help="at which site the crowd is")
        parser.add_argument("--port", type=int, help="default: of the load balancer's first listener, else 80")
        parser.add_argument(
            "--path", default="/name", help="whose answer begins with the server's name (default: /name)"
        )
        parser.add_argument(
            "--rate", type=float, default=0.0, help="requests per second; default: as fast as answers come"
        )
        parser.add_argument("--connections", type=int, default=16, help="kept connections (default: 16)")
        span = parser.add_mutually_exclusive_group()
        span.add_argument("--duration", type=float, default=10.0, help="seconds (default: 10)")
        span.add_argument("--requests", type=int, help="exactly so many, instead of a duration")
        return parser

    def take_action(self, parsed_args: Namespace) -> Rows:
        from cloudsentry.errors import SentryError
        from cloudsentry.lab import layout, load

        order = load.order(
            layout.layout(),
            parsed_args.vip,
            cloud=parsed_args.cloud,
            port=parsed_args.port,
            path=parsed_args.path,
            connections=parsed_args.connections,
            rate=parsed_args.rate,
            duration=parsed_args.duration,
            requests=parsed_args.requests,
        )
        seen = load.drive(order)
        told = (
            f"{seen.requests} answers in {seen.seconds:.1f} s, {seen.rate:.0f} req/s, {seen.errors} errors, "
            f"p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms"
        )
        if not seen.requests:
            raise SentryError(f"nobody answered at {order.address}:{order.port}: {told}")
        print(told, file=self.app.stderr, flush=True)
        return ("Server", "Requests", "Share"), [(one.server, one.requests, one.percent) for one in seen.shares]


class LabWanShow(ShowOne):
    """Show the WAN between the two sites

    Example: `cloudsentry lab wan show -f json`
    """

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], tuple[object, ...]]:
        from cloudsentry.lab import layout, wan

        return _wan(wan.show(layout.layout()))


class LabWanSet(ShowOne):
    """Change the WAN between the two sites while it runs; what is not named stays

    Example:
        cloudsentry lab wan set --rtt 40 --rate 1000 --loss 0.1
        cloudsentry lab wan set --mtu 1200
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("--rtt", type=float, metavar="MS", help="round trip")
        parser.add_argument("--rate", type=float, metavar="MBIT", help="Mbit/s each way, 0: no limit")
        parser.add_argument("--loss", type=float, metavar="PERCENT", help="of the packets each way")
        parser.add_argument(
            "--mtu",
            type=int,
            metavar="BYTES",
            help="larger IP packets vanish without a word: a path whose MTU discovery is broken; 0: none do",
        )
        return parser

    def take_action(self, parsed_args: Namespace) -> tuple[tuple[str, ...], tuple[object, ...]]:
        from cloudsentry.lab import layout, wan

        wished = {"rtt_ms": parsed_args.rtt, "rate_mbit": parsed_args.rate, "loss_percent": parsed_args.loss}
        return _wan(wan.change(layout.layout(), **wished, mtu=parsed_args.mtu))


class LabFaultAdd(Lister):
    """Order a fault at an API or a hypervisor of the lab

    An API is CLOUD/keystone, placement, glance, nova-api, neutron or octavia-api; a hypervisor is CLOUD/its name.
    Faults of an API: status, delay, drop (no answer), reset, truncate (half an answer), garbage (no JSON), kill
    (the caller, before its request is carried out, or --after), leave (the caller is killed, its request carried out
    --delay later). Faults of a hypervisor: fail, reschedule, abort or hang (of an operation), full, slow (half its
    CPU), die (nova-compute).

    Examples:
        cloudsentry lab fault add private/nova-api status --status 503 --method POST --path '/servers$' --times 2
        cloudsentry lab fault add private/octavia-api kill --caller 4711 --skip 3 --times 1
        cloudsentry lab fault add public/neutron drop --after --method POST --path '/ports$' --times 1
        cloudsentry lab fault add private/private-xeon1 hang --delay 30 --times 1
        cloudsentry lab fault add private/private-xeon2 full
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("where", metavar="CLOUD/NAME", help="an API or a hypervisor")
        parser.add_argument("kind", metavar="FAULT", help="see above")
        parser.add_argument("--times", type=int, help="strikes exactly so often (default: until cleared)")
        parser.add_argument("--probability", type=float, default=1.0, help="of each strike (default: 1)")
        parser.add_argument(
            "--delay", type=float, default=0.0, metavar="SECONDS", help="before the answer, or the hang"
        )
        api = parser.add_argument_group("at an API")
        api.add_argument("--method", default="*", help="GET, POST, … (default: any)")
        api.add_argument("--path", default="", metavar="REGEX", help="anywhere in the request's path (default: any)")
        api.add_argument("--status", type=int, help="of the answer")
        api.add_argument("--retry-after", type=int, metavar="SECONDS", help="header of the answer")
        api.add_argument(
            "--after", action="store_true", help="the request takes effect first: only its answer is harmed"
        )
        api.add_argument("--caller", type=int, metavar="PID", help="the one process meant (default: any)")
        api.add_argument(
            "--skip", type=int, default=0, metavar="COUNT", help="requests that pass before the first strike"
        )
        host = parser.add_argument_group("at a hypervisor")
        host.add_argument("--operation", default="spawn", help="spawn, snapshot, live_migration, … (default: spawn)")
        host.add_argument("--server", default="", metavar="REGEX", help="servers by name (default: any)")
        return parser

    def take_action(self, parsed_args: Namespace) -> Rows:
        from cloudsentry.lab import faults, layout

        lab = layout.layout()
        cloud, where = faults.place(lab, parsed_args.where)
        api = where in faults.APIS
        fault = faults.Fault(
            id="",
            cloud=cloud,
            where=where,
            kind=parsed_args.kind,
            operation=parsed_args.method.upper() if api else parsed_args.operation,
            target=parsed_args.path if api else parsed_args.server,
            status=parsed_args.status,
            retry_after=parsed_args.retry_after,
            delay=parsed_args.delay,
            after=parsed_args.after,
            times=parsed_args.times,
            probability=parsed_args.probability,
            caller=parsed_args.caller,
            skip=parsed_args.skip,
        )
        return _faults([faults.add(lab, fault)])


class LabFaultList(Lister):
    """List the faults in force, with how often each has struck

    Example: `cloudsentry lab fault list`
    """

    def take_action(self, parsed_args: Namespace) -> Rows:
        from cloudsentry.lab import faults, layout

        return _faults(faults.every(layout.layout()))


class LabFaultClear(Lister):
    """Remove one fault or all of them; a hypervisor that died of one runs again

    Example: `cloudsentry lab fault clear`
    """

    def get_parser(self, prog_name: str) -> ArgumentParser:
        parser: ArgumentParser = super().get_parser(prog_name)
        parser.add_argument("fault", metavar="ID", nargs="?", help="default: every fault")
        return parser

    def take_action(self, parsed_args: Namespace) -> Rows:
        from cloudsentry.lab import faults, layout

        return _faults(faults.clear(layout.layout(), parsed_args.fault))


def _wan(wan: Wan) -> tuple[tuple[str, ...], tuple[object, ...]]:
    there, back = wan.traffic if len(wan.traffic) == 2 else (None, None)
    fields = {
        "RTT (ms)": wan.settings.rtt_ms,
        "Rate (Mbit/s)": wan.settings.rate_mbit,
        "Loss (%)": wan.settings.loss_percent,
        "MTU": wan.settings.mtu,
        "Running": wan.running,
        "Segments": ", ".join(wan.segments),
        "Bytes there": there.bytes if there else 0,
        "Bytes back": back.bytes if back else 0,
        "Packets lost": sum(one.lost for one in wan.traffic),
        "Packets dropped": sum(one.dropped for one in wan.traffic),
    }
    return tuple(fields), tuple(fields.values())


def _faults(faults: Iterable[Fault]) -> Rows:
    columns = ("ID", "Cloud", "Where", "Fault", "Operation", "Target", "Times", "Hits", "Details")
    rows = [
        (one.id, one.cloud, one.where, one.kind, one.operation, one.target, one.times, one.hits, _details(one))
        for one in faults
    ]
    return columns, rows


def _details(fault: Fault) -> str:
    words = [
        f"status {fault.status}" if fault.status else "",
        f"retry after {fault.retry_after} s" if fault.retry_after is not None else "",
        f"delay {fault.delay:g} s" if fault.delay else "",
        "after the effect" if fault.after else "",
        f"probability {fault.probability:g}" if fault.probability != 1 else "",
        f"process {fault.caller}" if fault.caller is not None else "",
        f"{fault.passed} of {fault.skip} passed" if fault.skip else "",
    ]
    return ", ".join(word for word in words if word)
