"""Faults as a person orders them: checked, kept, listed with their hits, cleared."""

import pytest

from cloudsentry.errors import UserError
from cloudsentry.lab import faults, layout


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSENTRY_LAB_DIR", str(tmp_path))
    monkeypatch.setenv("LAB_DIR", str(tmp_path))
    return layout.layout()


def fault(**more):
    return faults.Fault(**({"id": "", "cloud": "private", "where": "nova-api", "kind": "status", "status": 503} | more))


def test_what_was_ordered_is_listed_until_it_is_cleared(lab):
    first = faults.add(lab, fault(operation="POST", target="/servers$", times=2))
    second = faults.add(
        lab, fault(cloud="public", where="public-hv1", kind="hang", operation="spawn", delay=5.0, status=None)
    )
    third = faults.add(lab, fault(where="neutron", kind="drop", after=True, status=None))
    assert set(faults.every(lab)) == {first, second, third}
    assert faults.clear(lab, second.id) == (second,)
    assert set(faults.every(lab)) == {first, third}
    assert set(faults.clear(lab)) == {first, third}
    assert faults.every(lab) == ()


def test_clearing_a_fault_that_is_not_there_is_said(lab):
    with pytest.raises(UserError, match="abc"):
        faults.clear(lab, "abc")
    assert faults.clear(lab) == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "full"}, "no fault of nova-api"),
        ({"where": "private-xeon1", "kind": "drop"}, "no fault of private-xeon1"),
        ({"where": "private-xeon1", "kind": "fail", "operation": "explode"}, "explode"),
        ({"where": "private-xeon1", "kind": "full", "times": 1}, "until it is cleared"),
        ({"kind": "delay"}, "--delay"),
        ({"status": 200}, "400 to 599"),
        ({"times": 0}, "1 or more"),
        ({"probability": 0.0}, "above 0"),
        ({"target": "("}, "regular expression"),
    ],
)
def test_nonsense_is_refused_with_what_was_expected(lab, wrong, said):
    with pytest.raises(UserError, match=said):
        faults.add(lab, fault(**wrong))
    assert faults.every(lab) == ()


@pytest.mark.parametrize("name", ["nova-api", "elsewhere/nova-api", "private/public-hv1", "private/"])
def test_a_place_that_is_not_there_is_refused_with_those_that_are(lab, name):
    with pytest.raises(UserError, match="private"):
        faults.place(lab, name)


def test_a_place_is_an_api_or_a_hypervisor(lab):
    assert faults.place(lab, "private/octavia-api") == ("private", "octavia-api")
    assert faults.place(lab, "public/public-hv4") == ("public", "public-hv4")
