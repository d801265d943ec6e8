"""Ten thousand event files: each is refused with its faults, or planned, or refused by the plan; never a traceback.

Half of them are the example with its text spoilt; half are well-formed YAML with values exchanged, which come further.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_fuzz import EDIT, KOSHIEN, mutated

from cloudsentry.errors import PlanError, SpecError
from cloudsentry.observe import places_of
from cloudsentry.planner import plan_apply
from cloudsentry.records.steering import SteeringView
from cloudsentry.records.stretching import StretchView
from cloudsentry.records.views import BalancerView, Hypervisor, PoolView, Snapshot
from cloudsentry.spec.event import Event
from cloudsentry.spec.load import digest, dump, from_dict, load_text

pytestmark = pytest.mark.exhaustive

HALF = settings(max_examples=5_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
VIEWS: dict[str, Any] = {
    "pool": PoolView, "balancer": BalancerView, "stretch": StretchView, "steering": SteeringView,
}  # fmt: skip
TREE = yaml.safe_load(KOSHIEN)
HOSTS = tuple(
    Hypervisor(name=f"{cloud}-{kind}{number}", up=True, enabled=True)
    for cloud in ("private", "public")
    for kind in ("xeon", "opteron")
    for number in (1, 2)
)


def branches(tree: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in the example, by the keys that lead there."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*way, key)
        yield from branches(value, (*way, key))


WAYS = tuple(branches(TREE))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
WORDS = ("nova", "fake", "octavia", "private", "public", "nara", "osaka", "front-nara", "web", "10 s", "1 h", "x" * 300)
ODD = ("2010-08-07", "12:00", "Asia/Tokyo", 0, 1, -1, 256, 257, 10**9, 0.5, "../../etc", "a;b", "$(x)", "{{x}}", "%s")
NEAR = st.sampled_from((*WORDS, *ODD))
OLD = st.sampled_from(WAYS).map(lambda way: at(TREE, way))
VALUES = st.recursive(
    SCALARS | NEAR | OLD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NEAR.map(str) | st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
CHANGE = st.tuples(st.sampled_from(WAYS), st.sampled_from(["set", "set", "set", "drop", "add"]), VALUES, NEAR.map(str))


def at(tree: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        tree = tree[key]
    return copy.deepcopy(tree)


def changed(tree: Any, change: tuple[tuple[Any, ...], str, Any, str]) -> None:
    """One change, where an earlier one has left its place."""
    (*way, last), verb, value, name = change
    try:
        for key in way:
            tree = tree[key]
        if verb == "add" and isinstance(tree[last], dict):
            tree[last][name] = value
        elif verb == "add" and isinstance(tree[last], list):
            tree[last].append(value)
        elif verb == "drop":
            del tree[last]
        else:
            tree[last] = value
    except (KeyError, IndexError, TypeError):
        return


def planned(event: Event) -> None:
    """A plan, twice the same, or a refusal with reasons."""
    views = [
        VIEWS[family](driver=driver, cloud=cloud, **({"hypervisors": HOSTS} if family == "pool" else {}))
        for family, cloud, driver in places_of([event])
    ]
    snapshot = Snapshot.of(event.event, views)
    try:
        plan = plan_apply(event, snapshot, digest(event))
    except PlanError:
        return
    assert plan.digest == plan_apply(event, snapshot, digest(event)).digest


@HALF
@given(st.lists(EDIT, min_size=1, max_size=4))
def test_five_thousand_spoilt_texts(edits: list[tuple[int, int, str]]) -> None:
    try:
        event = load_text(mutated(edits), "fuzz")
    except SpecError:
        return
    planned(event)


@HALF
@given(st.lists(CHANGE, min_size=1, max_size=4))
def test_five_thousand_trees_with_values_exchanged(changes: list[tuple[tuple[Any, ...], str, Any, str]]) -> None:
    tree = copy.deepcopy(TREE)
    for change in changes:
        changed(tree, change)
    try:
        event = load_text(yaml.safe_dump(tree, allow_unicode=True), "fuzz")
    except SpecError:
        return
    assert digest(from_dict(dump(event))) == digest(event)
    planned(event)
