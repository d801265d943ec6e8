"""The workshop: runs a plan. The only place that waits, retries, gives up and paces.

``clock``  the only sleep in the house
``pace``   how often to look, how long to wait, how often to try
``tries``  one order to one driver: tried by the meaning of its errors
``run``    the plan's graph: what is ready starts, what is started is watched, what hangs on it follows
"""

from cloudsentry.executor.clock import Clock
from cloudsentry.executor.pace import Pace
from cloudsentry.executor.run import Ledger, Place, Run
from cloudsentry.executor.tries import reading

__all__ = ["Clock", "Ledger", "Pace", "Place", "Run", "reading"]
