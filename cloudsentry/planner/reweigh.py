"""Weights that follow how fast members answer. Pure: what was seen goes in, weights and reasons come out.

What is compared is a unit's *slowness*: the time of its answers as a multiple of what is normal for it, next to that of
the other units (their lower median). A crowd that grows slows everybody down and changes nothing; a host at half its
speed slows down its own servers alone. What is normal is learnt while all is well, and is kept with the weights.

Losing is quick and getting back slow: a unit with less weight answers well again although its host is as slow as
before, so that only trying tells. Each relapse doubles the time to the next try, as congestion control backs off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, median_low

QUICK = 5.0
"""Milliseconds: answers within this are all alike. HAProxy tells whole milliseconds, so 1 is as near to 2 as to 0."""
LEARN = 3
"""Looks that tell what is normal for a unit."""
ENOUGH = 20
"""Answers between two looks below which a unit's time is not known: a mean of fewer says little."""
CALM = 1.15
"""Below this slowness a unit answers as it usually does, and may get more again. A noise of 5 % is well within."""
SETTLE = 12.0
"""Seconds after a loss before the next: HAProxy's mean is over a thousand answers, and tells of before for a while."""
EASED_MOST = 0.5
"""Units of more than this part of all weight are never eased at once: shares are relative, somebody must serve."""
LOOKS = 2
"""Looks in a row that must agree before a weight changes."""
BACK_STEP = 0.25
"""The part of its full weight that a unit gets back in one step."""
BACK_MOST = 3600.0
"""Seconds to the next try at most."""
DRIFT = 0.1
"""How fast what is normal follows what is seen while all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How weights follow; as `cloudsentry.spec.reweighing.Reweigh`."""

    slower: float = 1.5
    step: float = 0.5
    floor: float = 0.1
    back: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One unit in one look: its mean time of an answer in ms, or None where it is not known."""

    unit: str
    time: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One unit between two looks. ``since`` is the time (s) of its last change, ``streak`` the looks that agree.

    ``normal`` (ms) is None until it is learnt; ``learnt`` are the looks so far. A positive streak is one of slow
    looks, a negative one of calm looks. On ``trial`` is who got more last.
    """

    full: int
    weight: int
    since: float = 0.0
    normal: float | None = None
    learnt: tuple[float, ...] = ()
    streak: int = 0
    relapses: int = 0
    trial: bool = False
    slowness: float | None = None
    why: str = ""


def follow(states: Mapping[str, State], seen: Sequence[Seen], rules: Rules, now: float) -> dict[str, State]:
    """Every unit's state after a look. A unit that is not known keeps its weight, and so do all if fewer than two are.

    Weights stay within ``floor`` of the full one and the full one, and at most ``step`` of it is lost at once.
    """
    times = {one.unit: max(QUICK, one.time) for one in seen if one.unit in states and one.time is not None}
    if len(times) < 2:
        return dict(states)
    made = dict(states)
    for unit, state in states.items():
        if unit in times:
            after = _after(state, times[unit] / _level(unit, times, states), rules, now)
            made[unit] = after if after.weight >= state.weight or _may_lose(unit, made) else replace(state, streak=0)
    return made


def _may_lose(unit: str, states: Mapping[str, State]) -> bool:
    """Whether enough others have all of their weight: who took over what others lost is busier, and not slower."""
    eased = sum(state.full for name, state in states.items() if name == unit or state.weight < state.full)
    return eased <= EASED_MOST * sum(state.full for state in states.values())


def _level(unit: str, times: Mapping[str, float], states: Mapping[str, State]) -> float:
    """How many times as long as usual the other units take; 1 while nobody knows what is usual."""
    others = [times[name] / state.normal for name, state in states.items() if name in times and state.normal]
    mine = states[unit].normal
    if mine:
        others.remove(times[unit] / mine)
    return median_low(others) if others else 1.0


def _after(state: State, time: float, rules: Rules, now: float) -> State:
    """``time`` is this look's, had the others taken as long as usual."""
    if state.normal is None:
        return _learning(state, time)
    slowness = time / state.normal
    if slowness >= rules.slower:
        return _slow(state, slowness, rules, now)
    if slowness <= CALM:
        return _calm(state, time, slowness, rules, now)
    return replace(state, streak=0, slowness=slowness)


def _learning(state: State, time: float) -> State:
    learnt = (*state.learnt, time)
    return replace(state, learnt=learnt, normal=median(learnt) if len(learnt) >= LEARN else None)


def _slow(state: State, slowness: float, rules: Rules, now: float) -> State:
    streak = max(0, state.streak) + 1
    least = max(1, round(state.full * rules.floor)) if state.full else 0
    if streak < LOOKS or state.weight <= least or (state.since and now - state.since < SETTLE):
        return replace(state, streak=streak, slowness=slowness)
    weight = max(least, round(state.weight * max(1 - rules.step, 1 / slowness)))
    weight = min(weight, state.weight - 1)
    return replace(
        state,
        weight=weight,
        since=now,
        streak=0,
        slowness=slowness,
        relapses=state.relapses + state.trial,
        trial=False,
        why=f"takes {slowness:.1f} times as long as usual, next to the others",
    )


def _calm(state: State, time: float, slowness: float, rules: Rules, now: float) -> State:
    streak = min(0, state.streak) - 1
    wait = min(BACK_MOST, rules.back * 2.0**state.relapses)
    if state.weight >= state.full:
        # Only at its full weight is what it shows normal for it; and there for long, relapses are forgotten.
        normal = (state.normal or time) * (1 - DRIFT) + time * DRIFT
        settled = now - state.since >= wait
        return replace(
            state,
            streak=streak,
            slowness=slowness,
            normal=normal,
            relapses=0 if settled else state.relapses,
            trial=state.trial and not settled,
        )
    if -streak < LOOKS or now - state.since < wait:
        return replace(state, streak=streak, slowness=slowness)
    weight = min(state.full, state.weight + max(1, round(state.full * BACK_STEP)))
    return replace(
        state,
        weight=weight,
        since=now,
        streak=0,
        slowness=slowness,
        trial=True,
        why=f"answers well ({slowness:.2f} times as long as usual): on trial with more",
    )


def ramped(full: int, elapsed: float, seconds: float, first: float, steps: int = 5) -> int:
    """The weight of a server of a site that came ``elapsed`` seconds ago: from ``first`` of it, in even steps, to all.

    All members of a new site are new, so that a slow start of each would leave their shares as they are: the whole
    site's weight grows instead.
    """
    if not full:
        return 0
    if seconds <= 0 or elapsed >= seconds:
        return full
    done = int(max(0.0, elapsed) / seconds * steps) / steps
    return max(1, min(full, round(full * (first + (1 - first) * done))))
