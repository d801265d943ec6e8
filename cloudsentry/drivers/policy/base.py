"""The contract of a policy: one method, pure."""

from __future__ import annotations

import abc

from cloudsentry.records.scaling import Decision, Inputs


class PolicyDriver(abc.ABC):
    """Constructed without arguments; keeps no state."""

    @abc.abstractmethod
    def decide(self, inputs: Inputs) -> Decision:
        """How many servers there should be, and why.

        Looks at nothing but ``inputs``: the same inputs give the same decision. Within the bounds, and never fewer
        servers because a signal is missing. What a timetable announced is kept until its crowd is there; whether a
        crowd that turned out smaller may take servers back is the policy's to say.
        """
