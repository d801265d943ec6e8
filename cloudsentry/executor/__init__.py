"""The workshop: runs a plan. The only place that waits, retries, gives up and paces.

``clock``  the only sleep in the house
``pace``   how often to look, how long to wait, how often to try
``breaker`` leaves a sick API alone for a while; ``circuits`` keeps that for the next process
``budget`` how often a run may try again in all
``tries``  one order to one driver: tried by the meaning of its errors
``run``    the plan's graph: what is ready starts, what is started is watched, what hangs on it follows
"""

from cloudsentry.executor.breaker import Breaker
from cloudsentry.executor.circuits import Circuits
from cloudsentry.executor.clock import Clock
from cloudsentry.executor.pace import Pace
from cloudsentry.executor.run import Ledger, Place, Run
from cloudsentry.executor.tries import reading

__all__ = ["Breaker", "Circuits", "Clock", "Ledger", "Pace", "Place", "Run", "reading"]
