"""A clock that jumps: whoever sleeps wakes at once, later."""

from cloudsentry.executor.clock import JumpClock

__all__ = ["JumpClock"]
