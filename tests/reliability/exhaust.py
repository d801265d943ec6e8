"""Everything that can go wrong with the real program on the lab, once at every place.

    cloudsentry lab up
    python tests/reliability/exhaust.py FOLDER [--lanes 3] [--seconds 3600] [--only REGEX] [--seed N] [--first FILE]

Several events go round their operations side by side. Each case is a line of FOLDER/cases.jsonl as soon as it has
ended; called again, the program goes on with the cases that have no line yet. SIGTERM ends it after the cases under
way. Cases that cannot stand in each other's way are done together (lab_groups.py), and alone where that did not end
well; with --single all are done alone. However early it is ended, what was done is spread evenly: over the operations,
over the APIs and the journal by method, and over what went wrong there. The seed, which is printed, draws which of the
calls comes first.
`benchmarks/reliability/table.py` makes the tables.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from lab_groups import early, joins, way
from lab_lane import FAULTS, KILLS, LASTING, OPERATIONS, PASSING, Clouds, Lane, Point

SEED = 2010
WINDOW = 60
"""How far ahead cases are looked for that may be done with the next one: not so far that a stratum runs ahead."""
Counts = dict[str, dict[str, int]]
"""How many calls an operation makes, by "PLACE METHOD"."""


def points(counts: Counts, seed: int) -> list[Point]:
    """Every case once. A beginning of it, of whatever length, holds of each stratum nearly as many as of any other.

    A stratum is an operation, a place, a method and a fault; at reads each call has a kill before it, one after it
    and one other fault, in turn: what a read's fault means does not depend on which read it is.
    """
    strata: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    turn = itertools.cycle(name for name in PASSING if "409" not in name)
    for operation, calls in counts.items():
        for where, count in calls.items():
            place, method = where.split(" ")
            for nth in range(1, count + 1):
                for fault in _faults(operation, place, method, turn):
                    stratum = (operation, place, method, fault if fault in KILLS or not _reads(place, method) else "")
                    point = Point(operation=operation, fault=fault, place=place, method=method, nth=nth)
                    strata[stratum].append(point)
    draw = random.Random(seed)
    for cases in strata.values():
        draw.shuffle(cases)
    listed = list(strata.values())
    draw.shuffle(listed)
    return [point for row in itertools.zip_longest(*listed) for point in row if point]


def _reads(place: str, method: str) -> bool:
    return method == "GET" or place.endswith("keystone")


def _faults(operation: str, place: str, method: str, turn: Iterator[str]) -> Iterator[str]:
    if place == "journal" or _reads(place, method):
        yield from (fault for fault in KILLS if "during" not in fault)
        if place != "journal":
            yield next(turn)
        return
    yield from KILLS
    for fault in (*PASSING, *LASTING):
        if ("409" not in fault or "octavia" in place) and not ("rollback" in fault and operation == "destroy"):
            yield fault


def named(file: Path) -> list[Point]:
    """The cases of a file with a line of JSON for each."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Point(**{name: line[name] for name in Point.__dataclass_fields__}) for line in lines]


class Work:
    """The cases that are still to be done, taken by several lanes."""

    def __init__(self, folder: Path, wanted: list[Point], end: float, *, single: bool = False) -> None:
        self._window = 1 if single else WINDOW
        self._file, self._end = folder / "cases.jsonl", end
        self._lock = threading.Lock()
        self._queues: dict[str, list[Point]] = defaultdict(list)
        self._alone: set[Point] = set()
        done = self._done()
        for point in wanted:
            if point not in done:
                self._queues[point.operation].append(point)

    def _done(self) -> set[Point]:
        if not self._file.exists():
            return set()
        return set(named(self._file))

    def stop(self) -> None:
        """Begin no further case."""
        self._end = 0.0

    def next(self, operation: str) -> list[Point]:
        """The next case of an operation, with such as may be done together with it; none where there is none."""
        with self._lock:
            queue = self._queues[operation]
            if not queue or time.monotonic() >= self._end:
                return []
            group = [queue[0]]
            for point in queue[1 : self._window]:
                if not self._alone & {point, group[0]} and joins(point, group):
                    group.append(point)
            for point in group:
                queue.remove(point)
        # The first of kills may be one that comes far: it is the last then.
        return group if group[0].fault in PASSING or early(group[0]) else [*group[1:], group[0]]

    def again(self, points: list[Point], *, alone: bool = True) -> None:
        """Cases that are still to be done, before any other."""
        with self._lock:
            self._alone |= set(points if alone else ())
            for point in reversed(points):
                self._queues[point.operation].insert(0, point)

    def ahead(self, operation: str) -> bool:
        """Whether there are cases of an operation or a later one."""
        later = OPERATIONS[OPERATIONS.index(operation) :]
        return time.monotonic() < self._end and any(self._queues[name] for name in later)

    def note(self, row: dict[str, object]) -> None:
        """A case has ended."""
        with self._lock, self._file.open("a") as file:
            file.write(json.dumps(row) + "\n")
            left = sum(map(len, self._queues.values()))
            print(f"{left:5} left: {json.dumps(row)}", file=sys.stderr, flush=True)


def drive(lane: Lane, work: Work) -> None:
    """Go round as long as there is work; a round that ends badly is put away, and the next begins with nothing."""
    lane.run(lane.words("destroy"))  # what an ended program has left
    while work.ahead("provision"):
        try:
            _round(lane, work)
        except Exception:  # noqa: BLE001 - one broken case must not end hours of others
            traceback.print_exc()
            lane.run(lane.words("destroy"))
    lane.run(lane.words("destroy"))


def _round(lane: Lane, work: Work) -> None:
    for operation in OPERATIONS:
        if operation != "destroy" and not work.ahead(operation):
            continue
        points = work.next(operation)
        while points and points[0].fault.endswith("rollback"):
            if not _case(lane, work, points[0]):
                return
            points = work.next(operation)
        if not points:
            lane.run(lane.words(operation))
        elif not (_cases(lane, work, points) if len(points) > 1 else _case(lane, work, points[0])):
            return


def _case(lane: Lane, work: Work, point: Point) -> bool:
    verdict = lane.case(point)
    work.note({**asdict(point), **asdict(verdict)})
    if not verdict.good:
        lane.run(lane.words("destroy"))
    return verdict.good


def _cases(lane: Lane, work: Work, points: list[Point]) -> bool:
    try:
        group = way(points)(lane, points)
    except BaseException:
        work.again(points)
        raise
    work.again(group.left, alone=not group.good or points[0].fault in PASSING)
    if not group.verdict.good:
        lane.run(lane.words("destroy"))
    if not group.good:
        print(f"not good together: {points} {group.verdict}", file=sys.stderr, flush=True)
        return group.verdict.good
    for point, verdict in group.rows:
        work.note({**asdict(point), **asdict(verdict), "together": len(group.rows)})
    return True


def counted(clouds: Clouds, folder: Path) -> Counts:
    """How many calls each operation makes, counted once per folder."""
    file = folder / "counts.json"
    if not file.exists():
        lane = Lane(clouds=clouds, folder=folder / "count", name="crash-count", vlan=149)
        lane.run(lane.words("destroy"))
        counts = {name: {" ".join(key): count for key, count in lane.counted(name).items()} for name in OPERATIONS}
        file.write_text(json.dumps(counts, indent=1) + "\n")
    found: Counts = json.loads(file.read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lanes", type=int, default=3, help="events side by side (default: 3)")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no case after so long")
    parser.add_argument("--only", default="", metavar="REGEX", help=f"of the faults: {', '.join(FAULTS)}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"draws the order of the cases (default: {SEED})")
    parser.add_argument("--single", action="store_true", help="one case in each run")
    parser.add_argument("--first", type=Path, metavar="FILE", help="cases to begin with, a line of JSON for each")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    clouds = Clouds(Path("~/.local/share/cloudsentry/lab").expanduser())
    every = points(counted(clouds, options.folder), options.seed)
    wanted = [point for point in every if re.search(options.only, point.fault)]
    wanted = list(dict.fromkeys([*(named(options.first) if options.first else ()), *wanted]))
    print(f"seed {options.seed}: {len(wanted)} of {len(every)} cases", file=sys.stderr)
    work = Work(options.folder, wanted, time.monotonic() + options.seconds, single=options.single)
    lanes = [
        Lane(clouds=clouds, folder=options.folder / f"lane{place}", name=f"crash-{place}", vlan=150 + place)
        for place in range(options.lanes)
    ]
    signal.signal(signal.SIGTERM, lambda *_: work.stop())
    threads = [threading.Thread(target=drive, args=(lane, work)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lane in lanes:
        shutil.rmtree(lane.folder)


if __name__ == "__main__":
    main()
