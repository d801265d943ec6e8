"""What can go wrong, named by what the caller does next.

::

    SentryError
    ├── UserError        the input is wrong: say where and what was expected (exit 2)
    │   └── SpecError    an event file with faults, all of them at once
    ├── PlanError        the wish cannot be planned: who refused, and the counts
    ├── PlanStale        a saved plan no longer fits the clouds (exit 3)
    ├── RunStopped       a run ended before its end; what is left is in the journal
    ├── Owned            somebody else holds the event just now
    │   ├── Moving       a move that has not ended holds it: no process need be there
    │   └── Lost         this process held it, and its lease is over
    └── DriverError      a cloud or a daemon answered
        ├── Busy         not now: try again, not before ``after`` seconds
        ├── Unreachable  no answer, and the call cannot have had an effect
        ├── Ambiguous    no answer, and the call may have had its effect: look, then decide
        ├── NoCapacity   the place is full or the quota is used up
        ├── Conflict     the resource is in a state that forbids the call
        ├── Denied       the account may not
        └── NotSupported the cloud, or its configuration, cannot

Errors are classified by status and type, never by the text of a message. Only
``Busy``, ``Unreachable`` and ``Ambiguous`` are ever retried.
"""

from __future__ import annotations

from dataclasses import dataclass


class SentryError(Exception):
    """The root. ``str()`` is one sentence for people; ``exit_code`` is the process's."""

    exit_code = 1


class UserError(SentryError):
    """The user's input is wrong; nothing was changed."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of an input file. Lines and columns count from 1; line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        spot = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{spot}: {self.message}"


class SpecError(UserError):
    """An event file with faults; ``faults`` holds every one, in file order."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class PlanError(SentryError):
    """The event cannot be planned on these clouds. ``refusals`` is one sentence per reason."""

    def __init__(self, refusals: tuple[str, ...]) -> None:
        self.refusals = refusals
        super().__init__("\n".join(refusals))


class PlanStale(SentryError):
    """The clouds or the event have moved on since the plan was made."""

    exit_code = 3


class RunStopped(SentryError):
    """A run ended early; ``run`` is its number in the journal."""

    def __init__(self, message: str, *, run: int) -> None:
        self.run = run
        super().__init__(message)


class Owned(SentryError):
    """Another process works on the event; nothing was changed."""


class Moving(Owned):
    """A move that has not ended holds the event, its process alive or killed; the message says how to go on."""


class Lost(Owned):
    """This process's lease on the event ended while it worked: from here on it writes nothing."""


class DriverError(SentryError):
    """A driver's call failed. ``cloud`` says where, ``status`` is the HTTP status or 0."""

    def __init__(self, message: str, *, cloud: str = "", status: int = 0) -> None:
        self.cloud = cloud
        self.status = status
        super().__init__(f"{cloud}: {message}" if cloud else message)


class Busy(DriverError):
    """Not now. ``after`` is the least number of seconds to wait (0: as you like)."""

    def __init__(self, message: str, *, cloud: str = "", status: int = 0, after: float = 0.0) -> None:
        self.after = after
        super().__init__(message, cloud=cloud, status=status)


class Unreachable(DriverError):
    """Nobody answered, and nothing can have happened."""


class Ambiguous(DriverError):
    """The answer was lost; the call may have taken effect. Look for its mark before anything else."""


class NoCapacity(DriverError):
    """The hypervisor, the zone or the quota has no room; the message holds the number that ran out."""


class Conflict(DriverError):
    """The resource's state forbids the call, and waiting alone will not change it."""


class Denied(DriverError):
    """The account may not do this; the message names the policy or the role where the cloud tells."""


class NotSupported(DriverError):
    """The cloud or its provider cannot do this, or the request itself is invalid there."""
