"""Apache without Apache: the forms for its console, and what it cannot do."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from cloudsentry.drivers.balancer.apache.console import Console, Standing, differs, posts
from cloudsentry.drivers.balancer.apache.render import able, url
from cloudsentry.drivers.balancer.daemon import Daemon
from cloudsentry.drivers.balancer.instance import Instance
from cloudsentry.errors import Ambiguous, NotSupported, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import CreateBalancer, Monitor
from cloudsentry.records.views import Member

MARK = Mark(event="koshien", unit="front")


def member(number: int, weight: int, **changed: object) -> Member:
    made = Member(
        id=f"cs-s{number}", name=f"s{number}", address=f"192.0.2.{number}", port=8080, weight=weight, mark=MARK
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def test_what_is_as_wanted_needs_no_form() -> None:
    now = Standing(members=(member(1, 10), member(2, 2)))
    assert posts(now, [member(1, 10), member(2, 2)], None) == []
    assert not differs(now, [member(1, 10), member(2, 2)])


def test_weight_nothing_is_a_drain_and_keeps_the_load_factor() -> None:
    (form,) = posts(Standing(members=(member(1, 10),)), [member(1, 0)], None)
    assert dict(form)["w_status_N"] == "1"
    assert "w_lf" not in dict(form)


def test_who_left_is_disabled_once_and_comes_back_with_its_checks_before_it() -> None:
    left = member(1, 10, operating="DISABLED")
    assert posts(Standing(members=(left, member(2, 1))), [member(2, 1)], None) == []
    (form,) = posts(Standing(members=(left, member(2, 1))), [member(1, 10), member(2, 1)], Monitor())
    assert dict(form) | {"w_status_D": "0", "w_status_C": "1", "w_lf": "10"} == dict(form)


def test_somebody_else_s_member_is_in_no_form() -> None:
    now = Standing(members=(member(1, 10), member(9, 3, id="x", mark=None)))
    forms = posts(now, [member(2, 5)], None)
    assert not any("192.0.2.9" in value for form in forms for _, value in form)


def test_a_member_is_called_as_apache_calls_it() -> None:
    assert url(member(1, 1, port=80)) == "http://192.0.2.1"
    assert url(member(1, 1, address="2001:db8::80")) == "http://[2001:db8::80]:8080"


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol": "TCP"},
        {"algorithm": "SOURCE_IP"},
        {"monitor": Monitor(type="PING")},
        {"monitor": Monitor(path='/"\nServerRoot /')},
        {"address": "front.example"},
    ],
)
def test_what_apache_cannot_do_is_refused(changed: dict[str, object]) -> None:
    order = replace(CreateBalancer(unit="front", name="koshien-front", mark=MARK), **changed)  # type: ignore[arg-type]
    with pytest.raises(NotSupported):
        able(Instance.of(order, "apache"))


def test_a_mark_file_is_read_back_and_hides_its_token() -> None:
    order = CreateBalancer(unit="front", name="koshien-front", address="2001:DB8::1", monitor=Monitor(), mark=MARK)
    made = Instance.of(order, "apache")
    assert Instance.read(made.written()) == made
    assert made.address == "2001:db8::1"
    assert made.token not in repr(made)
    assert Instance.read(b"{}") is None


class Dying:
    """A host whose Apache takes a connection and is gone."""

    place = "netns:dying"

    def connect(self, address: str, port: int) -> socket.socket:
        here, there = socket.socketpair()
        there.close()
        return here


def test_a_daemon_that_dies_under_a_look_had_no_effect_and_under_a_form_perhaps() -> None:
    order = CreateBalancer(unit="front", name="koshien-front", mark=MARK)
    host: Any = Dying()
    console = Console(Daemon(host=host, base="/nowhere", instance=Instance.of(order, "apache"), file="apache.conf"))
    with pytest.raises(Unreachable):
        console.standing()
    console.close()
    with pytest.raises(Ambiguous):
        console.tell([(("w", "any"),)])
    console.close()


def test_a_newcomer_gets_nothing_before_its_checks_even_where_nobody_serves() -> None:
    for now in (Standing(members=()), Standing(members=(member(1, 10),))):
        forms = [dict(form) for form in posts(now, [*now.members, member(2, 10)], Monitor())]
        assert forms[-1]["w_status_C"] == "1"
    assert all("w_status_C" not in dict(form) for form in posts(Standing(members=()), [member(2, 10)], None))
