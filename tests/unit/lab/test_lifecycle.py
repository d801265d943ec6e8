"""Up, reset and down: which way each takes, and that nobody else works on the lab meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudsentry.errors import Owned, SentryError
from cloudsentry.lab import (
    configs,
    daemons,
    golden,
    lifecycle,
    packages,
    processes,
    ready,
    schemas,
    seed,
    services,
    sites,
)
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout
from cloudsentry.lab.lifecycle import Stage


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def begin(self, name: str) -> None:
        """A stage begins."""

    def end(self, name: str, seconds: float) -> None:
        self.ended.append(name)


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    lab = Layout(root=configs.folder(tmp_path / "lab"), clouds=(PRIVATE, PUBLIC))
    configs.passwords(lab)
    return lab


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been done to the machine, in order."""
    done: list[str] = []

    def stands_for(module: object, *names: str) -> None:
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, name=name, **__: done.append(name))

    stands_for(packages, "install_debian", "install_environment")
    stands_for(configs, "write_all")
    stands_for(daemons, "claim", "wait")
    stands_for(services, "warm", "start", "cool")
    stands_for(sites, "begin", "clean")
    stands_for(schemas, "build")
    stands_for(seed, "identity", "resources")

    def start(lab: Layout, daemon: str) -> None:
        done.append(f"start {daemon}")
        for folder in (lab.infra / "mysql", *(lab.folder(cloud.name) / "state" for cloud in lab.clouds)):
            configs.folder(folder)

    monkeypatch.setattr(daemons, "start", start)
    monkeypatch.setattr(daemons, "stop", lambda lab, **_: done.append("stop daemons"))
    monkeypatch.setattr(services, "stop", lambda lab, roles, **_: done.append("stop services"))
    monkeypatch.setattr(ready, "wait", lambda lab: done.append("ready"))
    monkeypatch.setattr(packages, "environment_is_current", lambda lab: True)
    monkeypatch.setattr(processes, "marked", lambda root, *more: ())
    monkeypatch.setattr(golden, "inside_is_current", lambda lab: True)
    return done


def test_the_first_up_builds_keeps_the_golden_state_and_ends_ready(lab: Layout, did: list[str]) -> None:
    outcome = lifecycle.up(lab, Heard())
    assert outcome.cold
    assert golden.archive(lab).exists()
    assert golden.built(lab)
    assert did.index("start mariadb") < did.index("build") < did.index("identity") < did.index("resources")
    assert did.count("identity") == did.count("resources") == 2
    assert did[-1] == "ready"


def test_the_golden_state_is_taken_while_nothing_runs(
    lab: Layout, did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "take", lambda lab: did.append("take"))
    lifecycle.up(lab, Heard())
    before = did[: did.index("take")]
    assert before[-2:] == ["stop services", "stop daemons"]


def test_the_next_up_only_starts(lab: Layout, did: list[str]) -> None:
    lifecycle.up(lab, Heard())
    did.clear()
    outcome = lifecycle.up(lab, Heard())
    assert not outcome.cold
    assert "build" not in did
    assert "stop services" not in did


def test_an_up_after_an_interrupted_reset_restores(
    lab: Layout, did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lifecycle.up(lab, Heard())
    did.clear()
    (lab.root / "built").unlink()
    monkeypatch.setattr(golden, "restore", lambda lab: did.append("restore"))
    lifecycle.up(lab, Heard())
    assert did.index("stop services") < did.index("restore") < did.index("start mariadb")


def test_an_up_after_an_interrupted_build_builds_again(
    lab: Layout, did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(lab: Layout) -> None:
        raise SentryError("interrupted")

    with monkeypatch.context() as patched:
        patched.setattr(schemas, "build", fails)
        with pytest.raises(SentryError, match="interrupted"):
            lifecycle.up(lab, Heard())
    assert lifecycle.up(lab, Heard()).cold


def test_fresh_builds_even_where_a_golden_state_is(lab: Layout, did: list[str]) -> None:
    lifecycle.up(lab, Heard())
    did.clear()
    assert lifecycle.up(lab, Heard(), fresh=True).cold
    assert "build" in did


def test_reset_restores_a_running_lab(lab: Layout, did: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.up(lab, Heard())
    did.clear()
    monkeypatch.setattr(golden, "restore", lambda lab: did.append("restore"))
    lifecycle.reset(lab, Heard())
    assert did.index("stop services") < did.index("restore") < did.index("ready")
    assert "cool" not in did  # the imported code survives a reset


def test_changed_inner_code_restarts_everything(lab: Layout, did: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.up(lab, Heard())
    did.clear()
    monkeypatch.setattr(golden, "inside_is_current", lambda lab: False)
    monkeypatch.setattr(golden, "refresh_inside", lambda lab: did.append("refresh"))
    lifecycle.up(lab, Heard())
    assert did.index("cool") < did.index("refresh") < did.index("start")
    assert "build" not in did


def test_down_ends_services_sites_and_daemons(lab: Layout, did: list[str]) -> None:
    lifecycle.down(lab, Heard())
    assert did == ["stop services", "cool", "clean", "stop daemons"]


def test_down_may_keep_the_code_warm(lab: Layout, did: list[str]) -> None:
    lifecycle.down(lab, Heard(), keep_warm=True)
    assert "cool" not in did


def test_two_commands_do_not_change_the_lab_at_once(lab: Layout, did: list[str]) -> None:
    with lifecycle.owned(lab), pytest.raises(Owned, match="another command"):
        lifecycle.down(lab, Heard())
    assert did == []
    lifecycle.down(lab, Heard())


def test_a_failed_stage_is_not_told_as_done_and_ends_the_run() -> None:
    def fails() -> None:
        raise SentryError("no")

    heard = Heard()
    stages = [Stage(name="a", work=lambda: None), Stage(name="b", work=fails), Stage(name="c", work=lambda: None)]
    with pytest.raises(SentryError, match="no"):
        lifecycle.run(stages, heard)
    assert heard.ended == ["a"]
