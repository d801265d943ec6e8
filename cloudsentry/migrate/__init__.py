"""The hall's floor for moves: what would move how, moving it, and going on, back or away after a crash.

``asking``  what is asked, in the house's words: candidates, with every reason against each
``forecast`` how long it would take, and whether it may begin now
``fleet``   several moves under way at once, within a budget; a group as one unit or not at all
``hall``    the verbs

A pool moves by revisions of its event (`replace`), so that everybody else may go on applying them. Single servers
move with their event held: while one is stopped nobody may start it, delete it or make it anew. A move that was
killed in between keeps holding its event, in the journal, until it is retried or rolled back.
"""

from cloudsentry.migrate.asking import Asked
from cloudsentry.migrate.hall import Migration

__all__ = ["Asked", "Migration"]
