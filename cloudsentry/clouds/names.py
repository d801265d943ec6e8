"""Neutron's names to ids; and, for names that are not there, the nearest that are.

A name may also be an id. Of several things of one name the account's own and the shared ones win
over those that an administrator merely sees; what is ambiguous then is a fault, with the ids.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from cloudsentry.clouds.session import Cloud, Params


def missing(kind: str, name: str, known: Iterable[str]) -> str:
    """What is said of a name that is not there: ``image 'tinny' (nearest: 'tiny')``."""
    near = difflib.get_close_matches(name, sorted(set(known)), n=2, cutoff=0.5)
    return f"{kind} {name!r}" + (f" (nearest: {', '.join(map(repr, near))})" if near else "")


def ambiguous(kind: str, name: str, ids: Iterable[str]) -> str:
    """What is said of a name that several things have: ``single image 'tiny': …``."""
    return f"single {kind} {name!r}: of that name are {', '.join(sorted(ids))}"


def resolve(
    cloud: Cloud, kind: Literal["network", "subnet"], names: Sequence[str], *, network: str = ""
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Ids by name, and one sentence for every name that is not there or not one; at most two calls.

    ``network`` is the id of the network that subnets must be on.
    """
    if not names:
        return {}, ()
    shared = ["shared"] if kind == "network" else []
    params: Params = {"fields": ["id", "name", "project_id", *shared]} | ({"network_id": network} if network else {})
    items = cloud.listed("network", f"/{kind}s", f"{kind}s", params={**params, "name": list(names)})
    if set(names) - {item["name"] for item in items}:
        items = cloud.listed("network", f"/{kind}s", f"{kind}s", params=params)
    found: dict[str, str] = {}
    faults: list[str] = []
    for name in dict.fromkeys(names):
        ids = _candidates(cloud, items, name)
        if len(ids) == 1:
            found[name] = ids[0]
        else:
            known = (item["name"] for item in items)
            faults.append(ambiguous(kind, name, ids) if ids else missing(kind, name, known))
    return found, tuple(faults)


def _candidates(cloud: Cloud, items: list[dict[str, Any]], name: str) -> list[str]:
    found = [item for item in items if name in (item["name"], item["id"])]
    if len(found) > 1:
        project = cloud.project()
        found = [item for item in found if item.get("project_id") == project or item.get("shared")] or found
    return [item["id"] for item in found]
