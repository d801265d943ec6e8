"""The cellar: what the house remembers, and who holds an event just now.

``journal``    revisions, runs and the intents of calls, in one database
``records``    what the journal hands back
``ownership``  one process per event
``store``      opens the database, and upgrades its schema

The journal is memory for people and for crash recovery, never the truth about a cloud:
that is looked up. Everything kept here may be lost, at the price of the history.
"""

from cloudsentry.journal.journal import Journal
from cloudsentry.journal.records import EventRow, Intent, Revision, RunRow, StepRow

__all__ = ["EventRow", "Intent", "Journal", "Revision", "RunRow", "StepRow"]
