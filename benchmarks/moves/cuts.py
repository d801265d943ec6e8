"""An image's upload over the WAN, cut once in its middle: how many bytes cross, with a conversion host and without.

    python benchmarks/moves/cuts.py --mib 64 > docs/migration/cuts.json

The path (`path.py`) breaks its connection when half of the image has crossed; what `image` does then is done: the copy
is asked for again. Counted are the bytes towards the public site, and Glance's checksums must be equal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import time
from typing import Any

from copy_rate import MIB, Noise, digest, emptied
from path import Path40, led

from cloudsentry.clouds import open_cloud
from cloudsentry.clouds.session import Cloud
from cloudsentry.drivers.mover.conversion import depot_of
from cloudsentry.drivers.mover.image.stream import Body, copy
from cloudsentry.errors import DriverError

NAME = "bench-cut"


def with_host(near: Cloud, source: str, size: int, far: Cloud, image: str) -> None:
    """As `image` does it with one."""
    depot = depot_of(far)
    assert depot is not None
    depot.bring(NAME, source, size, lambda start: Body(near, source, size, start), image)


def cut(path: Path40, host: bool, near: Cloud, source: str, size: int) -> dict[str, Any]:
    """One copy, cut once."""
    before, far = path.carried, open_cloud("public")
    relay = path.ssh if host else path.glance
    relay.at = relay.carried + size // 2
    tries = 0
    with emptied(far) as image:
        while True:
            tries += 1
            while far.get("image", f"/images/{image}")["status"] != "queued":
                time.sleep(0.2)  # Glance has not noticed yet; `image` waits as well
            with contextlib.suppress(DriverError):
                (with_host if host else copy_direct)(near, source, size, far, image)
                break
            assert tries < 4
        same = digest(far, image) == digest(near, source)
    if host:
        depot = depot_of(far)
        assert depot is not None
        depot.drop(NAME)
    percent = 100 * (path.carried - before) / size
    return {
        "conversion_host": host,
        "state": "done",
        "cuts": relay.cuts,
        "tries": tries,
        "percent_of_disk": round(percent, 1),
        "same_disk": same,
    }


def copy_direct(near: Cloud, source: str, size: int, far: Cloud, image: str) -> None:
    """As `image` does it without one."""
    copy(near, source, size, far, image)


def main() -> None:
    """With, then without."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=64)
    args = parser.parse_args()
    found, size, rtt, rate = [], args.mib * MIB, 40.0, 200.0
    usual = dict(os.environ)
    for host in (True, False):
        with led(rtt, rate, host=host) as path:
            os.environ.update(path.env)
            with emptied(open_cloud("private")) as source:
                open_cloud("private").write_to("image", f"/images/{source}/file", Noise(args.mib))
                found.append(cut(path, host, open_cloud("private"), source, size))
            os.environ.update(usual)
    command = f"python benchmarks/moves/cuts.py --mib {args.mib}"
    told = {"command": command, "mib": args.mib, "rtt_ms": rtt, "rate_mbit": rate, "cases": [], "cuts": found}
    print(json.dumps(told | {"machine_load": round(os.getloadavg()[0], 1)}, indent=1))


if __name__ == "__main__":
    main()
