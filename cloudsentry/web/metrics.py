"""What /metrics tells: calls of this process, counts of the journal, and servers as they were last seen.

Labels are bounded: by the events that are kept (`EVENTS` at most), the names of an event file (clouds, pools,
stretches, steerings and their targets), and fixed words; never by servers or hypervisors. Where a look
failed there are no servers to tell, so the series are absent: a scraper must never read "none" for "not known".
"""

from __future__ import annotations

from collections import Counter as Counted_
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloudsentry.errors import SentryError
from cloudsentry.journal.tallies import Tallies, Tally
from cloudsentry.picture import Seen
from cloudsentry.web.bodies import Said
from cloudsentry.web.stream import Now, Watch

EVENTS = 50
"""Events with series of their own, the first by name."""


class Counted:
    """The registry of one process."""

    def __init__(self, watch: Watch | None = None, tallies: Tallies | None = None) -> None:
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "cloudsentry_hook_calls", "Calls for capacity.", ("source", "state"), registry=self.registry
        )
        if watch is not None and tallies is not None:
            self.registry.register(Told(watch, tallies))

    def add(self, source: str, said: Said) -> None:
        """Count one call."""
        self._calls.labels(source, "repeated" if said.repeated else said.state).inc()


class Told(Collector):
    """Collects at each scrape; asks no cloud itself, but has the watch look from now on."""

    def __init__(self, watch: Watch, tallies: Tallies) -> None:
        self._watch, self._tallies = watch, tallies

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: to be registered must cost no look at the journal."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every series."""
        self._watch.wake()
        events = self._watch.now()[:EVENTS]
        yield from _servers(events)
        yield from _looks(events)
        yield from _pools(events)
        yield from _stretches(events)
        yield from _steering(events)
        yield from _circuits(events)
        up = GaugeMetricFamily("cloudsentry_journal_up", "Whether the journal can be used.")
        try:
            found = [*_runs(self._tallies), *_decisions(self._tallies)]
        except SentryError:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from found


def _servers(events: Iterable[Now]) -> Iterator[Metric]:
    wanted = GaugeMetricFamily("cloudsentry_servers_wanted", "Servers that an event wants.", labels=("event", "cloud"))
    active = GaugeMetricFamily("cloudsentry_servers_active", "Servers seen ACTIVE.", labels=("event", "cloud"))
    placed = GaugeMetricFamily(
        "cloudsentry_servers_misplaced", "Servers that are not where they are pinned.", labels=("event", "cloud")
    )
    drift = GaugeMetricFamily("cloudsentry_drift", "Differences between event and clouds.", labels=("event",))
    for one in events:
        name = one.heard.event
        for cloud, count in one.heard.wanted:
            wanted.add_metric((name, cloud), count)
        if one.seen is None or one.trouble:
            continue
        clouds = {cloud for cloud, _ in one.heard.wanted} | {unit.cloud for unit in one.seen.units}
        for cloud in sorted(clouds):
            units = [unit for unit in one.seen.units if unit.cloud == cloud]
            active.add_metric((name, cloud), sum(unit.active for unit in units))
            placed.add_metric((name, cloud), sum(unit.misplaced for unit in units))
        drift.add_metric((name,), len(one.seen.drift))
    yield from (wanted, active, placed, drift)


def _looks(events: Iterable[Now]) -> Iterator[Metric]:
    up = GaugeMetricFamily("cloudsentry_look_up", "Whether the last look at an event succeeded.", labels=("event",))
    at = GaugeMetricFamily(
        "cloudsentry_look_timestamp_seconds", "When an event was last seen.", labels=("event",), unit="seconds"
    )
    crowd = GaugeMetricFamily("cloudsentry_crowd_expected", "Requests/s by the timetable, now.", labels=("event",))
    capacity = GaugeMetricFamily("cloudsentry_capacity", "Requests/s that active servers answer.", labels=("event",))
    begins = GaugeMetricFamily(
        "cloudsentry_next_match_timestamp_seconds", "When the next crowd begins.", labels=("event",), unit="seconds"
    )
    moves = GaugeMetricFamily("cloudsentry_moves", "Moves that have not ended.", labels=("event",))
    for one in events:
        name = one.heard.event
        if one.seen is not None or one.trouble:
            up.add_metric((name,), 0 if one.trouble else 1)
        if one.heard.crowd is not None:
            crowd.add_metric((name,), one.heard.crowd)
        if one.heard.match is not None:
            begins.add_metric((name,), one.heard.match.begins)
        moves.add_metric((name,), len(one.heard.moves))
        if one.seen is not None:
            at.add_metric((name,), one.seen.at)
        if one.seen is not None and one.seen.capacity is not None and not one.trouble:
            capacity.add_metric((name,), one.seen.capacity)
    yield from (up, at, crowd, capacity, begins, moves)


def _pools(events: Iterable[Now]) -> Iterator[Metric]:
    labels = ("event", "pool")
    needed = GaugeMetricFamily("cloudsentry_pool_servers_needed", "Servers for the match on, or next.", labels=labels)
    wanted = GaugeMetricFamily(
        "cloudsentry_pool_servers_wanted", "Servers that a scaled pool is to have.", labels=labels
    )
    measured = GaugeMetricFamily("cloudsentry_pool_load", "Load of late, in the pool's unit.", labels=labels)
    answers = GaugeMetricFamily("cloudsentry_pool_capacity", "Load that active servers answer.", labels=labels)
    for one in events:
        for pool in one.heard.pools:
            names = (one.heard.event, pool.pool)
            wanted.add_metric(names, pool.wanted)
            if pool.needed is not None:
                needed.add_metric(names, pool.needed)
            if pool.measured is not None:
                measured.add_metric(names, pool.measured)
            if one.seen is not None and not one.trouble:
                units = (unit for unit in one.seen.units if unit.unit.split("@")[0] == pool.pool)
                answers.add_metric(names, sum(unit.answers or 0.0 for unit in units))
    yield from (needed, wanted, measured, answers)


def _stretches(events: Iterable[Now]) -> Iterator[Metric]:
    labels = ("event", "stretch", "cloud")
    joined = GaugeMetricFamily("cloudsentry_stretch_joined", "Whether an end is joined.", labels=labels)
    alive = GaugeMetricFamily("cloudsentry_stretch_alive", "Whether the far end answers.", labels=labels)
    rtt = GaugeMetricFamily("cloudsentry_stretch_rtt_seconds", "Round trip.", labels=labels, unit="seconds")
    loss = GaugeMetricFamily("cloudsentry_stretch_loss_ratio", "Probes lost.", labels=labels, unit="ratio")
    for name, seen in _seen(events):
        for end in seen.stretches:
            names = (name, end.unit, end.cloud)
            joined.add_metric(names, end.joined)
            # Where nobody has tried of late there is no series: not tried is neither well nor sick.
            if end.alive is not None:
                alive.add_metric(names, end.alive)
            if end.rtt is not None:
                rtt.add_metric(names, end.rtt / 1000)
            if end.loss is not None:
                loss.add_metric(names, end.loss / 100)
    yield from (joined, alive, rtt, loss)


def _steering(events: Iterable[Now]) -> Iterator[Metric]:
    labels = ("event", "steering", "target")
    wanted = GaugeMetricFamily("cloudsentry_steering_wanted_ratio", "Share of the clients wanted.", labels=labels)
    real = GaugeMetricFamily("cloudsentry_steering_share_ratio", "Share that the means give.", labels=labels)
    for name, seen in _seen(events):
        for line in seen.steers:
            if line.wanted is not None:
                wanted.add_metric((name, line.unit, line.target), line.wanted / 100)
            if line.share is not None:
                real.add_metric((name, line.unit, line.target), line.share / 100)
    yield from (wanted, real)


def _circuits(events: Iterable[Now]) -> Iterator[Metric]:
    open_ = GaugeMetricFamily(
        "cloudsentry_circuit_open", "Whether a cloud's service is left alone.", labels=("cloud", "service")
    )
    failures = GaugeMetricFamily("cloudsentry_circuit_failures", "Failures in a row.", labels=("cloud", "service"))
    lines = {(line.cloud, line.family): line for one in events for line in one.heard.circuits}
    for names, line in sorted(lines.items()):
        open_.add_metric(names, line.state != "closed")
        failures.add_metric(names, line.failures)
    yield from (open_, failures)


def _seen(events: Iterable[Now]) -> Iterator[tuple[str, Seen]]:
    """(event, what was seen) where the last look succeeded."""
    return ((one.heard.event, one.seen) for one in events if one.seen is not None and not one.trouble)


def _runs(tallies: Tallies) -> Iterator[Metric]:
    ended = CounterMetricFamily("cloudsentry_runs", "Runs that ended.", labels=("event", "goal", "outcome"))
    working = GaugeMetricFamily("cloudsentry_runs_open", "Runs without an end: at work, or killed.", labels=("event",))
    rows = _first(tallies.runs())
    for row in rows:
        if row.end != "open":
            ended.add_metric((row.event, row.kind, row.end), row.number)
    for event in sorted({row.event for row in rows}):
        working.add_metric((event,), sum(row.number for row in rows if (row.event, row.end) == (event, "open")))
    took = GaugeMetricFamily("cloudsentry_last_run_seconds", "How long the newest ended run took.", labels=("event",))
    when = GaugeMetricFamily("cloudsentry_last_run_timestamp_seconds", "When it ended.", labels=("event",))
    well = GaugeMetricFamily("cloudsentry_last_run_done", "Whether it reached its end as wanted.", labels=("event",))
    for run in tallies.last_runs()[:EVENTS]:
        took.add_metric((run.event,), (run.ended - run.started).total_seconds())
        when.add_metric((run.event,), run.ended.timestamp())
        well.add_metric((run.event,), run.outcome == "done")
    yield from (ended, working, took, when, well)


def _decisions(tallies: Tallies) -> Iterator[Metric]:
    made = CounterMetricFamily("cloudsentry_decisions", "Decisions by what decided.", labels=("event", "rule"))
    state = GaugeMetricFamily("cloudsentry_decisions_now", "Decisions by state.", labels=("event", "state"))
    rules: Counted_[tuple[str, str]] = Counted_()
    states: Counted_[tuple[str, str]] = Counted_()
    for row in _first(tallies.decisions()):
        rules[row.event, row.kind] += row.number
        states[row.event, row.end] += row.number
    for labels, number in sorted(rules.items()):
        made.add_metric(labels, number)
    for labels, number in sorted(states.items()):
        state.add_metric(labels, number)
    yield from (made, state)


def _first(rows: tuple[Tally, ...]) -> list[Tally]:
    """The rows of the first events by name."""
    names = set(sorted({row.event for row in rows})[:EVENTS])
    return [row for row in rows if row.event in names]
