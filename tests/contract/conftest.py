"""A place for each driver; afterwards nothing of the test's event is left there."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from cloudsentry.records.orders import DeleteBalancer, DeleteServerGroups, DeleteServers

from . import places

PLACES = {
    "cloudsentry.pool": {"fake": places.fake_pool, "libvirt": places.libvirt, "nova": places.lab},
    "cloudsentry.balancer": {"fake": places.fake_balancer, "octavia": places.lab},
}


def drivers(family: str) -> list[Any]:
    """Every entry point of a family that has a place (a test sees to it that all have); those of the lab are marked."""
    found = sorted(importlib.metadata.entry_points(group=family), key=lambda point: point.name)
    known = [point for point in found if point.name in PLACES[family]]
    needs = {places.lab: [pytest.mark.lab], places.libvirt: [pytest.mark.migration]}
    return [
        pytest.param((family, point), id=point.name, marks=needs.get(PLACES[family][point.name], [])) for point in known
    ]


def names(family: str) -> set[str]:
    """The names of a family's entry points."""
    return {point.name for point in importlib.metadata.entry_points(group=family)}


def classes(family: str) -> list[Any]:
    """The classes themselves, for what needs no place."""
    return [pytest.param(point.load(), id=point.name) for point in importlib.metadata.entry_points(group=family)]


def same_signature(method: Any, base: Any) -> bool:
    """Whether a driver's method takes and gives what the base's does."""
    return inspect.signature(method) == inspect.signature(base)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[places.Place]:
    family, point = request.param
    made = PLACES[family][point.name](point.load())
    try:
        yield made
    finally:
        _clear(made, family)


def _clear(place: places.Place, family: str) -> None:
    if family == "cloudsentry.balancer":
        for balancer in place.view().balancers:
            order = DeleteBalancer(unit=balancer.mark.unit, id=balancer.id)
            if balancer.provisioning != "PENDING_DELETE":
                place.driver.act(order)
            assert place.until(order).state == "done"
        return
    view = place.view(groups=True)
    place.done(DeleteServers(unit="", ids=tuple(server.id for server in view.servers)))
    place.done(DeleteServerGroups(unit="", ids=tuple(group.id for group in view.groups)))
