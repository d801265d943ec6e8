"""How often to look, how long to wait, how often to try."""

from __future__ import annotations

from dataclasses import dataclass

from cloudsentry.records.plans import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """All times in seconds. The defaults are those of the configuration file."""

    poll_least: float = 1.0
    """Shortest time between two looks at one place."""
    poll_share: float = 0.25
    """At most this share of the time is spent looking: a look that took 1 s is followed by 3 s of rest."""
    boot_timeout: float = 600.0
    balancer_timeout: float = 300.0
    attempts: int = 6
    """Calls of one step that may fail before it has failed."""
    budget: int = 100
    """Calls that a run may make again in all; a plan of more than 20 steps has five per step. 0: none."""
    retry_first: float = 0.5
    retry_most: float = 20.0
    settle: float = 15.0
    """How long an accepted call may stay invisible after its answer was lost."""
    threads: int = 8

    def rest(self, look_took: float) -> float:
        """Seconds to the next look at a place whose last look took ``look_took``."""
        return max(self.poll_least, look_took * (1.0 / self.poll_share - 1.0))

    def patience(self, step: Step) -> float:
        """How long a step may take from its first call on; what a place says that it still takes comes on top.

        So clients that remember old answers for a day are waited for, and a steering that is never as ordered is not.
        Who awaits a balancer's members awaits servers that boot, whose programs come after them.
        """
        return self.boot_timeout if step.family == "pool" or step.verb == "await" else self.balancer_timeout
