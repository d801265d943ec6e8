"""`migrate plan | run | list | show | retry | rollback | abort | force`: moves, from the terminal."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cloudsentry.osc import base, progress
from cloudsentry.osc.journal_cells import When

if TYPE_CHECKING:
    from cloudsentry.migrate import Asked, Migration
    from cloudsentry.records.moving import Budget, Move

PLAN = ("Server", "From", "To", "Mover", "Why", "Copy MB", "Estimate s", "Gap s", "Refused because")
MOVES = ("Move", "Event", "Server", "From", "To", "Mover", "Phase", "State", "Failures", "Started", "Seconds", "Error")
EXIT_CODES = """exit codes: 0 done, 1 failed or undone (and why), 2 bad input"""


def _migration(command: Any) -> Migration:
    from cloudsentry.migrate import Migration

    return Migration(command.sentry)


def _subject(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", metavar="EVENT", help="the event's name")
    parser.add_argument(
        "what",
        metavar="POOL|SERVER|STRETCH|MOVE",
        help="a pool, a server by name or id, a stretch by `router` (with all behind it), or one of the event's moves",
    )
    parser.add_argument(
        "more", nargs="*", metavar="POOL|SERVER", help="further ones, moved after it (with --together: as one)"
    )
    parser.add_argument("--to", default="", metavar="CLOUD", help="a cloud of clouds.yaml, or a site of the event")
    parser.add_argument(
        "--mover",
        metavar="NAME",
        help="replace, image, warm, live, libvirt (default: replace for a pool, image for one server, or warm where "
        "that makes its gap much shorter, live within a cloud, libvirt between hypervisors without OpenStack)",
    )
    parser.add_argument("--together", action="store_true", help="as one unit: all of them, or none")
    parser.add_argument("--at-once", type=base.whole, metavar="N", help="servers under way at once (default: 1)")
    parser.add_argument("--per-hypervisor", type=base.whole, metavar="N", help="of them from or to one hypervisor")
    parser.add_argument(
        "--mbit", type=base.positive, metavar="MBIT", help="Mbit/s that they may take; each counts as 500"
    )
    parser.add_argument(
        "--window", choices=("any", "quiet"), help="quiet: nothing begins that would reach into a match (default: any)"
    )
    parser.add_argument("--wave", type=base.whole, default=0, metavar="N", help="servers at once (default: all)")
    parser.add_argument(
        "--hypervisor",
        action="append",
        default=[],
        metavar="NAME",
        help="of the target, to spread over; may be repeated (default: where its scheduler likes)",
    )


def _asked(parsed_args: argparse.Namespace) -> Asked:
    from cloudsentry.migrate import Asked

    return Asked(
        event=parsed_args.event,
        what=parsed_args.what,
        to=parsed_args.to,
        mover=parsed_args.mover,
        wave=parsed_args.wave,
        hypervisors=tuple(parsed_args.hypervisor),
        group=tuple(parsed_args.more),
        together=parsed_args.together,
        budget=_budget(parsed_args),
        window=parsed_args.window,
    )


def _budget(parsed_args: argparse.Namespace) -> Budget | None:
    from cloudsentry.records.moving import Budget

    wishes = {name: getattr(parsed_args, name) for name in ("at_once", "per_hypervisor", "mbit")}
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    return Budget(**given) if given else None


def _row(move: Move) -> tuple[Any, ...]:
    last = move.ended or move.updated
    return (
        move.id,
        move.event,
        move.memo.get("name") or move.server,
        move.source,
        move.target,
        move.mover,
        move.phase,
        move.state,
        move.attempts,
        When(move.started),
        round((last - move.started).total_seconds(), 1),
        move.error,
    )


class PlanMove(base.Lister):
    """Show how servers would move, how long it would take, and every reason why they cannot; nothing is changed."""

    _epilog = """examples:
  %(prog)s koshien-2010 front-nara --to public
  %(prog)s koshien-2010 origin-1 --to public --mover image -f json

exit codes: 0 nothing stands in the way, 1 something is refused (and why), 2 bad input"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What, and where to."""
        parser = super().get_parser(prog_name)
        _subject(parser)
        return parser

    @progress.looking()
    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per move."""
        migration = _migration(self)
        plans = migration.plan(_asked(parsed_args))
        migration.close()
        self.exit_code = 1 if any(one.refusals for one in plans) else 0
        return PLAN, [
            (
                one.server,
                one.source,
                one.target,
                one.mover,
                one.why,
                one.copy_mb,
                one.seconds,
                one.gap,
                list(one.refusals),
            )
            for one in plans
        ]


class _Moving(base.Lister):
    """What the commands that move have in common: rows of moves, and the exit code."""

    def _told(self, moves: tuple[Move, ...], wanted: str = "done") -> Any:
        self.exit_code = 0 if all(move.state == wanted for move in moves) else 1
        for move in moves:
            if move.state in ("failed", "open", "undoing"):
                base.say(f"Go on with `cloudsentry migrate retry {move.id}`.")
            if move.state == "done":
                base.say(
                    f"The event's pool is now {move.memo['new_pool']}: bring your event file up to date with "
                    f"`cloudsentry event show {move.event}` before you apply it again."
                )
        return MOVES, [_row(move) for move in moves]


class RunMove(_Moving):
    """Move a pool or a server to another cloud, or to another hypervisor of its own

    A pool is replaced: new servers serve before the old ones are drained and deleted, and no request is lost. A
    server keeps its disk: it is stopped, copied and started at the target, and never runs at both; within a cloud it
    moves while it runs. A stretch by `router` is its whole group: the servers and their router move to one hypervisor,
    all or none. What fails before the last phase is undone by itself.
    """

    _epilog = f"""examples:
  %(prog)s koshien-2010 front-nara --to public
  %(prog)s koshien-2010 front-nara --to public --wave 2 --hypervisor public-hv1 --hypervisor public-hv2
  %(prog)s koshien-2010 origin-1 --to public --mover image
  %(prog)s koshien-2010 front-nara --to private --hypervisor private-xeon1 --at-once 4 --per-hypervisor 1
  %(prog)s koshien-2010 router origin-1 --to public --mover image --hypervisor public-hv1 --together
  %(prog)s koshien-2010 shop-net --to public --hypervisor public-hv2
  %(prog)s koshien-2010 evening

{EXIT_CODES}"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """What, and where to."""
        parser = super().get_parser(prog_name)
        _subject(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per move."""
        migration = _migration(self)
        with progress.told() as listen:
            moves = migration.run(_asked(parsed_args), listen)
        migration.close()
        return self._told(moves)


class ListMoves(base.Lister):
    """List moves, the newest first

    `open` and `undoing`: under way, or the process was killed: `migrate retry` goes on.
    """

    _epilog = "example:\n  %(prog)s --event koshien-2010"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Whose moves."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--event", metavar="EVENT", help="only the moves of this event")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """One row per move."""
        migration = _migration(self)
        moves = migration.moves(parsed_args.event)
        migration.close()
        self.notes = () if moves else ("No moves yet.",)
        return MOVES, [_row(move) for move in moves]


class ShowMove(base.ShowOne):
    """Show one move with what it remembers."""

    _epilog = "example:\n  %(prog)s 3"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which move."""
        parser = super().get_parser(prog_name)
        _number(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The move and its memo."""
        migration = _migration(self)
        move = migration.move(parsed_args.move)
        migration.close()
        names = tuple(name.lower() for name in MOVES)
        return (*names, "memo"), (*_row(move), dict(move.memo))


class RetryMove(_Moving):
    """Go on with a move from where it was left; begin it again where it was undone

    One that begins again may go another way, and turns to those hypervisors first that have not said they are full.
    """

    _epilog = f"""examples:
  %(prog)s 3
  %(prog)s 3 --mover image --hypervisor public-hv2

{EXIT_CODES}"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which move."""
        parser = super().get_parser(prog_name)
        _number(parser)
        parser.add_argument("--mover", metavar="NAME", help="by another mover, where it begins again")
        parser.add_argument(
            "--hypervisor", action="append", default=[], metavar="NAME", help="to others, where it begins again"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The move."""
        migration = _migration(self)
        with progress.told() as listen:
            move = migration.retry(
                parsed_args.move, listen, mover=parsed_args.mover, hypervisors=tuple(parsed_args.hypervisor)
            )
        migration.close()
        return self._told((move,))


class RollbackMove(_Moving):
    """Undo a move: the source serves again and nothing is left at the target

    Not after its point of no return, the beginning of phase `release`.
    """

    _epilog = f"example:\n  %(prog)s 3\n\n{EXIT_CODES}"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which move."""
        parser = super().get_parser(prog_name)
        _number(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The move."""
        migration = _migration(self)
        with progress.told() as listen:
            move = migration.rollback(parsed_args.move, listen)
        migration.close()
        return self._told((move,), "undone")


class AbortMove(_Moving):
    """Stop a move that another process works on, and have it undone; one that nobody works on is undone here."""

    _epilog = f"example:\n  %(prog)s 3\n\n{EXIT_CODES}"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which move."""
        parser = super().get_parser(prog_name)
        _number(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The move."""
        migration = _migration(self)
        with progress.told() as listen:
            move = migration.abort(parsed_args.move, listen)
        migration.close()
        return self._told((move,), "undoing" if move.state == "undoing" else "undone")


class ForceMove(_Moving):
    """Have a live migration that is under way brought to its end now, at the price of a longer gap."""

    _epilog = f"example:\n  %(prog)s 3\n\n{EXIT_CODES}"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which move."""
        parser = super().get_parser(prog_name)
        _number(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Any:
        """The move, as it is just now."""
        migration = _migration(self)
        move = migration.force(parsed_args.move)
        migration.close()
        return MOVES, [_row(move)]


def _number(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("move", metavar="MOVE", type=int, help="number of the move, from `migrate list`")
