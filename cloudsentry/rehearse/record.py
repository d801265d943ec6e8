"""What was there while it played, minute by minute, for the report: the crowd that was made up, and what answered it.

No monitor watches a rehearsal. Requests are what the crowd of it asks for, and what its servers answer by their
scaling; bytes and sessions are reckoned from those, and every figure says so.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cloudsentry.records.history import Curve, Figure

BYTES = 25_000
"""Bytes of a response: the images of the source."""
SESSIONS = 8000 / (150e6 / 8 / BYTES)
"""TCP sessions that stay open for each request per second: the source counted 8,000 at 150 Mbit/s."""
FINE = dt.timedelta(minutes=1)
COARSE = dt.timedelta(minutes=10)
"""Of so long the most that came and the least that was there is drawn, where all days are drawn."""

Answers = Mapping[str, Mapping[str, float]]
"""Requests per second that the active servers answer: by pool, by hypervisor."""
Moment = tuple[dt.datetime, float, Answers]
"""Since when, what the crowd asks for, and what answers."""


@dataclass(slots=True)
class Recorder:
    """Notes moments, and makes figures of them."""

    moments: list[Moment] = field(default_factory=list)

    def note(self, when: dt.datetime, load: float, answers: Answers) -> None:
        """Moments come in their order; of those within a minute that are alike the first is kept."""
        if self.moments:
            last, _, before = self.moments[-1]
            if before == answers and when - last < FINE:
                return
        self.moments.append((when, load, answers))

    def figures(self) -> tuple[Figure, ...]:
        """All days, and the day with the most requests by hypervisor; none where nothing was noted."""
        if not self.moments:
            return ()
        busiest = max(self.moments, key=lambda moment: moment[1])[0].date()
        day = [moment for moment in self.moments if moment[0].date() == busiest]
        made = "Synthesised: the crowd is made up from the timetable, shared out as the servers answer"
        return (
            _whole(self.moments),
            Figure(
                title=f"TCP sessions on {busiest}, by hypervisor",
                curves=_by_hypervisor(day, lambda load, answers: SESSIONS * min(load, answers)),
                unit="sessions",
                source=f"{made}; {SESSIONS:.1f} sessions for each request/s, as the source counted.",
            ),
            Figure(
                title=f"Traffic on {busiest}, by hypervisor",
                curves=_by_hypervisor(day, lambda load, answers: 8 * BYTES * min(load, answers) / 1e6),
                unit="Mbit/s",
                source=f"{made}; {BYTES // 1000} KB each.",
            ),
            Figure(
                title=f"Share of the capacity in use on {busiest}, by hypervisor",
                curves=_by_hypervisor(day, lambda load, answers: 100 * load / answers),
                unit="%",
                source=f"{made}. Above 100 % a hypervisor is in trouble: more is asked of it than it answers.",
            ),
        )


def _whole(moments: list[Moment]) -> Figure:
    """The crowd and every pool's capacity."""
    came: dict[dt.datetime, float] = defaultdict(float)
    least: dict[str, dict[dt.datetime, float]] = defaultdict(dict)
    for when, load, answers in moments:
        bin_ = when - (when - dt.datetime.min.replace(tzinfo=when.tzinfo)) % COARSE
        came[bin_] = max(came[bin_], load)
        for pool, hosts in answers.items():
            least[pool][bin_] = min(least[pool].get(bin_, float("inf")), sum(hosts.values()))
    curves = [Curve(name="crowd (made up)", points=tuple(came.items()))]
    curves += [Curve(name=f"{pool} answers", points=tuple(found.items())) for pool, found in sorted(least.items())]
    return Figure(
        title="Crowd, and what the servers of each pool answer",
        curves=tuple(curves),
        unit="requests/s",
        source="Synthesised from the timetable; the most that came and the least that was there in ten minutes each.",
    )


def _by_hypervisor(day: list[Moment], value: Callable[[float, float], float]) -> tuple[Curve, ...]:
    """A line per hypervisor; ``value`` is given what is asked of it and what its servers answer."""
    lines: dict[str, list[tuple[dt.datetime, float]]] = defaultdict(list)
    for when, load, answers in day:
        asked: dict[str, float] = defaultdict(float)
        there: dict[str, float] = defaultdict(float)
        for hosts in answers.values():
            for host, mine in hosts.items():
                asked[host] += load * mine / sum(hosts.values())
                there[host] += mine
        for host, answer in there.items():
            lines[host].append((when, round(value(asked[host], answer), 3)))
    return tuple(Curve(name=host, points=tuple(points)) for host, points in sorted(lines.items()))
