"""Services: which state is told, which names are taken, and in what order things wait for each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import daemons, processes, services
from cloudsentry.lab.layout import PRIVATE, PUBLIC, Layout, Role
from cloudsentry.lab.processes import Process

HERE = Process(pid=4711, start=99)


@pytest.fixture
def lab(tmp_path: Path) -> Layout:
    lab = Layout(root=tmp_path, clouds=(PRIVATE, PUBLIC))
    for cloud in lab.clouds:
        (lab.folder(cloud.name) / "run").mkdir(parents=True)
        (lab.folder(cloud.name) / "log").mkdir(parents=True)
    lab.run.mkdir()
    return lab


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The identity files that name a living process."""
    named: set[Path] = set()
    monkeypatch.setattr(processes, "known", lambda path, command: HERE if path in named else None)
    return named


def _compute(lab: Layout) -> Role:
    return services.find(lab, "private", "nova-compute-private-xeon1")


def test_a_service_is_found_by_its_name(lab: Layout) -> None:
    assert _compute(lab).host == "private-xeon1"
    assert services.find(lab, "public", "neutron").port == 15204


@pytest.mark.parametrize(("cloud", "name"), [("privat", "nova-api"), ("public", "nova-compute-private-xeon1")])
def test_an_unknown_service_is_the_users_error_with_the_known_ones(lab: Layout, cloud: str, name: str) -> None:
    with pytest.raises(UserError, match="it has"):
        services.find(lab, cloud, name)


def test_state_goes_from_down_over_starting_to_up(lab: Layout, alive: set[Path]) -> None:
    role, run = _compute(lab), lab.folder("private") / "run"
    assert services.state(lab, role) == services.DOWN
    alive.add(run / f"{role.name}.pid")
    assert services.state(lab, role) == services.STARTING
    alive.add(run / f"{role.name}.ready")
    assert services.state(lab, role) == services.UP


def test_a_service_that_died_while_starting_is_told_with_its_last_words(lab: Layout, alive: set[Path]) -> None:
    role = _compute(lab)
    alive.add(lab.run / "nova.pid")
    (lab.folder("private") / "run" / f"{role.name}.pid").write_text("1 1", encoding="ascii")
    (lab.folder("private") / "log" / f"{role.name}.out").write_text("Traceback\nValueError: no such option\n\n")
    with pytest.raises(SentryError, match="ValueError: no such option"):
        services.wait(lab, role)


def test_a_service_without_its_zygote_is_not_waited_for(lab: Layout, alive: set[Path]) -> None:
    with pytest.raises(SentryError, match="ended while starting"):
        services.wait(lab, _compute(lab))


def test_an_order_without_a_zygote_says_so(lab: Layout, alive: set[Path]) -> None:
    with pytest.raises(SentryError, match="nova zygote does not run"):
        services.order(lab, _compute(lab))


def test_an_order_forgets_what_an_earlier_process_left(lab: Layout, alive: set[Path]) -> None:
    stale = lab.folder("private") / "run" / "nova-compute-private-xeon1.ready"
    stale.touch()
    with pytest.raises(SentryError):
        services.order(lab, _compute(lab))
    assert not stale.exists()


def test_start_leaves_running_services_alone_and_agents_for_last(
    lab: Layout, alive: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered: list[str] = []

    def order(lab: Layout, role: Role) -> None:
        ordered.append(f"{role.cloud}/{role.name}")
        alive.update(lab.folder(role.cloud) / "run" / f"{role.name}.{kind}" for kind in ("pid", "ready"))

    monkeypatch.setattr(services, "order", order)
    monkeypatch.setattr(services, "warm", lambda lab, families: None)
    monkeypatch.setattr(daemons, "wait", lambda lab, daemon: None)
    alive.update(lab.folder("private") / "run" / f"keystone.{kind}" for kind in ("pid", "ready"))
    services.start(lab, services.every(lab))
    assert "private/keystone" not in ordered
    assert sorted(ordered[-2:]) == ["private/neutron-agent", "public/neutron-agent"]
    ordered.clear()
    services.start(lab, services.every(lab))
    assert ordered == []


def test_start_replaces_what_an_interruption_left_halfway(
    lab: Layout, alive: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = _compute(lab)
    pid = lab.folder("private") / "run" / f"{role.name}.pid"
    alive.add(pid)
    ended: list[Process] = []

    def end(doomed: list[Process], *, grace_s: float) -> None:
        ended.extend(doomed)
        alive.clear()

    monkeypatch.setattr(processes, "end", end)
    monkeypatch.setattr(services, "warm", lambda lab, families: None)
    monkeypatch.setattr(daemons, "wait", lambda lab, daemon: None)
    monkeypatch.setattr(services, "order", lambda lab, role: alive.update((pid, pid.with_suffix(".ready"))))
    services.start(lab, [role])
    assert ended == [HERE]
    assert services.state(lab, role) == services.UP


def test_a_service_told_to_end_counts_no_more_as_serving(
    lab: Layout, alive: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    role, run = _compute(lab), lab.folder("private") / "run"
    alive.add(run / f"{role.name}.pid")
    (run / f"{role.name}.ready").touch()

    def killed(doomed: list[Process], *, grace_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "end", killed)
    with pytest.raises(KeyboardInterrupt):
        services.stop(lab, [role])
    assert not (run / f"{role.name}.ready").exists()


def test_status_tells_every_service_of_both_clouds(
    lab: Layout, alive: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemons, "running", lambda lab, daemon: ())
    rows = {(row.cloud, row.service): row for row in services.status(lab)}
    assert {row.state for row in rows.values()} == {services.DOWN}
    assert rows["public", "nova-api"].endpoint == "http://127.0.0.1:15203"
    assert rows["private", "nova-compute-private-opteron1"].endpoint == ""
    assert ("lab", "mariadb") in rows
