"""A shell around a hall that answers what a test told it to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cloudsentry.osc import shell
from cloudsentry.records.orders import DeleteServers
from cloudsentry.records.plans import Drift, Plan, Step
from cloudsentry.records.reports import BalancerLine, Counts, Note, Report, ServerLine, Status, StepReport


@dataclass
class Hall:
    """Answers every verb from ``answers``; an exception among them is raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    notes: tuple[Note, ...] = ()

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        def answer(*args: Any, listen: Any = None, **_: Any) -> Any:
            self.asked.append((verb, args))
            for note in self.notes if listen else ():
                listen(note)
            found = self.answers.get(verb)
            if isinstance(found, BaseException):
                raise found
            return found

        return answer


@pytest.fixture(autouse=True)
def _no_handlers_left() -> Iterator[None]:
    """A shell sets the process's logging up; a test process outlives many shells."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Hall:
    made = Hall()
    monkeypatch.setattr(shell, "open_hall", lambda config_file: made)
    monkeypatch.setattr("cloudsentry.picture.moving.under_way", made.under_way)
    return made


@pytest.fixture
def plan() -> Plan:
    step = Step(
        id="delete:nara-hv1",
        unit="nara-hv1",
        family="pool",
        driver="nova",
        cloud="private",
        verb="delete",
        action="remove",
        subject=DeleteServers(unit="nara-hv1", ids=("id-1",)),
        why="1 more than wanted",
    )
    drift = Drift(unit="nara-hv1", cloud="private", kind="extra", what="3 of 2 servers")
    return Plan(event="cup", goal="apply", revision="r", steps=(step,), drift=(drift,), wanted=2, digest="d")


@pytest.fixture
def report() -> Report:
    steps = (
        StepReport(id="a", unit="nara-hv1", cloud="private", verb="create", outcome="done", seconds=3.0, attempts=1),
        StepReport(id="b", unit="nara", cloud="private", verb="members", outcome="done", seconds=1.0, attempts=1),
    )
    return Report(
        run=7,
        event="cup",
        goal="apply",
        outcome="done",
        seconds=4.25,
        writes=2,
        reads=9,
        steps=steps,
        servers=Counts(wanted=2, active=2, misplaced=0),
    )


@pytest.fixture
def status() -> Status:
    server = ServerLine(
        cloud="private",
        unit="nara-hv1",
        name="cup-nara-1",
        id="id-1",
        status="ACTIVE",
        hypervisor="hv2",
        pinned="hv1",
        placed=False,
        address="10.1.0.20",
        weight=None,
        member="",
    )
    balancer = BalancerLine(
        cloud="private",
        unit="nara",
        name="cup-nara",
        vip="10.1.0.9",
        provisioning="ACTIVE",
        operating="ONLINE",
        members=(("10.1.0.20", 10, "ONLINE"), ("10.1.0.21", 2, "ERROR")),
    )
    return Status(
        event="cup",
        revision=3,
        state="drifted",
        servers=(server,),
        balancers=(balancer,),
        drift=(Drift(unit="nara-hv1", cloud="private", kind="misplaced", what="cup-nara-1 is on hv2"),),
        counts=Counts(wanted=2, active=1, misplaced=1),
    )
