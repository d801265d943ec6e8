"""``python -m cloudsentry.drivers.mover.libvirt.perform FILE``: one migration, asked for and waited for.

libvirt answers a migration when it has ended. The source's libvirtd carries it on by itself, whatever becomes of
this process, so that it only keeps the answer: what is to be done comes as JSON on standard input, an error is left as
JSON in FILE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def perform(asked: dict[str, Any]) -> dict[str, Any]:
    """Nothing, or what went wrong. ``asked``: uri, uuid, peer, parameters, flags."""
    import libvirt

    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.open(asked["uri"])
        domain = connection.lookupByUUIDString(asked["uuid"])
        domain.migrateToURI3(asked["peer"], asked["parameters"], asked["flags"])
    except libvirt.libvirtError as error:
        return {
            "message": error.get_error_message(),
            "code": error.get_error_code(),
            "domain": error.get_error_domain(),
        }
    return {}


def main() -> None:
    """Read, perform, leave the answer."""
    answer = Path(sys.argv[1])
    part = answer.with_suffix(".part")
    part.write_text(json.dumps(perform(json.load(sys.stdin))), encoding="utf-8")
    part.replace(answer)


if __name__ == "__main__":
    main()
