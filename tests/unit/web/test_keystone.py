"""Callers with a token of Keystone's: let in by project and role, believed for a minute, and kept nowhere."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cloudsentry.conf import HookSettings
from cloudsentry.errors import Conflict, Unreachable
from cloudsentry.web.keystone import BELIEVED, Vouched
from cloudsentry.web.refused import Refused

START = dt.datetime(2026, 8, 21, 4, 0, tzinfo=dt.UTC)
TOKEN = "gAAAA-of-somebody"


class Keystone:
    """Answers as a cloud whose account is of project ``mine``."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Any = {
            "project": {"id": "mine"},
            "roles": [{"name": "reader"}, {"name": "member"}],
            "expires_at": (START + dt.timedelta(hours=1)).isoformat(),
        }

    def project(self) -> str:
        return "mine"

    def told_of(self, token: str) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Door:
    def __init__(self) -> None:
        self.now, self.keystone = START, Keystone()
        settings = HookSettings(keystone_cloud="private")
        self.vouched = Vouched(settings, lambda: self.now, lambda name: self.keystone)  # type: ignore[arg-type,return-value]

    def refused(self) -> int:
        with pytest.raises(Refused) as no:
            self.vouched.check(TOKEN)
        assert TOKEN not in no.value.why
        return no.value.status


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_member_of_the_project_is_let_in_and_keystone_asked_once_a_minute(door: Door) -> None:
    for _ in range(3):
        door.vouched.check(TOKEN)
    assert door.keystone.asked == 1
    door.now += dt.timedelta(seconds=BELIEVED + 1)
    door.vouched.check(TOKEN)
    assert door.keystone.asked == 2
    assert TOKEN not in repr(vars(door.vouched))


def test_a_token_that_was_believed_ends_with_itself(door: Door) -> None:
    door.keystone.answer["expires_at"] = (START + dt.timedelta(seconds=5)).isoformat()
    door.vouched.check(TOKEN)
    door.now += dt.timedelta(seconds=6)
    door.keystone.answer = Conflict("no such token", cloud="private", status=404)
    assert door.refused() == 401


@pytest.mark.parametrize(
    "change", [{"project": {"id": "theirs"}}, {"project": None}, {"roles": [{"name": "reader"}]}, {"roles": []}]
)
def test_another_project_and_a_lesser_role_are_refused(door: Door, change: dict[str, Any]) -> None:
    door.keystone.answer |= change
    assert door.refused() == 401


def test_a_keystone_that_does_not_answer_is_no_yes(door: Door) -> None:
    door.keystone.answer = Unreachable("nobody there", cloud="private")
    assert door.refused() == 503


def test_without_a_cloud_no_token_lets_in() -> None:
    with pytest.raises(Refused, match="keystone_cloud is not set"):
        Vouched(HookSettings(), lambda: START).check(TOKEN)
