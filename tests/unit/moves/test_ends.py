"""What the mover `image` asks of a cloud when the old server goes."""

from __future__ import annotations

from typing import Any

from cloudsentry.drivers.mover.image.calls import CloudEnds
from cloudsentry.records.marks import Mark
from cloudsentry.records.moving import MoveOrder
from cloudsentry.records.orders import Template


class Cloud:
    """Notes what is deleted, in order; one port was made for server ``old`` by an earlier move."""

    name = "private"

    def __init__(self) -> None:
        self.deleted: list[str] = []

    def listed(self, service: str, path: str, key: str, *, params: Any, **_: Any) -> list[dict[str, Any]]:
        return [{"id": "port"}] if params["tags-any"] == "cloudsentry-server=old" else []

    def delete(self, service: str, path: str, **_: Any) -> None:
        self.deleted.append(path)


def test_a_server_that_moved_before_takes_its_port_along_and_the_port_goes_first():
    cloud = Cloud()
    order = MoveOrder(
        event="cup",
        pool="front",
        new_pool="front-osaka",
        source="private",
        target="public",
        driver="nova",
        count=1,
        server="old",
        template=Template(image="tiny", flavor="nano"),
        mark=Mark(event="cup", unit="front-osaka@any", op="1"),
    )
    CloudEnds("private", "public", lambda name: cloud).remove(order)  # type: ignore[arg-type,return-value]
    assert cloud.deleted == ["/ports/port", "/servers/old"]
