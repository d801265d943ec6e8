"""A crowd's figures, and whom it is sent to."""

import json

import pytest

from cloudsentry.errors import UserError
from cloudsentry.lab import layout, load, names


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSENTRY_LAB_DIR", str(tmp_path))
    for cloud, uuid, address in (("private", "1" * 36, "10.1.0.20"), ("public", "2" * 36, "10.2.0.20")):
        balancer(tmp_path, cloud, uuid, "koshien", address)
    balancer(tmp_path, "private", "3" * 36, "images", "10.1.0.30", ports=[])
    for cloud, uuid, name in (
        ("private", "a" * 36, "web-1"),
        ("private", "b" * 36, "web-2"),
        ("public", "c" * 36, "web-1"),
    ):
        path = tmp_path / cloud / "run" / "guests" / f"{uuid}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"id": uuid, "name": name, "host": f"{cloud}-x", "ports": []}))
    return layout.layout()


def balancer(root, cloud, uuid, name, address, ports=(8080,)):
    path = root / cloud / "state" / "octavia" / "lb" / uuid[:13] / "lb.json"
    path.parent.mkdir(parents=True)
    path.write_text(
        json.dumps({"id": uuid, "name": name, "ports": list(ports), "vips": [{"address": f"{address}/22"}]})
    )


def test_a_name_of_one_cloud_is_found_with_its_port(lab):
    assert load.target(lab, "public/koshien", None, None) == ("public", "10.2.0.20", 8080)
    assert load.target(lab, "koshien", "private", None) == ("private", "10.1.0.20", 8080)
    assert load.target(lab, "2" * 36, None, 81) == ("public", "10.2.0.20", 81)
    assert load.target(lab, "images", None, None) == ("private", "10.1.0.30", 80)


def test_a_name_of_both_clouds_has_to_be_made_clear(lab):
    with pytest.raises(UserError, match="private and of public"):
        load.target(lab, "koshien", None, None)


def test_an_address_is_taken_as_it_is(lab):
    assert load.target(lab, "10.2.0.20", None, None) == ("public", "10.2.0.20", 8080)
    assert load.target(lab, "public/10.2.9.9", None, None) == ("public", "10.2.9.9", 80)
    assert load.target(lab, "fd00::1", "private", None) == ("private", "fd00::1", 80)


@pytest.mark.parametrize("name", ["nobody", "elsewhere/koshien", "private/nobody"])
def test_what_is_not_there_is_refused(lab, name):
    with pytest.raises(UserError):
        load.target(lab, name, None, None)


def test_shares_are_of_the_answers_and_in_the_order_of_names():
    seen = load.counted({"answers": {"b": 300, "a": 100}, "errors": 2, "seconds": 4.0, "p50_ms": 1.5, "p99_ms": 9.0})
    assert [(one.server, one.requests, one.percent) for one in seen.shares] == [("a", 100, 25.0), ("b", 300, 75.0)]
    assert (seen.requests, seen.rate, seen.errors) == (400, 100.0, 2)


def test_no_answer_is_no_division_by_zero():
    seen = load.counted({"answers": {}, "errors": 5, "seconds": 0.0, "latency_ms": []})
    assert (seen.requests, seen.rate, seen.p50_ms, seen.p99_ms) == (0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1), (0, 1)])
def test_percentiles_are_by_nearest_rank(percent, value):
    assert load.percentile(range(1, 101), percent) == value


def test_the_namespace_of_a_site_a_server_or_a_balancer(lab):
    assert names.namespace(lab, "private") == "lab-private"
    assert names.namespace(lab, "web-2") == f"s-{'b' * 13}"
    assert names.namespace(lab, "public/web-1") == f"s-{'c' * 13}"
    assert names.namespace(lab, "images") == f"lb-{'3' * 13}"
    with pytest.raises(UserError, match="not one but 2"):
        names.namespace(lab, "web-1")
    with pytest.raises(UserError, match="web-9"):
        names.namespace(lab, "web-9")
