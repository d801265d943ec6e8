"""What the load of the last minutes says of the next ones, and whether it is to be believed."""

from __future__ import annotations

from collections.abc import Sequence

from cloudsentry.records.scaling import Inputs, Missing, Reading

RISING = 120.0
"""Seconds over which a rise is measured: long enough for several readings, shorter than a burst."""
LASTING = 600.0
"""Seconds whose highest load counts when servers are to go."""
NOTABLE = 0.2
"""Share of the load that a rise must be: what is less is noise."""
FARTHEST = 6.0
"""Times the load of now, the most that is made ready for by its slope, where nothing else tells how it goes on."""
SUDDEN = 4.0
"""Times as much load within `JUMP` seconds as no crowd brings; the fastest known doubles in 60 s."""
JUMP = 60.0
DOUBTED = 900.0
"""Seconds for which what came so suddenly is doubted."""
BELIEVED = 2.0
"""Times what the witness counts, the most load that is followed."""


def followed(inputs: Inputs) -> float:
    """The load of now in requests per second, as far as the witness bears it out; 0 without a reading."""
    if not isinstance(inputs.signal, Reading):
        return 0.0
    if isinstance(inputs.witness, Reading):
        return min(inputs.signal.value, BELIEVED * inputs.witness.value)
    return inputs.signal.value


def course(inputs: Inputs, seconds: float) -> list[tuple[float, float]]:
    """(age in seconds, requests per second) of the last ``seconds``, oldest first, the present one last."""
    most = followed(inputs) if isinstance(inputs.witness, Reading) else float("inf")
    ages = ((age, min(old.value, most)) for old in inputs.recent if (age := (inputs.now - old.at).total_seconds()) > 0)
    return [*((age, value) for age, value in ages if age <= seconds), (0.0, followed(inputs))]


def coming(inputs: Inputs, farthest: float = FARTHEST) -> float:
    """The load when servers ordered now serve: that of now, and its rise carried on over a boot.

    A rise that gets steeper is carried on by its factor, another one by its slope (least squares), up to ``farthest``
    times the load of now.
    """
    found = course(inputs, RISING)
    now, horizon = found[-1][1], inputs.boot
    if len(found) < 3 or found[0][0] < RISING / 3 or found[0][1] <= 0:
        return now
    slope = _slope(found)
    span = found[0][0]
    if slope * span < NOTABLE * now:
        return now
    half = min(found, key=lambda one: abs(one[0] - span / 2))[1]
    steeper = now - half > 1.5 * (half - found[0][1])
    grown = now * (now / found[0][1]) ** (horizon / span) if steeper else now + slope * horizon
    return max(now, min(grown, farthest * now))


def _slope(found: Sequence[tuple[float, float]]) -> float:
    """Requests per second that come on top each second."""
    middle = sum(age for age, _ in found) / len(found)
    mean = sum(value for _, value in found) / len(found)
    spread = sum((age - middle) ** 2 for age, _ in found)
    return sum((middle - age) * (value - mean) for age, value in found) / spread if spread else 0.0


def most_lately(inputs: Inputs) -> float | None:
    """The highest load of the last `LASTING` seconds; None where the readings do not reach back so far."""
    found = course(inputs, LASTING)
    if not isinstance(inputs.signal, Reading) or len(found) < 5 or found[0][0] < 0.8 * LASTING:
        return None
    return max(value for _, value in found)


def doubt(inputs: Inputs) -> str:
    """Why the load of now may be no crowd, or "" where it may well be one."""
    if not isinstance(inputs.signal, Reading):
        return ""
    if isinstance(inputs.witness, Missing):
        return f"the witness does not answer ({inputs.witness.why})"
    found = course(inputs, DOUBTED)
    if len(found) < 3:
        return "too few readings tell how fast it came"
    usual = inputs.capacities[min(inputs.least, len(inputs.capacities) - 1)] / 2
    for index, (age, value) in enumerate(found):
        before = [old for old_age, old in found[:index] if old_age - age <= JUMP]
        if before and value > SUDDEN * max(usual, min(before)):
            return f"it became {value / max(1.0, min(before)):.0f} times as much within a minute, {age:.0f} s ago"
    return ""
