"""Make before break: new servers at the target serve before the old ones go. Nothing is copied.

A pool moves by revisions of its event, which the same planner and executor carry out as any other: the new pool at
weight 0, its weights step by step, the old pool's servers drained and deleted. Every revision may be applied again.
"""

from cloudsentry.drivers.mover.replace.driver import ReplaceMover

__all__ = ["ReplaceMover"]
