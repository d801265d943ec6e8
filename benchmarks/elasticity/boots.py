"""How long servers take on a cloud until they are members: batches of several sizes, one after the other. JSON.

    python -m benchmarks.elasticity.boots --cloud private --hypervisors private-xeon1 private-opteron1 --json FILE

Makes an event of its own, and removes it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from cloudsentry import conf
from cloudsentry.journal.boots import Boots
from cloudsentry.sentry import Sentry
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import from_dict

BATCHES = (1, 2, 4, 1, 3, 6, 2, 1, 4, 2, 6, 1)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cloud", required=True)
    parser.add_argument("--hypervisors", nargs="+", required=True)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--json", type=Path, required=True)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/journal.sqlite"
        settings = replace(conf.settings(), journal=conf.JournalSettings(connection=url))
        sentry, known = Sentry(settings), Boots(url)
        try:
            for batch in given.batches:
                sentry.apply(event(given.cloud, given.hypervisors, 0))
                report = sentry.apply(event(given.cloud, given.hypervisors, batch))
                print(f"{batch} servers: {report.outcome} in {report.seconds:.1f} s", flush=True)
            found = [asdict(boot) for boot in known.of("measure-boots")]
        finally:
            sentry.destroy("measure-boots")
            known.close()
            sentry.close()
    given.json.write_text(json.dumps({"cloud": given.cloud, "boots": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
