"""Drivers by name: the right class, one session per cloud, and faults told with the plugin's name."""

import importlib.metadata
import sys
import threading
import types

import pytest
import stevedore._cache

from cloudsentry.clouds.calls import Calls
from cloudsentry.drivers.pool.base import PoolDriver
from cloudsentry.errors import UserError
from cloudsentry.loading import Loader, load, names
from cloudsentry.records.views import PoolView


class Good(PoolDriver):
    def __init__(self, cloud_name, *, connect):
        self.cloud = connect(cloud_name)

    def observe(self, scope):
        return PoolView(driver="good", cloud=self.cloud.name)

    def act(self, order):
        raise NotImplementedError


class Thrower(Good):
    def __init__(self, cloud_name, *, connect):
        raise OSError("no such socket")


class Account:
    def __init__(self, name):
        self.name = name

    def calls(self):
        return Calls(reads=3, writes=1)


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    """Entry points as installed packages would bring them."""
    module = types.ModuleType("plugins_of_test_loading")
    module.Good, module.Thrower, module.NotOne, module.function = Good, Thrower, dict, lambda: None
    monkeypatch.setitem(sys.modules, module.__name__, module)
    targets = {
        "good": "Good",
        "thrower": "Thrower",
        "notone": "NotOne",
        "function": "function",
        "nothing": "Nothing",
    }
    points = [
        importlib.metadata.EntryPoint(name, f"{module.__name__}:{target}", "cloudsentry.pool")
        for name, target in targets.items()
    ]
    points.append(importlib.metadata.EntryPoint("broken", "a_module_that_is_not_there:Driver", "cloudsentry.pool"))
    found = {"cloudsentry.pool": points}
    # stevedore keeps what it found in a process: tests before this one may have loaded drivers, and others come after.
    monkeypatch.setattr("stevedore.extension.ExtensionManager.ENTRY_POINT_CACHE", {})
    monkeypatch.setattr(
        stevedore._cache, "get_group_all", lambda namespace, path=None: found.get(namespace, []), raising=True
    )


def test_the_installed_names_are_listed_without_loading_any():
    assert names("cloudsentry.pool") == ("broken", "function", "good", "nothing", "notone", "thrower")
    assert names("cloudsentry.nosuch") == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("goood", ["no driver 'goood'", "did you mean 'good'?", "Known: broken, function, good"]),
        ("zzzzz", ["no driver 'zzzzz' for cloudsentry.pool. Known:"]),
        ("broken", ["'broken'", "a_module_that_is_not_there:Driver", "ModuleNotFoundError"]),
        ("nothing", ["'nothing'", "AttributeError"]),
        ("notone", ["'notone'", "not a PoolDriver", "NotOne"]),
        ("function", ["'function'", "not a PoolDriver"]),
    ],
)
def test_what_cannot_be_loaded_is_told_and_takes_nothing_down(name, told):
    with pytest.raises(UserError) as caught:
        load("cloudsentry.pool", name)
    for part in told:
        assert part in str(caught.value)
    assert load("cloudsentry.pool", "good") is Good


def test_a_driver_that_cannot_be_made_is_named():
    with pytest.raises(UserError, match=r"'thrower' .* for nara: OSError: no such socket"):
        Loader(Account).pool("thrower", "nara")


def test_a_driver_is_made_once_per_cloud_and_a_cloud_opened_once():
    opened = []
    start = threading.Barrier(8)
    made = []

    def connect(name):
        opened.append(name)
        return Account(name)

    loader = Loader(connect)

    def work():
        start.wait()
        made.append(loader.pool("good", "nara"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(map(id, made))) == 1
    assert opened == ["nara"]
    assert loader.pool("good", "osaka") is not made[0]
    assert opened == ["nara", "osaka"]


def test_calls_are_summed_over_the_clouds_that_were_opened():
    loader = Loader(Account)
    assert loader.calls() == (0, 0)
    loader.pool("good", "nara")
    loader.pool("good", "osaka")
    assert loader.calls() == (6, 2)
