"""The hall's floor for watching: what is wanted, what is there, what was decided and what comes next, of every event.

Two looks of different cost make one picture: the journal (`Heard`: cheap, once a second) and the clouds (`Seen`:
dear, seldom). Where a cloud does not answer, what was seen last stays, with its time and the trouble: missing
data is never "nothing there".
"""

from cloudsentry.picture.painter import Painter, told
from cloudsentry.picture.rows import Heard, Sample, Seen

__all__ = ["Heard", "Painter", "Sample", "Seen", "told"]
