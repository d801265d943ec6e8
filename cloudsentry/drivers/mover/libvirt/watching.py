"""When a migration that is under way is to be helped, or given up for one with other parameters. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cloudsentry.records.precopy import MIB, THROTTLE_MOST, Parameters, Policy

PATIENCE = 3
"""Rounds that may leave no less than the one before until something is done about it."""
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
    dirty: float = 0.0
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

    @property
    def gaining(self) -> bool:
        """Whether it sends faster than the server writes; a job that has not measured yet gains."""
        return self.speed <= 0 or self.dirty < 0.9 * self.speed


def judge(job: Job, parameters: Parameters, policy: Policy, stalled: int, downtime: int) -> Verdict:
    """What to do. ``stalled`` rounds have left no less than their forerunners; ``downtime`` is the limit now, in ms."""
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
