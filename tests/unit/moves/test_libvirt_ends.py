"""One site as the mover `libvirt` asks it, where a migration comes to its end between two questions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cloudsentry.drivers.mover.libvirt import ends
from cloudsentry.drivers.mover.libvirt.ends import End
from cloudsentry.errors import Conflict


class Refused(Exception):
    """libvirt's error, of a kind."""

    def get_error_code(self) -> str:
        return str(self.args[0])


class Library:
    """Names are their own numbers."""

    libvirtError = Refused

    def __getattr__(self, name: str) -> str:
        return name


class Domain:
    """What it answers; a name of libvirt's errors is raised."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def answer(*_: Any) -> Any:
            found = self._answers[name]
            if isinstance(found, str):
                raise Refused(found)
            return found

        return answer


class Site:
    """One hypervisor with one domain."""

    name = "away"
    spec = SimpleNamespace(hypervisors={"xeon2": None})

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def domain(self, hypervisor: str, uuid: str) -> Domain:
        return self._domain

    @contextlib.contextmanager
    def answers(self, what: str, *, writes: bool = False) -> Iterator[None]:
        try:
            yield
        except Refused as error:
            raise self.meaning(what, error) from error

    def meaning(self, what: str, error: Refused) -> Conflict:
        return Conflict(str(error))


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch) -> Callable[..., End]:
    monkeypatch.setattr(ends, "libvirt", Library)
    return lambda **answers: End(Site(Domain(**answers)))  # type: ignore[arg-type]


RUNNING = ("VIR_DOMAIN_RUNNING", 0)


def test_a_server_that_goes_between_two_questions_is_not_there(end: Callable[..., End]) -> None:
    assert end(state="VIR_ERR_NO_DOMAIN").standing("s1") is None
    assert end(jobStats={"type": 1}, state="VIR_ERR_NO_DOMAIN").job("xeon2", "s1") is None


def test_another_refusal_of_the_look_is_no_absence(end: Callable[..., End]) -> None:
    with pytest.raises(Conflict):
        end(state="VIR_ERR_INTERNAL_ERROR").standing("s1")


@pytest.mark.parametrize("verb", ["abort", "postcopy"])
def test_a_migration_that_is_over_already_needs_no_ending(end: Callable[..., End], verb: str) -> None:
    over = {"jobStats": {"type": "VIR_DOMAIN_JOB_NONE"}, "state": RUNNING}
    refused = {"abortJob": "VIR_ERR_OPERATION_INVALID", "migrateStartPostCopy": "VIR_ERR_OPERATION_INVALID"}
    getattr(end(**refused, **over), verb)("xeon2", "s1")
    with pytest.raises(Conflict):
        getattr(end(**refused, jobStats={"type": 1}, state=RUNNING), verb)("xeon2", "s1")
