"""A move: one server, or one pool, on its way from one cloud to another.

A mover goes through `PHASES`. Each may be run again, and all of it may be undone until `release` begins: that is the
point of no return, for there the first thing is deleted that the source serves with.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal

from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import Template

Phase = Literal["check", "prepare", "copy", "switch", "verify", "release"]
PHASES: tuple[Phase, ...] = ("check", "prepare", "copy", "switch", "verify", "release")
NO_RETURN: Phase = "release"
"""From here on a move only goes on, never back."""

MoveState = Literal["open", "undoing", "done", "failed", "undone"]
"""``open``, ``undoing``: under way, or its process was killed. ``failed``: neither done nor undone, see ``error``."""

ENDED: tuple[MoveState, ...] = ("done", "undone")

Memo = dict[str, Any]
"""What a mover remembers between two steps: plain data, ids and numbers, never a secret."""

WishKind = Literal["grow", "serving", "weigh", "shrink", "ungrow", "quiet", "join", "loud", "adopt", "unquiet"]
WindowKind = Literal["any", "quiet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a mover needs of the event or its balancers: the hall does it, in one go or bit by bit.

    ======== =====================================================================================
    grow     the target's servers are there, behind the balancers, at weight 0
    serving  every one of the target's members answers its health monitor
    weigh    the target's servers have ``percent`` of their weights
    shrink   the source's servers of this wave are drained, taken out and deleted
    ungrow   as before ``grow``: the target's servers are drained, taken out and deleted
    quiet    the server has weight 0 and its clients have finished
    join     the new server is a member, at weight 0
    loud     the new server has its weight, the old one is no member any more
    adopt    the event wants one server less at the source and one more at the target
    unquiet  as before ``quiet``
    ======== =====================================================================================
    """

    kind: WishKind
    percent: int = 100
    wave: int = 0

    @property
    def key(self) -> str:
        """Under which a memo keeps that it was granted."""
        return f"{self.kind}-{self.wave}-{self.percent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stride:
    """How far one step of a mover has come. With a ``wish`` the mover is to be asked again once it was granted."""

    state: Literal["waiting", "done"]
    memo: Memo
    wish: Wish | None = None
    done: int = 0
    wanted: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveOrder:
    """What a mover is asked to move. Clouds are names in clouds.yaml; ``unit`` and ``mark`` are the new server's.

    ``server`` is an id, empty where the whole ``pool`` moves. ``waves`` is in how many parts. ``hypervisor`` is the
    first of ``hypervisors``, which are those that may be turned to; empty where the target's scheduler decides.
    """

    event: str
    pool: str
    new_pool: str
    source: str
    target: str
    driver: str
    count: int
    waves: int = 1
    server: str = ""
    name: str = ""
    hypervisor: str = ""
    hypervisors: tuple[str, ...] = ()
    template: Template
    mark: Mark

    @property
    def tag(self) -> str:
        """The name of everything temporary that this move makes."""
        return f"cloudsentry-move-{self.mark.op}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a mover finds before it touches anything. ``joined``: the pool's first network is one layer 2 at both.

    ``hypervisor`` is where the server is, where that may be seen; ``memory_mb`` its memory in MiB. ``seconds`` and
    ``why`` are the mover's own prediction, 0 and empty where it makes none. ``hosted``: the target has a conversion
    host.
    """

    refusals: tuple[str, ...] = ()
    joined: bool = False
    copy_bytes: int = 0
    memory_mb: int = 0
    hypervisor: str = ""
    hosted: bool = False
    seconds: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What moves under way at once may take together; 0 sets no bound.

    ``per_hypervisor`` counts moves from and to one hypervisor alike. Each move is taken to need ``each_mbit`` of the
    ``mbit``: 500 Mbit/s, the cap that the source's hypervisors had, where nothing else is said.
    """

    at_once: int = 1
    per_hypervisor: int = 0
    mbit: float = 0.0
    each_mbit: float = 500.0

    @property
    def slots(self) -> int:
        """How many moves fit; at least one, or nothing would ever move."""
        by_rate = int(self.mbit // self.each_mbit) if self.mbit else self.at_once
        return max(1, min(self.at_once, by_rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move as the journal has it. ``server`` is a server's id, or a pool's name; ``attempts`` counts failures."""

    id: int = 0
    event: str
    server: str
    source: str
    target: str
    mover: str
    phase: Phase = "check"
    memo: Memo = field(default_factory=dict)
    state: MoveState = "open"
    attempts: int = 0
    error: str = ""
    started: dt.datetime
    updated: dt.datetime
    ended: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePlan:
    """One row of what `migrate plan` tells. ``gap`` is how long clients of a server that stands alone wait."""

    server: str
    source: str
    target: str
    mover: str
    why: str
    copy_mb: float
    seconds: float
    gap: float = 0.0
    refusals: tuple[str, ...] = ()
