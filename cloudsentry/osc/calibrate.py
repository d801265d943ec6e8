"""`calibrate`: what the servers of a pool carry, measured, from the terminal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cloudsentry.errors import NotSupported, UserError
from cloudsentry.osc import base

if TYPE_CHECKING:
    from cloudsentry.calibration.calibrate import Asked
    from cloudsentry.records.loading import Capacity

COLUMNS = (
    "Unit",
    "Servers",
    "Connections",
    "Responses/s",
    "Mbit/s",
    "Packets/s",
    "p99 ms",
    "Derating",
    "Weight",
    "Limit",
    "Why",
)


class Calibrate(base.Lister):
    """Measure what the servers of a pool carry, and keep it in the journal

    Load is sent to the standing servers themselves, past their balancer, by more and more connections until they give
    no more: to 1, 2, … as many at once as stand on one hypervisor. They are fully busy meanwhile: do it before the
    crowd comes, or let --boot make some of their own. `weights: measured` in the event file, or `weights set EVENT
    BALANCER --measured`, makes the newest calibration hold. Where the machines are too busy to show what the servers
    carry, the answer says so (Limit: computed, from the CPU that the answers took, or machine).
    """

    _epilog = """examples:
  %(prog)s koshien-2010 front-nara --dry-run
  %(prog)s koshien-2010 front-nara --from ssh://root@client1.example.net --path /images/1.jpg
  %(prog)s koshien-2010.yaml front-nara --boot 4 --from ssh://root@client1.example.net"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which pool, and how."""
        parser = super().get_parser(prog_name)
        parser.add_argument("event", metavar="EVENT", help="the event's name, or its file")
        parser.add_argument("pool", metavar="POOL", help="the pool's name in the event")
        parser.add_argument(
            "--from",
            dest="place",
            default="local",
            metavar="PLACE",
            help="where load comes from: local (default), netns:NAME or ssh://user@host[:port]; needs its tool",
        )
        parser.add_argument("--path", default="/image", help="what is asked for (default: /image)")
        parser.add_argument("--port", type=int, default=0, help="default: that of the pool's balancer, else 80")
        parser.add_argument(
            "--seconds", type=float, default=1.0, metavar="N", help="per step, 1 to 15 (default: 1); a ramp has 3 to 7"
        )
        parser.add_argument(
            "--rounds", type=base.whole, default=3, metavar="N", help="ramps of each; their median counts (default: 3)"
        )
        parser.add_argument(
            "--boot",
            type=base.whole,
            default=0,
            metavar="N",
            help="make N servers at each pin for this, and remove them after",
        )
        parser.add_argument(
            "--groups",
            default="",
            metavar="FOLDER",
            help="control groups of the servers, with {hypervisor} and {id} in it (default: the lab's)",
        )
        parser.add_argument(
            "--hypervisors",
            default="local",
            metavar="PLACE",
            help="where these are: local (default) or such as ssh://root@{hypervisor}",
        )
        parser.add_argument(
            "--driver",
            default="wrk",
            metavar="NAME",
            help="of the family cloudsentry.load: wrk (default), httperf, locust",
        )
        parser.add_argument("--dry-run", action="store_true", help="show what would be measured, and send nothing")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per unit and number of servers."""
        from cloudsentry.calibration import boot, calibrate

        asked = _asked(parsed_args)
        if parsed_args.boot and parsed_args.dry_run:
            raise UserError("--dry-run shows what stands; --boot makes what does not: leave one of them out")
        if parsed_args.boot:
            found = boot.calibrate_booted(self.sentry, asked, parsed_args.boot, listen=base.say)
            return COLUMNS, _rows(found, calibrate.weights_for(found))
        if parsed_args.dry_run:
            return COLUMNS, [
                (
                    group.unit,
                    count,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    f"would be measured on {group.hypervisor}",
                )
                for group in calibrate.groups(self.sentry, asked)
                for count in range(1, len(group.targets) + 1)
            ]
        found = calibrate.calibrate(self.sentry, asked, listen=base.say)
        event, _ = self.sentry.event(asked.event)
        self.notes = calibrate.told(event, asked.pool, found)
        return COLUMNS, _rows(found, calibrate.weights_for(found))


def _asked(parsed_args: argparse.Namespace) -> Asked:
    from cloudsentry.calibration.calibrate import Asked
    from cloudsentry.clouds.hosts import host_of

    try:
        host_of(parsed_args.place)
    except NotSupported as error:
        raise UserError(f"--from: {error}") from error
    if not 0 <= parsed_args.port <= 65535:
        raise UserError(f"--port: {parsed_args.port} is no port")
    return Asked(
        event=parsed_args.event,
        pool=parsed_args.pool,
        place=parsed_args.place,
        driver=parsed_args.driver,
        path=parsed_args.path,
        port=parsed_args.port,
        seconds=parsed_args.seconds,
        rounds=parsed_args.rounds,
        groups=parsed_args.groups,
        hypervisors=parsed_args.hypervisors,
    )


def _rows(found: tuple[Capacity, ...], weights: dict[str, int]) -> list[tuple[Any, ...]]:
    return [
        (
            one.unit,
            one.servers,
            one.connections,
            round(one.responses, 1),
            round(one.mbits, 1),
            round(one.packets),
            round(one.p99_ms, 1),
            round(one.derating, 3),
            weights.get(one.unit),
            one.limit,
            one.why,
        )
        for one in found
    ]
