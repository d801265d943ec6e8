"""What a live migration by pre-copy will take, and with which parameters it is best asked for. Pure.

Pre-copy sends the memory in rounds: what the server writes during a round is sent again in the next, until what is
left fits the downtime. The hypervisors that the source measured had the limits of that in their code; here they are
chosen from the server (memory, how fast it writes) and the path (bandwidth, round trip).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

MIB = 1024 * 1024
WINDOW = 3.3 * MIB
"""Bytes that one TCP stream has under way with Linux' default windows (``tcp_wmem`` up to 4 MiB, a fifth of it being
the kernel's own): 0.67 Gbit/s were measured at 40 ms."""
WIRE = 0.94
"""The part of a link's bandwidth that is left for memory, after headers of Ethernet, IP and TCP."""
CHANNELS_MOST = 8
ROUNDS_MOST = 60
"""Rounds after which a migration that still sends counts as never ending."""
DEVICES = 0.12
"""Seconds of a downtime that no memory explains: device state, starting at the target, telling the bridges."""
AGREEING = 3
"""Round trips of a downtime: the last byte's way, the hypervisors' word that the server may run, and the device state,
which begins with a small TCP window however fast the memory went."""
FAULTS = 16
"""Pages that a server waits for, one round trip each, before it answers its first client after post-copy's switch:
gaps of 0.60 to 0.71 s were measured at 40 ms, and up to 0.91 s where nothing was kept free for these pages."""
LATE = 0.5
"""The part of a link that post-copy fills unasked: a page that the server waits for must not queue behind others."""
THROTTLE_MOST = 90
"""Percent of a server's time that may be taken from it so that it writes less: beyond, it serves nobody either."""
DOWNTIME_DEFAULT = 0.3
"""Seconds: QEMU's own limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A server as pre-copy sees it: bytes of memory that hold something, bytes/s of distinct pages that it writes,
    and within how many bytes it writes (its memory where that is not known)."""

    memory: float
    dirty: float = 0.0
    hot: float = math.inf

    def written(self, seconds: float) -> float:
        """Bytes of distinct pages written within that time, at the most."""
        return min(self.dirty * seconds, self.hot, self.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Bytes/s of the link, and seconds of a round trip."""

    bandwidth: float
    rtt: float

    @property
    def product(self) -> float:
        """Bytes under way when the link is full."""
        return self.bandwidth * self.rtt

    def through(self, channels: int, window: float = WINDOW) -> float:
        """Bytes/s of memory that so many TCP streams carry."""
        return min(self.bandwidth * WIRE, channels * window / max(self.rtt, 1e-6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be done to a server so that it moves. ``gap`` is the seconds for which its clients may wait."""

    gap: float = 1.0
    throttle: bool = True
    postcopy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How a migration is asked for. ``bandwidth`` in MiB/s (0: no limit), ``downtime`` in ms, ``channels`` of multifd
    (1: none), ``throttle`` in percent to begin with (0: never) and to go on by, ``postcopy`` from the second round on,
    ``late`` in MiB/s what is sent unasked after its switch (0: no limit).

    ``window`` is what ``net.ipv4.tcp_rmem`` and ``tcp_wmem`` should allow on both hypervisors, in bytes (0: as it is):
    only the host's operator can set it, so that nothing here depends on it.
    """

    bandwidth: int = 0
    downtime: int = round(DOWNTIME_DEFAULT * 1000)
    channels: int = 1
    throttle: int = 0
    step: int = 10
    postcopy: bool = False
    late: int = 0
    window: int = 0


DEFAULTS = Parameters()
"""What libvirt and QEMU do when nobody chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Seconds from the first byte to the last, seconds that clients wait, rounds, bytes; whether it ends at all."""

    converges: bool
    total: float
    downtime: float
    rounds: int
    sent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen, what it should take, and why, a sentence each. ``promised``: the clients' wait is within the
    policy's gap by the prediction."""

    parameters: Parameters
    prediction: Prediction
    promised: bool
    why: tuple[str, ...]


def predict(guest: Guest, path: Route, parameters: Parameters = DEFAULTS) -> Prediction:
    """Round by round; each begins with what was written during the one before."""
    cap = parameters.bandwidth * MIB or math.inf
    speed = min(path.through(parameters.channels), cap)
    if parameters.postcopy:
        return _postcopy(guest, path, speed, parameters)
    left, total, sent, throttle = guest.memory, 0.0, 0.0, 0
    fits = speed * parameters.downtime / 1000
    for number in range(1, ROUNDS_MOST + 1):
        if left <= fits and number > 1:
            downtime = left / speed + DEVICES + AGREEING * path.rtt
            return Prediction(
                converges=True, total=total + downtime, downtime=downtime, rounds=number, sent=sent + left
            )
        took = left / speed + path.rtt
        total, sent = total + took, sent + left
        slowed = replace(guest, dirty=guest.dirty * (1 - throttle / 100))
        after = slowed.written(took)
        # QEMU looks at what a round has sent, and throttles from the second round on that was written to as fast.
        if parameters.throttle and number > 1 and after > left / 2:
            throttle = min(99, throttle + parameters.step if throttle else parameters.throttle)
        left = after
    return Prediction(converges=False, total=math.inf, downtime=math.inf, rounds=ROUNDS_MOST, sent=math.inf)


def _postcopy(guest: Guest, path: Route, speed: float, parameters: Parameters) -> Prediction:
    first = guest.memory / speed + path.rtt
    rest = guest.written(first)
    gap = DEVICES + FAULTS * path.rtt
    after = min(speed, parameters.late * MIB or math.inf)
    return Prediction(
        converges=True, total=first + rest / after + gap, downtime=gap, rounds=2, sent=guest.memory + rest
    )


def choose(guest: Guest, path: Route, policy: Policy | None = None) -> Choice:
    """The parameters for a server on a path. Throttling and post-copy are taken only where nothing less ends."""
    policy = policy or Policy()
    channels = _channels(path)
    # Half of what is left: QEMU ends on what it takes for the path's speed, and was seen to need twice the time.
    downtime = round(1000 * max(0.1, min(DOWNTIME_DEFAULT, (policy.gap - DEVICES - 5 * path.rtt) / 2)))
    plain = Parameters(downtime=downtime, channels=channels, window=_window(path, channels))
    why = [_told_channels(path, channels)]
    found = predict(guest, path, plain)
    if found.converges:
        why.append(f"it writes {_mb(guest.dirty)}, less than {_mb(path.through(channels))} that the path carries")
        # A server that writes more than was measured is slowed down before it is given up.
        chosen = replace(plain, throttle=20, step=20) if policy.throttle else plain
        return _choice(chosen, found, policy, why)
    why.append(
        f"it writes {_mb(guest.dirty)}, and the path carries {_mb(path.through(channels))}: pre-copy alone never ends"
    )
    need = _throttle(guest, path, plain)
    if policy.throttle and need <= THROTTLE_MOST:
        slowed = replace(plain, throttle=need, step=20)
        why.append(f"slowed by {need} % it converges")
        return _choice(slowed, predict(guest, path, slowed), policy, why)
    if policy.postcopy:
        late = late_parameters(path, downtime)
        why.append(f"slowing it by {need} % would stop it: post-copy after the first round")
        return _choice(late, predict(guest, path, late), policy, why)
    why.append("the policy allows neither enough throttling nor post-copy")
    return _choice(plain, found, policy, why)


def late_parameters(path: Route, downtime: int) -> Parameters:
    """Post-copy on a path: one stream (QEMU 10.0 cannot do it with several), with a part of the link kept free. No
    larger windows: a page that the server waits for stands behind all that they hold.
    """
    return Parameters(downtime=downtime, postcopy=True, late=max(1, int(LATE * path.bandwidth * WIRE / MIB)))


def told(choice: Choice) -> str:
    """The choice and what it should take, as one line for people."""
    chosen, found = choice.parameters, choice.prediction
    if not found.converges:
        return "; ".join(choice.why)
    ways = [f"{chosen.channels} streams"] if chosen.channels > 1 else []
    ways += [f"downtime {chosen.downtime} ms"]
    ways += [f"slowed by {chosen.throttle} % where it must be"] if chosen.throttle else []
    ways += ["post-copy"] if chosen.postcopy else []
    ways += [f"TCP windows of {chosen.window // MIB} MiB would help"] if chosen.window else []
    gap = f"clients wait {found.downtime * 1000:.0f} ms" + ("" if choice.promised else ", more than is promised")
    return "; ".join((*choice.why, f"{found.rounds} rounds, {found.total:.1f} s, {gap}", ", ".join(ways)))


def _choice(parameters: Parameters, found: Prediction, policy: Policy, why: list[str]) -> Choice:
    promised = found.converges and found.downtime <= policy.gap
    return Choice(parameters=parameters, prediction=found, promised=promised, why=tuple(why))


def _channels(path: Route) -> int:
    """Streams that fill the link with half a window each: a stream that lost a packet is at half of it."""
    if path.product <= WINDOW / 4:
        return 1
    return max(2, min(CHANNELS_MOST, math.ceil(2 * path.product / WINDOW)))


def _window(path: Route, channels: int) -> int:
    """One and a half bandwidth × delay for all streams together, in whole MiB for each, where that is more than Linux
    allows by itself. No more: what waits in a host's own buffers is counted as sent, and lengthens the last pause."""
    wanted = 1.5 * path.product / channels
    return math.ceil(wanted / MIB) * MIB if wanted > WINDOW else 0


def _throttle(guest: Guest, path: Route, parameters: Parameters) -> int:
    """Percent by which the server must be slowed so that a round leaves at most two thirds of the one before."""
    speed = path.through(parameters.channels)
    share = 1 - speed * 2 / 3 / guest.dirty if guest.dirty > 0 else 0.0
    return max(10, min(99, math.ceil(share * 100)))


def _told_channels(path: Route, channels: int) -> str:
    under_way = f"{path.product / MIB:.1f} MiB are under way on {path.bandwidth * 8 / 1e6:.0f} Mbit/s"
    return f"{under_way} × {path.rtt * 1000:.1f} ms: {channels} TCP stream{'s' if channels > 1 else ''}"


def _mb(rate: float) -> str:
    return f"{rate / 1e6:.0f} MB/s" if math.isfinite(rate) else "faster than can be counted"
