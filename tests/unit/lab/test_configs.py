"""The files of the lab: complete, private, and without a secret where one can be seen."""

from __future__ import annotations

import configparser
import json
import stat
from pathlib import Path

import pytest
import yaml

from cloudsentry.lab import configs
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    lab = Layout(root=tmp_path / "lab", clouds=(PRIVATE, PUBLIC))
    configs.folder(lab.root)
    for paste in ("glance/glance-api-paste.ini", "nova/api-paste.ini"):
        (lab.venv / "etc" / paste).parent.mkdir(parents=True)
        (lab.venv / "etc" / paste).write_text("[pipeline]\n", encoding="utf-8")
    (lab.root / "octavia-ca.pem").touch()
    (lab.root / "octavia-ca.key").touch()
    return lab


def _parsed(lab: Layout, cloud: str, name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(lab.folder(cloud) / "etc" / name, encoding="utf-8")
    return parser


def test_each_cloud_talks_to_its_own_databases_and_keystone(lab: Layout) -> None:
    configs.write_all(lab)
    for cloud in lab.clouds:
        nova = _parsed(lab, cloud.name, "nova.conf")
        assert f"/{cloud.name}_nova?" in nova["database"]["connection"]
        assert nova["DEFAULT"]["transport_url"].endswith(f"/{cloud.name}_nova")
        assert nova["placement"]["auth_url"] == f"{cloud.url('keystone')}/v3"
        assert nova["keystone_authtoken"]["region_name"] == cloud.name


def test_each_hypervisor_has_its_host_name_and_size(lab: Layout) -> None:
    configs.write_all(lab)
    assert _parsed(lab, "private", "nova-private-xeon1.conf")["DEFAULT"]["host"] == "private-xeon1"
    size = json.loads((lab.folder("private") / "state/nova/private-opteron2/hv.json").read_text(encoding="utf-8"))
    assert size == {
        "kind": "opteron",
        "vcpus": 64,
        "memory_mb": 65536,
        "local_gb": 2000,
        "server_quota": 10,
        "host_quota": 20,
    }


def test_bridge_mappings_follow_the_blueprint(lab: Layout) -> None:
    configs.write_all(lab)
    hosts = json.loads((lab.folder("public") / "run/hosts.json").read_text(encoding="utf-8"))
    assert set(hosts["public-hv1"]) == {"physnet1", "physnet2"}
    assert set(hosts["public-hv4"]) == {"physnet1"}


def test_clients_file_has_an_administrator_and_a_member_per_cloud(lab: Layout) -> None:
    configs.write_all(lab)
    clouds = yaml.safe_load(lab.clouds_yaml.read_text(encoding="utf-8"))["clouds"]
    assert set(clouds) == {"private", "private-member", "public", "public-member"}
    assert clouds["public"]["auth"]["username"] == "admin"
    assert clouds["public-member"]["auth"]["project_name"] == "demo"
    assert clouds["public-member"]["region_name"] == "public"


def test_only_the_account_can_read_what_is_written(lab: Layout) -> None:
    configs.write_all(lab)
    written = [lab.clouds_yaml, lab.root / "secrets.json", lab.infra / "client.cnf", lab.infra / "my.cnf"]
    written += sorted((lab.folder("private") / "etc").glob("*.conf"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert stat.S_IMODE(lab.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(lab.folder("private").stat().st_mode) == 0o700


def test_passwords_are_made_once_and_differ_between_labs(lab: Layout, tmp_path: Path) -> None:
    first = configs.passwords(lab)
    assert configs.passwords(lab) == first
    other = Layout(root=configs.folder(tmp_path / "other"), clouds=lab.clouds)
    assert configs.passwords(other).db_password != first.db_password


def test_passwords_are_not_in_their_repr(lab: Layout) -> None:
    known = configs.passwords(lab)
    assert known.admin_password not in repr(known)


def test_writing_twice_changes_nothing(lab: Layout) -> None:
    configs.write_all(lab)
    before = {path: path.read_bytes() for path in lab.root.rglob("*") if path.is_file()}
    configs.write_all(lab)
    assert {path: path.read_bytes() for path in lab.root.rglob("*") if path.is_file()} == before


def test_an_interrupted_write_leaves_the_old_file_and_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "x.conf"
    configs.write(path, "old")
    path.with_name("x.conf.part").write_text("half", encoding="utf-8")
    configs.write(path, "new")
    assert path.read_text(encoding="utf-8") == "new"


def test_a_template_with_an_unknown_name_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("a = $nobody\n", encoding="utf-8")
    monkeypatch.setattr(configs, "TEMPLATES", tmp_path)
    with pytest.raises(KeyError, match="nobody"):
        configs.fill("x.conf", {})
