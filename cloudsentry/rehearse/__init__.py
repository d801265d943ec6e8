"""A rehearsal: the whole calendar through the production code, with a clock that jumps and a crowd that is made up.

``crowd``    what comes, from the timetable
``chaos``    what goes wrong
``stage``    the event on fake clouds with a journal of its own
``play``     the days, tick by tick, and the verdict
"""

from cloudsentry.rehearse.chaos import KINDS, parsed
from cloudsentry.rehearse.play import Rehearsal, Verdict

__all__ = ["KINDS", "Rehearsal", "Verdict", "parsed"]
