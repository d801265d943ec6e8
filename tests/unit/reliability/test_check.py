"""Defects, each seeded alone into a cloud that is well: found before anything is made, with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsentry.drivers.balancer.fake.cloud import FakeBalancers
from cloudsentry.drivers.balancer.fake.cloud import State as Balancers
from cloudsentry.drivers.pool.fake.cloud import FakeCloud, State
from cloudsentry.errors import Denied, PlanError, Unreachable
from cloudsentry.osc.shell import main
from cloudsentry.records.ground import Size
from cloudsentry.sentry import Sentry

from .house import event, koshien, servers

Seed = Callable[[State, Balancers, dict[str, Any]], object]


def limit(kind: str, most: int) -> Seed:
    return lambda cloud, lbs, body: cloud.limits.update({kind: most})


def lb_limit(kind: str, most: int) -> Seed:
    return lambda cloud, lbs, body: lbs.limits.update({kind: most})


def put(**values: Any) -> Seed:
    return lambda cloud, lbs, body: [setattr(cloud, name, value) for name, value in values.items()]


def host(name: str, **values: Any) -> Seed:
    return lambda cloud, lbs, body: [setattr(cloud.hypervisors[name], key, value) for key, value in values.items()]


def pool(**values: Any) -> Seed:
    return lambda cloud, lbs, body: body["pools"]["front-nara"].update(values)


def pin(**values: Any) -> Seed:
    return pool(pins=[{"count": 2, **values}])


def balancer(**values: Any) -> Seed:
    return lambda cloud, lbs, body: body["balancers"]["nara"].update(values)


def until(day: str) -> Seed:
    def seed(cloud: State, lbs: Balancers, body: dict[str, Any]) -> None:
        cloud.until = f"{day}T00:00:00.000000Z"

    return seed


DEFECTS: dict[str, tuple[Seed, str, str, str]] = {
    "no image": (put(images=["other"]), "image", "no image 'tiny'", "upload it"),
    "no flavor": (put(flavors=["m1.nana"]), "flavor", "no flavor 'm1.nano' (nearest: 'm1.nana')", "name one"),
    "no network": (put(networks=["back"]), "network", "no network 'front'", "make it"),
    "no keypair": (pool(key_name="opps"), "keypair", "no keypair 'opps' (nearest: 'ops')", "import it"),
    "no security group": (pool(security_groups=["web"]), "security group", "no security group 'web'", "make it"),
    "no zone": (pin(zone="az9"), "available zone", "no available zone 'az9'", "name one"),
    "no hypervisor": (pin(hypervisor="private-xeon7"), "hypervisor", "no hypervisor 'private-xeon7'", "name one"),
    "no aggregate": (pin(aggregate="xenon"), "aggregate", "no aggregate 'xenon' (nearest: 'xeon'", "make it"),
    "no trait": (pin(trait="CUSTOM_FAST"), "trait", "no trait 'CUSTOM_FAST'", "make it"),
    "a hypervisor is down": (
        host("private-xeon1", up=False),
        "plan",
        "'private-xeon1' of cloud private is down",
        "start",
    ),
    "a hypervisor is disabled": (host("private-xeon1", enabled=False), "plan", "is disabled", "enable it"),
    "no right to pin": (put(admin=False), "plan", "requested_destination", "pin by zone"),
    "quota of instances": (
        put(quota=3),
        "quota",
        "the quota of instances is 3, 0 are used and 4 more",
        "raise it by 1",
    ),
    "quota of cores": (limit("cores", 2), "quota", "the quota of cores is 2, 0 are used and 4 more", "raise it by 2"),
    "quota of ports": (limit("ports", 4), "quota", "the quota of ports is 4", "raise it by"),
    "quota of server groups": (
        lambda cloud, lbs, body: (pin(anti_affinity=1)(cloud, lbs, body), cloud.limits.update({"server groups": 0})),
        "quota",
        "the quota of server groups is 0",
        "raise it by 1",
    ),
    "quota of load balancers": (lb_limit("load balancers", 0), "quota", "the quota of load balancers is 0", "by 1"),
    "quota of pools": (lb_limit("pools", 0), "quota", "the quota of pools is 0", "raise it by 1"),
    "quota of health monitors": (lb_limit("health monitors", 0), "quota", "the quota of health monitors", "by 1"),
    "quota of members": (lb_limit("members", 3), "quota", "the quota of members is 3, 0 are used and 4 more", "by 1"),
    "a hypervisor is full": (host("private-xeon1", room=1), "room", "has 1 VCPUs free, 2 are asked for", "pin fewer"),
    "a hypervisor lacks memory": (
        lambda cloud, lbs, body: (
            cloud.sizes.update({"m1.nano": Size(name="m1.nano", vcpus=1, ram=512)}),
            setattr(cloud.hypervisors["private-xeon1"], "memory", 600),
        ),
        "room",
        "has 600 MiB of memory free, 1024 are asked for",
        "smaller flavor",
    ),
    "quota of memory": (
        lambda cloud, lbs, body: (
            cloud.sizes.update({"m1.nano": Size(name="m1.nano", vcpus=1, ram=512)}),
            cloud.limits.update({"ram": 2000}),
        ),
        "quota",
        "the quota of ram is 2000 MiB, 0 are used and 2048 more",
        "raise it by 48 MiB",
    ),
    "no addresses": (put(addresses={"front": 4}), "addresses", "network 'front' has 4 addresses free, 5", "widen"),
    "an image larger than the flavor": (
        put(needs={"tiny": Size(name="tiny", ram=2048, disk=1)}),
        "flavor",
        "image 'tiny' needs 2048 MiB",
        "larger flavor",
    ),
    "no such provider": (
        balancer(provider="amfora"),
        "provider",
        "no provider 'amfora' (nearest: 'amphora')",
        "enabled",
    ),
    "a provider that cannot weigh": (balancer(provider="ovn"), "weights", "no weights at provider 'ovn'", "amphora"),
    "no network for the VIP": (balancer(network="back"), "network", "no network 'back'", "make it"),
    "clocks apart": (put(skew=-95.0), "clock", "95 s behind this machine's", "NTP"),
    "credentials that end": (until("2010-08-15"), "credentials", "the credentials end on 2010-08-15", "renew"),
}


def test_the_example_on_clouds_that_are_well_has_no_finding(sentry: Sentry) -> None:
    assert sentry.check(event(koshien())) == ()
    assert sentry.apply(event(koshien())).outcome == "done"
    assert sentry.check(event(koshien())) == ()


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_alone_and_with_what_to_do(name: str, sentry: Sentry) -> None:
    seed, check, found, do = DEFECTS[name]
    body = koshien()
    with FakeCloud.named("private").work() as cloud, FakeBalancers.named("private").work() as balancers:
        seed(cloud, balancers, body)
    findings = sentry.check(event(body))
    assert {one.check for one in findings} == {check}
    assert all(found in one.found and do in one.do for one in findings), findings
    assert not servers("private")


REFUSED = [name for name in DEFECTS if name not in ("clocks apart", "credentials that end")]


@pytest.mark.parametrize("name", [name for name in REFUSED if "larger" not in name])
def test_an_apply_refuses_it_before_anything_is_made(name: str, sentry: Sentry) -> None:
    seed, _, found, _ = DEFECTS[name]
    body = koshien()
    with FakeCloud.named("private").work() as cloud, FakeBalancers.named("private").work() as balancers:
        seed(cloud, balancers, body)
    with pytest.raises(PlanError) as refused:
        sentry.apply(event(body))
    assert found in str(refused.value)
    assert not servers("private") + servers("public")


@pytest.mark.parametrize(
    ("error", "do"),
    [
        (Denied("the password is wrong", cloud="public"), "clouds.yaml"),
        (Unreachable("nobody", cloud="public"), "later"),
    ],
)
def test_a_cloud_that_does_not_answer_is_a_finding_and_hides_no_other(
    error: Exception, do: str, sentry: Sentry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cloudsentry.drivers.pool.fake.driver import FakePool

    plain = FakePool.observe

    def observe(self: FakePool, scope: Any) -> Any:
        if self._cloud.name == "public":
            raise error
        return plain(self, scope)

    monkeypatch.setattr(FakePool, "observe", observe)
    with FakeCloud.named("private").work() as cloud:
        cloud.images = []
    findings = sentry.check(event(koshien()))
    assert [(one.cloud, one.check) for one in findings] == [("public", "cloud"), ("private", "image")]
    assert do in findings[0].do


def test_what_an_earlier_run_left_in_error_makes_room_for_its_successor(sentry: Sentry) -> None:
    body = koshien()
    with FakeCloud.named("private").work() as cloud:
        cloud.quota = 4
        cloud.hypervisors["private-xeon1"].up = False
    with pytest.raises(PlanError):
        sentry.apply(event(body))
    with FakeCloud.named("private").work() as cloud:
        cloud.hypervisors["private-xeon1"].up = True
    assert sentry.apply(event(body)).outcome == "done"
    with FakeCloud.named("private").work() as cloud:
        for one in cloud.servers["koshien-2010"].values():
            one.server = one.server.__class__(**{**_fields(one.server), "status": "ERROR"})
    assert sentry.check(event(body)) == ()


def _fields(server: Any) -> dict[str, Any]:
    return {name: getattr(server, name) for name in server.__dataclass_fields__}


def test_the_command_tells_a_row_per_finding_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "koshien.yaml"
    file.write_text(yaml.safe_dump(koshien()))
    assert main(["event", "check", str(file), "-f", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    with FakeCloud.named("private").work() as cloud:
        cloud.images = []
    assert main(["event", "check", str(file), "-f", "json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "Check": "image",
        "Cloud": "private",
        "Found": "no image 'tiny'",
        "Do": "upload it, or name one that is there",
    }
