"""Whether anybody answers behind a balancer, and the wait until somebody does.

Nobody is sent there before, and nobody leaves there before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudsentry.records.progress import Progress

if TYPE_CHECKING:
    from cloudsentry.records.views import Balancer, BalancerView, Member

DOWN = ("OFFLINE", "ERROR", "DISABLED", "DRAINING")
"""Operating states of members that get no new request; one that was not checked yet is OFFLINE, as Octavia has it."""
NAMED = 4
"""Members that a line names; of more it tells the number."""


def serves(balancer: Balancer) -> bool:
    """Whether a member with a weight answers, as far as the balancer's driver tells."""
    return balancer.provisioning != "ERROR" and any(answers(member) for member in balancer.members)


def answers(member: Member) -> bool:
    """Whether a member with a weight gets requests, as far as its balancer's driver tells."""
    return bool(member.weight) and member.operating not in DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitMembers:
    """Wait until ``least`` members with a weight answer their monitor. Calls nothing.

    ``asks`` is the monitor in words. The servers of ``besides`` are about to leave, and do not count.
    """

    unit: str
    asks: str = ""
    least: int = 1
    besides: tuple[str, ...] = ()

    def progress(self, view: BalancerView, elapsed: float = 0.0) -> Progress:
        """Done when so many answer; failed where they never can: no balancer, or not so many with a weight."""
        balancer = view.named(self.unit)
        if balancer is None:
            return Progress(state="failed", wanted=self.least, detail="the balancer is gone")
        if balancer.provisioning == "ERROR":
            return Progress(state="failed", wanted=self.least, detail=f"balancer {balancer.name} is in ERROR")
        weighty = tuple(one for one in balancer.members if one.weight and one.name not in self.besides)
        silent = tuple(one for one in weighty if not answers(one))
        done = len(weighty) - len(silent)
        if done >= self.least:
            return Progress(state="done", done=done, wanted=self.least)
        if not weighty and balancer.provisioning == "ACTIVE":
            return Progress(state="failed", wanted=self.least, detail=self._weightless(balancer.name))
        return Progress(state="waiting", done=done, wanted=self.least, detail=self._told(silent))

    def _weightless(self, name: str) -> str:
        return f"no member of balancer {name} {'that stays ' if self.besides else ''}has a weight"

    def _told(self, silent: tuple[Member, ...]) -> str:
        if not silent:
            return "it has not all of its members yet" if self.least > 1 else "it has no members yet"
        states = [f"{member.address} port {member.port} is {member.operating or 'unknown'}" for member in silent]
        more = [f"{len(states) - NAMED} more"] if len(states) > NAMED else []
        asks = self.asks or "its monitor"
        short = f"fewer than {self.least} members have answered {asks}"
        return f"{short if self.least > 1 else f'no member has answered {asks}'}: {', '.join([*states[:NAMED], *more])}"

    def seen(self, view: BalancerView) -> bool:
        """There is no call whose effect could be seen."""
        return True
