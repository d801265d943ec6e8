"""The study: event and snapshot in, plan or status out. Pure: no clock, no SDK, no driver, no luck.

``units``     which servers belong where
``servers``   steps for one pool
``balancers`` steps for one balancer
``make``      the whole plan; ``status`` the same comparison, told to people
"""

from cloudsentry.planner.make import plan_apply, plan_destroy
from cloudsentry.planner.status import status_of

__all__ = ["plan_apply", "plan_destroy", "status_of"]
