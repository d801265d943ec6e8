"""When a migration that is under way is to be helped, or given up for one with other parameters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudsentry.records.moving import Memo
from cloudsentry.records.precopy import MIB, THROTTLE_MOST, Parameters, Policy

PATIENCE = 3
"""Rounds that may gain nothing until something is done about it."""
GAIN = 0.95
"""Rounds that together leave more than this part of what was left before them gain nothing."""
LATER = 6
"""Further such rounds for throttling to bite."""

Verdict = Literal["go on", "patience", "postcopy", "otherwise", "never"]
"""``patience``: a longer downtime lets it end. ``postcopy``: switch now. ``otherwise``: abort, then ask for post-copy.
``never``: nothing that the policy allows lets it end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A migration as libvirt tells of it: bytes, bytes/s, seconds. ``round`` counts from 1."""

    round: int = 0
    left: int = 0
    total: int = 0
    speed: float = 0.0
    throttle: int = 0
    elapsed: float = 0.0
    late: bool = False
    """After post-copy's switch."""
    disks: int = 0
    """Bytes of disks still to be copied."""

    @property
    def told(self) -> str:
        """One line for people."""
        if self.late:
            return f"post-copy: {self.left / MIB:.0f} MiB to fetch"
        throttled = f", server slowed by {self.throttle} %" if self.throttle else ""
        disks = f", disks {self.disks / MIB:.0f} MiB" if self.disks else ""
        return f"round {self.round}: {self.left / MIB:.0f} MiB to send at {self.speed / 1e6:.0f} MB/s{disks}{throttled}"


def rounds(before: Memo, job: Job) -> Memo:
    """``round``, ``least`` and ``stalled`` of a memo as they are now: how many rounds have gained nothing together.

    Told as a round begins. The rate of dirtying is not asked: pages that are rewritten all the time are dirty once in
    each round, so that QEMU's figure for it is the speed of sending itself, give or take what both are off.
    """
    if job.round <= before["round"] or job.left <= 0:
        return {}
    if not before["least"] or job.left < GAIN * before["least"]:
        return {"round": job.round, "least": job.left, "stalled": 0}
    return {"round": job.round, "stalled": before["stalled"] + 1}


def judge(job: Job, parameters: Parameters, policy: Policy, stalled: int, downtime: int) -> Verdict:
    """What to do. ``stalled`` rounds have gained nothing together; ``downtime`` is the limit now, in ms."""
    if job.late:
        return "go on"
    if parameters.postcopy:
        return "postcopy" if job.round >= 2 and not job.disks else "go on"
    if stalled < PATIENCE:
        return "go on"
    if downtime < 900 * policy.gap and job.speed > 0 and job.left / job.speed < 0.9 * policy.gap:
        return "patience"
    if parameters.throttle and stalled < PATIENCE + LATER and job.throttle < THROTTLE_MOST:
        return "go on"
    return "otherwise" if policy.postcopy else "never"
