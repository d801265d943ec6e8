"""The golden state: what invalidates it, what it holds, and what an interruption leaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudsentry.lab import configs, golden, packages
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    lab = Layout(root=configs.folder(tmp_path / "lab"), clouds=(PRIVATE, PUBLIC))
    configs.passwords(lab)
    configs.write(configs.folder(lab.infra / "mysql") / "ibdata1", "tables")
    for cloud in lab.clouds:
        configs.write(configs.folder(lab.folder(cloud.name) / "state" / "keystone") / "key", cloud.name)
    return lab


def _data(lab: Layout) -> Path:
    return lab.infra / "mysql" / "ibdata1"


def test_restoring_brings_back_what_was_taken(lab: Layout) -> None:
    golden.take(lab)
    configs.write(_data(lab), "changed")
    configs.write(lab.infra / "mysql" / "new", "made later")
    golden.restore(lab)
    assert _data(lab).read_text(encoding="utf-8") == "tables"
    assert not (lab.infra / "mysql" / "new").exists()
    assert (lab.folder("public") / "state/keystone/key").read_text(encoding="utf-8") == "public"
    assert golden.built(lab)


def test_state_counts_as_built_only_when_said_so(lab: Layout) -> None:
    assert not golden.built(lab)
    golden.mark_built(lab)
    assert golden.built(lab)


def test_wiping_begins_by_saying_that_nothing_is_built(lab: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    golden.mark_built(lab)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(golden.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        golden.wipe(lab)
    assert not golden.built(lab)


@pytest.mark.parametrize("change", ["blueprint", "requirements", "passwords"])
def test_what_the_databases_depend_on_invalidates_them(
    lab: Layout, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    golden.take(lab)
    golden.mark_built(lab)
    if change == "blueprint":
        bigger = replace(PUBLIC.hypervisors[0], memory_mb=1)
        lab = replace(lab, clouds=(PRIVATE, replace(PUBLIC, hypervisors=(bigger, *PUBLIC.hypervisors[1:]))))
    elif change == "requirements":
        monkeypatch.setattr(packages, "fingerprint", lambda: "other")
    else:
        (lab.root / "secrets.json").unlink()
        configs.passwords(lab)
    assert not golden.built(lab)
    assert not golden.archive(lab).exists()


def test_a_new_golden_state_replaces_the_old_ones(lab: Layout) -> None:
    golden.take(lab)
    (lab.root / "golden-0123456789abcdef.tar").touch()
    golden.take(lab)
    assert [path.name for path in lab.root.glob("golden-*")] == [golden.archive(lab).name]


def test_changed_inner_code_is_noticed(lab: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = tmp_path / "package"
    for name in ("inside/x.py", "templates/y.conf"):
        configs.folder((here / name).parent)
        (here / name).write_text("1", encoding="utf-8")
    monkeypatch.setattr(golden, "HERE", here)
    assert not golden.inside_is_current(lab)
    golden.refresh_inside(lab)
    assert golden.inside_is_current(lab)
    assert (lab.inside / "x.py").exists()
    (here / "templates/y.conf").write_text("2", encoding="utf-8")
    assert not golden.inside_is_current(lab)
