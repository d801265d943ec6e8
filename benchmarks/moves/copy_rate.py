"""An image from one Glance to the other: cloudsentry's stream beside two curls in a pipe, in the same run; and cuts.

    python benchmarks/moves/copy_rate.py --mib 256 --rounds 3 > docs/migration/copy.json

Each round copies the same image once each way of copying, in turns. Then the download is cut (the lab's Glance ends
its connection in the middle) and the bytes that were sent twice are counted. At the end it is tried what the target's
Glance allows of an upload that is to go on: a second PUT to the data, and to the staging area, of one image.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloudsentry.clouds import open_cloud
from cloudsentry.clouds.session import Cloud
from cloudsentry.drivers.mover.image.stream import copy
from cloudsentry.errors import SentryError

MIB = 1024 * 1024
PROGRAM = str(Path(sys.executable).with_name("cloudsentry"))
NAME = "bench-copy"
META = {"name": NAME, "disk_format": "raw", "container_format": "bare", "visibility": "private"}


def made(cloud: Cloud) -> str:
    """An image without bytes."""
    return str(cloud.post("image", "/images", META)["id"])


@contextlib.contextmanager
def emptied(cloud: Cloud) -> Iterator[str]:
    """An image for the time of one try."""
    image = made(cloud)
    try:
        yield image
    finally:
        cloud.delete("image", f"/images/{image}")


class Noise:
    """So many MiB that no compression and no sparse file shortens; the same bytes each time."""

    def __init__(self, mib: int) -> None:
        self._mib = mib

    def __len__(self) -> int:
        return self._mib * MIB

    def __iter__(self) -> Iterator[bytes]:
        for number in range(self._mib):
            yield hashlib.shake_128(number.to_bytes(8)).digest(MIB)


def digest(cloud: Cloud, image: str) -> str:
    """Glance's own checksum."""
    return str(cloud.get("image", f"/images/{image}")["os_hash_value"])


def by_curl(near: Cloud, source: str, far: Cloud, image: str) -> None:
    """One curl's output is the other one's input."""
    urls = [f"{address(cloud)}/v2/images/{id}/file" for cloud, id in ((near, source), (far, image))]
    tokens = [cloud._session.get_token() for cloud in (near, far)]  # the same tokens as the product's own calls
    get = ["curl", "-sSf", "-H", f"X-Auth-Token: {tokens[0]}", urls[0]]
    put = ["curl", "-sSf", "-X", "PUT", "-T", "-", "-H", f"X-Auth-Token: {tokens[1]}"]
    put += ["-H", "Content-Type: application/octet-stream", urls[1]]
    first = subprocess.Popen(get, stdout=subprocess.PIPE)
    subprocess.run(put, stdin=first.stdout, check=True)
    assert first.wait() == 0


def address(cloud: Cloud) -> str:
    """Where Glance is."""
    return str(cloud._session.get_endpoint(service_type="image", interface="public")).rstrip("/").removesuffix("/v2")


def timed(near: Cloud, source: str, size: int, far: Cloud, way: str) -> float:
    """MiB per second of one copy, whose checksum must be the source's."""
    with emptied(far) as image:
        began = time.monotonic()
        if way == "curl":
            by_curl(near, source, far, image)
        else:
            copy(near, source, size, far, image)
        took = time.monotonic() - began
        assert digest(far, image) == digest(near, source), f"the copy by {way} differs"
    return size / MIB / took


def cuts(near: Cloud, source: str, size: int, far: Cloud) -> dict[str, Any]:
    """The download is cut once, in the middle of what is left."""
    fault = [
        "lab",
        "fault",
        "add",
        "private/glance",
        "truncate",
        "--method",
        "GET",
        "--path",
        f"{source}/file",
        "--after",
    ]
    done = subprocess.run([PROGRAM, *fault, "--times", "1", "-f", "json"], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"not_tried": done.stderr.strip()}
    try:
        with emptied(far) as image:
            body = copy(near, source, size, far, image)
            same = digest(far, image) == digest(near, source)
    finally:
        subprocess.run([PROGRAM, "lab", "fault", "clear"], stdout=subprocess.DEVNULL, check=False)
    twice = 100 * (body.fetched - size) / size
    return {"cuts": body.cuts, "sent_twice_percent": round(twice, 2), "same_bytes": same}


def goes_on(far: Cloud) -> dict[str, str]:
    """What the target's Glance says to the second half of an upload."""
    found = {}
    for what in ("file", "stage"):
        with emptied(far) as image:
            far.write_to("image", f"/images/{image}/{what}", Noise(1))
            try:
                far.write_to("image", f"/images/{image}/{what}", Noise(1))
                found[what] = "accepted"
            except SentryError as error:
                found[what] = f"refused with {getattr(error, 'status', '?')}"
    methods = far.get("image", "/info/import")["import-methods"]["value"]
    return found | {"import_methods": ", ".join(methods)}


def main() -> None:
    """The rounds, the cut, and what an upload may do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    near, far = open_cloud("private"), open_cloud("public")
    source, size = made(near), args.mib * MIB
    try:
        near.write_to("image", f"/images/{source}/file", Noise(args.mib))
        ways = ("curl", "cloudsentry")
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way in ways:
                rates[way].append(round(timed(near, source, size, far, way), 1))
        medians = {way: statistics.median(found) for way, found in rates.items()}
        told = {
            "command": f"python benchmarks/moves/copy_rate.py --mib {args.mib} --rounds {args.rounds}",
            "mib": args.mib,
            "mib_per_second": rates,
            "ratio_of_medians": round(medians["cloudsentry"] / medians["curl"], 2),
            "cut": cuts(near, source, size, far),
            "second_put_of_an_upload": goes_on(far),
            "machine_load": round(os.getloadavg()[0], 1),
        }
        print(json.dumps(told, indent=1))
    finally:
        near.delete("image", f"/images/{source}")


if __name__ == "__main__":
    main()
