"""How long servers take on a cloud until they are members: batches of several sizes, one after the other. JSON.

    python -m benchmarks.elasticity.boots --cloud private --hypervisors private-xeon1 private-xeon2 \\
        private-opteron1 private-opteron2 --seconds 900 --json docs/scaling/boots.json

A round makes an event of its own that grows batch by batch, and removes it. The boots of every round are added to those
that the file has, so it may be stopped, and gone on with.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from cloudsentry import conf
from cloudsentry.journal.boots import Boots
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import from_dict

ROUNDS = ((4, 4, 4, 6, 6), (1, 2, 5, 8, 8))
"""By how many servers an event grows in a round, one round after the other."""


def event(cloud: str, hypervisors: Sequence[str], servers: int) -> Event:
    """So many servers, evenly over the hypervisors, behind a balancer."""
    counts = [len(range(index, servers, len(hypervisors))) for index in range(len(hypervisors))]
    pins = [{"hypervisor": name, "count": count} for name, count in zip(hypervisors, counts, strict=True)]
    pool = {"site": "here", "image": "tiny", "flavor": "m1.nano", "networks": ["front"], "pins": pins}
    balancer = {"site": "here", "network": "front", "drain": 0, "members": [{"pool": "front"}]}
    return from_dict(
        {
            "event": "measure-boots",
            "sites": {"here": {"cloud": cloud}},
            "pools": {"front": pool},
            "balancers": {"front": balancer},
        }
    )


def played(cloud: str, hypervisors: Sequence[str], batches: Sequence[int]) -> list[dict[str, Any]]:
    """The boots of one round, from a journal of its own."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.sqlite"
        settings = replace(conf.settings(), journal=conf.JournalSettings(connection=url))
        sentry, known = Sentry(settings), Boots(url)
        try:
            for servers in itertools.accumulate(batches):
                report = sentry.apply(event(cloud, hypervisors, servers))
                print(f"{servers} servers: {report.outcome} in {report.seconds:.1f} s", flush=True)
            return [asdict(boot) for boot in known.of("measure-boots")]
        finally:
            sentry.destroy("measure-boots")
            known.close()
            sentry.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", required=True)
    parser.add_argument("--hypervisors", nargs="+", required=True)
    parser.add_argument("--seconds", type=float, default=900.0, help="begin no round after so long (default: 900)")
    parser.add_argument("--json", type=Path, required=True, help="the file to add to")
    given = parser.parse_args(argv)
    boots = json.loads(given.json.read_text())["boots"] if given.json.exists() else []
    began = time.monotonic()
    for batches in itertools.cycle(ROUNDS):
        boots += played(given.cloud, given.hypervisors, batches)
        given.json.write_text(json.dumps({"cloud": given.cloud, "boots": boots}, indent=1) + "\n")
        print(f"{len(boots)} boots", flush=True)
        if time.monotonic() - began > given.seconds:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
