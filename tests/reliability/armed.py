"""The real program, killed at a line of its journal: ``python armed.py METHOD NTH before|after WORD…``.

The words are those of ``cloudsentry``; the process ends by SIGKILL at the NTH call of the journal's METHOD,
or as the program ends where there is none. ``python armed.py count FILE - WORD…`` only counts the calls.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from cloudsentry.journal import Journal
from cloudsentry.osc.shell import main

METHODS = ("revise", "begin", "intent", "step_ended", "run_ended", "event_gone")


def arm(method: str, nth: int, *, after: bool, count: Counter[str]) -> None:
    """This process is killed before or after the ``nth`` call of one of the journal's methods; all are counted."""
    plain = getattr(Journal, method)

    def trap(self: Journal, *args: Any, **named: Any) -> Any:
        count[method] += 1
        if count[method] == nth and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(self, *args, **named)
        if count[method] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(Journal, method, trap)


def counting(path: str, words: list[str]) -> int:
    """The program without a trap; how often each method was called is in the file afterwards."""
    count = Counter[str]()
    for method in METHODS:
        arm(method, 0, after=False, count=count)
    code = main(words)
    Path(path).write_text(json.dumps(count))
    return code


if __name__ == "__main__":
    if sys.argv[1] == "count":
        sys.exit(counting(sys.argv[2], sys.argv[4:]))
    arm(sys.argv[1], int(sys.argv[2]), after=sys.argv[3] == "after", count=Counter())
    sys.exit(main(sys.argv[4:]))
