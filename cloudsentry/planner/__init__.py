"""The study: event and snapshot in, plan or status out. Pure: no clock, no SDK, no driver, no luck.

``units``     which servers belong where
``servers``   steps for one pool
``balancers`` steps for one balancer
``spill``     servers that cannot be where they are pinned, put elsewhere
``preflight`` what speaks against an event before anything is made
``make``      the whole plan; ``status`` the same comparison, told to people
"""

from cloudsentry.planner.make import plan_apply, plan_destroy
from cloudsentry.planner.preflight import preflight, shortages
from cloudsentry.planner.spill import Short, host_of, origin_of
from cloudsentry.planner.status import status_of
from cloudsentry.planner.surplus import surplus_and_gone

__all__ = [
    "Short",
    "host_of",
    "origin_of",
    "plan_apply",
    "plan_destroy",
    "preflight",
    "shortages",
    "status_of",
    "surplus_and_gone",
]
