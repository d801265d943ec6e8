"""Seeded crowds: what clients ask for, what was announced, and what of it is no crowd at all.

Loads are requests per second at every `STEP` seconds. An announcement is known from the beginning, as a timetable is;
what really comes differs from it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from cloudsentry.records.scaling import Demand

STEP = 10
"""Seconds from one value of a trace to the next."""
FIRST = dt.datetime(2010, 8, 6, 15, 0, tzinfo=dt.UTC)
"""Midnight in Tokyo before the first day."""
PER_SERVER = 100.0
"""Requests per second of a server."""
QUIET = 120.0
"""Requests per second when nothing is on."""
MATCHES = (3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3, 2, 2, 1, 1)
"""Matches by day, 48 in all."""
LENGTH, RAMP, FINALE, SLOT = 7500.0, 1800.0, 1500.0, 9000.0
UNCERTAINTY = 0.2

Load = np.ndarray


@dataclass(frozen=True)
class Trace:
    """``load`` is the crowd's, ``flood`` what comes on top of it and serves nobody."""

    name: str
    load: Load
    demands: tuple[Demand, ...] = ()
    flood: Load | None = None
    events: tuple[float, ...] = field(default=())
    """Seconds at which something begins that a measure asks about."""


def blank(hours: float, rng: np.random.Generator) -> Load:
    """What there is anyway: less at night, and a little noise that lasts for minutes."""
    seconds = np.arange(0, hours * 3600, STEP)
    return QUIET * (1 + 0.3 * np.sin(2 * np.pi * (seconds / 86400 - 0.3))) * jittered(len(seconds), 0.05, rng)


def jittered(size: int, share: float, rng: np.random.Generator) -> Load:
    """Noise around 1 that is forgotten within a minute or two."""
    white = rng.normal(0, share, size + 30)
    return np.maximum(0.5, 1 + np.convolve(white, np.full(12, 1 / np.sqrt(12)), "same")[15 : 15 + size])


def bump(size: int, start: float, rise: float, length: float, fall: float, height: float) -> Load:
    """A crowd that comes within ``rise`` seconds from ``start`` on, stays, and goes."""
    seconds = np.arange(size) * STEP - start
    corners = [0, rise, rise + length, rise + length + fall]
    return np.interp(seconds, corners, [0, height, height, 0], left=0, right=0)


def match(size: int, start: float, length: float, height: float, rng: np.random.Generator) -> Load:
    """One match: people gather, innings of growing interest with breaks, a burst in the last, and they are gone."""
    seconds = np.arange(size) * STEP - start
    corners: list[tuple[float, float]] = [(-RAMP, 0.0), (0.0, 0.35)]
    inning = length / 9
    for number in range(9):
        level = 0.35 + 0.25 * number / 8 + rng.uniform(-0.05, 0.05)
        begins = number * inning
        corners += [(begins + 60, level), (begins + inning - 150, level), (begins + inning - 90, level * 0.85)]
    bursts = length - rng.uniform(400, 900)
    corners = [corner for corner in corners if corner[0] < bursts]
    corners += [(bursts + rng.uniform(45, 150), 1.0), (length, 1.0), (length + 60, 0.6), (length + 180, 0.2)]
    corners += [(length + 900, 0.05), (length + 1500, 0.0)]
    times, shares = zip(*corners, strict=True)
    return height * np.interp(seconds, times, shares, left=0, right=0)


def demand(name: str, start: float, crowd: float, length: float = LENGTH, ramp: float = RAMP) -> Demand:
    """What the timetable says of it."""
    return Demand(
        name=name,
        start=FIRST + dt.timedelta(seconds=start),
        length=length,
        ramp=ramp,
        peak=crowd * (1 + UNCERTAINTY),
        finale=min(FINALE, length),
    )


def t1(rng: np.random.Generator) -> Trace:
    """Fifteen days, 48 matches: late when the one before is, longer at times, larger or smaller than announced."""
    load = blank(24 * 15, rng)
    demands, size = [], len(load)
    for day, matches in enumerate(MATCHES):
        free = 0.0
        for number in range(matches):
            announced = day * 86400 + 8.5 * 3600 + number * SLOT
            crowd = (700 + 60 * day) * rng.uniform(0.7, 1.3) * (2.2 if matches == 1 else 1.5 if matches == 2 else 1)
            demands.append(demand(f"d{day + 1}m{number + 1}", announced, crowd))
            start = max(announced, free)
            length = LENGTH * rng.uniform(0.85, 1.1) * (1.3 if rng.random() < 0.1 else 1)
            load += match(size, start, length, crowd * rng.lognormal(0, 0.15), rng)
            free = start + length + 900
    return Trace("T1 tournament", load * jittered(size, 0.02, rng), tuple(demands))


def t2(rng: np.random.Generator) -> Trace:
    """Nobody said that they come: twice as many every minute, until they are ten times as many."""
    load = blank(16, rng)
    starts = [hour * 3600 + rng.uniform(0, 600) for hour in (1, 5, 9, 13)]
    for start in starts:
        seconds = np.arange(len(load)) * STEP - start
        times = np.minimum(10.0, 2 ** (np.maximum(0, seconds) / 60))
        load *= np.where(seconds > 3600, 1 + 9 * np.exp(-np.maximum(0, seconds - 3600) / 300), times)
    return Trace("T2 unannounced", load, events=tuple(starts))


def t3(rng: np.random.Generator, *, told: bool) -> Trace:
    """Spikes of any steepness, size and length; announced (roughly) or not at all."""
    load = blank(72, rng)
    demands = []
    for number in range(30):
        start = number * 8000 + 3000 + rng.uniform(-600, 600)
        rise, length = float(np.exp(rng.uniform(np.log(30), np.log(600)))), rng.uniform(300, 3600)
        height = QUIET * rng.uniform(2, 10)
        load += bump(len(load), start, rise, length, rng.uniform(30, 600), height)
        said = start + rng.normal(0, 120) + rise
        demands.append(demand(f"spike{number}", said, height * rng.lognormal(0, 0.15), length, 600))
    name = "T3 spikes, announced" if told else "T3 spikes, unannounced"
    return Trace(name, load, tuple(demands) if told else ())


def t4(rng: np.random.Generator) -> Trace:
    """Matches that are announced and not played, one after a real one each day."""
    load = blank(72, rng)
    demands, false = [], []
    for day in range(3):
        for number, played in enumerate((True, False)):
            start = day * 86400 + 10 * 3600 + number * 3 * SLOT
            demands.append(demand(f"d{day}m{number}", start, 1500))
            if played:
                load += match(len(load), start, LENGTH, 1500, rng)
            else:
                false.append(start)
    return Trace("T4 false alarm", load, tuple(demands), events=tuple(false))


def t5(rng: np.random.Generator, real: float) -> Trace:
    """A match a day, and every forecast is wrong: ``real`` times the announced crowd comes."""
    load = blank(72, rng)
    demands, starts = [], []
    for day in range(3):
        start = day * 86400 + 12 * 3600
        demands.append(demand(f"d{day}", start, 1500))
        load += match(len(load), start, LENGTH, 1500 * real, rng)
        starts.append(start)
    return Trace(f"T5 forecast {1 / real - 1:+.0%}", load, tuple(demands), events=tuple(starts))


def t6(rng: np.random.Generator) -> Trace:
    """Floods of twenty times the load within seconds, outside of matches and in the middle of one."""
    load = blank(48, rng)
    flood = np.zeros(len(load))
    demands = []
    for day in range(2):
        start = day * 86400 + 12 * 3600
        demands.append(demand(f"d{day}", start, 1500))
        load += match(len(load), start, LENGTH, 1500, rng)
        for hour in (4, 13, 20):
            flood += bump(len(load), day * 86400 + hour * 3600, 10, 1200, 10, QUIET * 20)
    return Trace("T6 flood", load, tuple(demands), flood=flood)


ALL: dict[str, Callable[[np.random.Generator], Trace]] = {
    "t1": t1,
    "t2": t2,
    "t3": lambda rng: t3(rng, told=False),
    "t3-announced": lambda rng: t3(rng, told=True),
    "t4": t4,
    "t5-half": lambda rng: t5(rng, 2.0),
    "t5-double": lambda rng: t5(rng, 0.5),
    "t6": t6,
}
"""Traces by their names. A forecast that is wrong by −50 % means that twice as many come."""
