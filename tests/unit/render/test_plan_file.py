"""A saved plan: what was reviewed is what is read, and nothing else is."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsentry.errors import UserError
from cloudsentry.records import orders
from cloudsentry.records.marks import Mark
from cloudsentry.records.plans import Drift, Plan, Step
from cloudsentry.render import plan_file, text
from cloudsentry.spec.event import Event

MARK = Mark(event="cup", unit="nara-hv1", op="op1")
SERVERS = orders.CreateServers(
    unit="nara-hv1",
    name="cup-nara",
    count=2,
    template=orders.Template(image="tiny", flavor="m1.nano", networks=("front",), metadata=(("a", "b"),)),
    hypervisor="hv1",
    mark=MARK,
)

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def event() -> Event:
    return Event.model_validate(
        {
            "event": "cup",
            "calendar": {"from": "2010-08-07", "until": "2010-08-21"},
            "sites": {"nara": {"cloud": "private"}},
            "pools": {
                "nara": {
                    "site": "nara",
                    "image": "tiny",
                    "flavor": "m1.nano",
                    "networks": ["front"],
                    "pins": [{"hypervisor": "hv1", "count": 2, "weight": 10}],
                }
            },
        }
    )


def plan(*subjects: orders.Order) -> Plan:
    steps = tuple(
        Step(
            id=f"step-{number}",
            unit=subject.unit,
            family="pool",
            driver="nova",
            cloud="private",
            verb="do",
            action="create",
            subject=subject,
            after=("step-0",) if number else (),
            why="試合: the crowd comes",
        )
        for number, subject in enumerate(subjects or (SERVERS,))
    )
    drift = (Drift(unit="nara-hv1", cloud="private", kind="missing", what="one server is gone"),)
    return Plan(event="cup", goal="apply", revision="abc", steps=steps, drift=drift, wanted=2, digest="d1")


@given(subject=st.from_type(orders.Order))
def test_an_order_of_any_kind_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, subject) -> None:
    path = str(tmp_path_factory.mktemp("plans") / "plan.json")
    plan_file.write(path, event(), plan(subject))
    assert plan_file.read(path) == (event(), plan(subject))
    assert plan_file.is_plan(path)


@pytest.mark.parametrize("kind", get_args(orders.Order))
@settings(max_examples=20)
@given(data=st.data())
def test_every_kind_of_order_is_told_in_words(kind: type, data) -> None:
    told = text.what(plan(data.draw(st.from_type(kind))).steps[0])
    assert isinstance(told, str)


def test_only_the_owner_may_read_it_even_over_an_open_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o644)
    plan_file.write(str(path), event(), plan())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_same_plan_gives_the_same_bytes() -> None:
    assert plan_file.dumped(event(), plan()) == plan_file.dumped(event(), plan())


def test_an_event_file_is_not_taken_for_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "event.yaml"
    path.write_text('{"event": "cloudsentry_plan"}')
    assert not plan_file.is_plan(str(path))
    assert not plan_file.is_plan(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body.update(cloudsentry_plan=9), "version 9"),
        (lambda body: body["plan"].pop("steps"), "steps"),
        (lambda body: body["plan"]["steps"][0]["subject"].update(order="Rename"), "Rename"),
        (lambda body: body["plan"]["steps"][0]["subject"].update(count="many"), "count"),
        (lambda body: body["plan"]["steps"][0].update(extra=1), "not as it was written"),
        (lambda body: body["event"].update(sites={}), "sites"),
    ],
)
def test_a_changed_file_is_refused_with_its_name_and_what_is_wrong(tmp_path: Path, change, told: str) -> None:
    path = tmp_path / "plan.json"
    body = json.loads(plan_file.dumped(event(), plan()))
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(UserError, match=told) as refused:
        plan_file.read(str(path))
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"plan"', "\udcff"])
def test_rubbish_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(UserError):
        plan_file.read(str(path))


def test_a_folder_that_is_not_there_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        plan_file.write(str(tmp_path / "none" / "plan.json"), event(), plan())


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match=r"cannot write .*taken: Is a directory"):
        plan_file.write(str(tmp_path / "taken"), event(), plan())
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
