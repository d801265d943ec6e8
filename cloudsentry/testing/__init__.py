"""For tests of drivers and of the house: time that jumps, and worlds that survive a kill."""

from cloudsentry.testing.clock import JumpClock

__all__ = ["JumpClock"]
