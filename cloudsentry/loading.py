"""Finds drivers by name, and gives both families of a cloud one session.

The only importer of stevedore. Classes are loaded, checked and constructed here: stevedore
would swallow a plugin's faults, or hand back a class where an object is falsy.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cloudsentry.drivers.balancer.base import BalancerDriver
from cloudsentry.drivers.load.base import LoadDriver
from cloudsentry.drivers.mover.base import MoverDriver
from cloudsentry.drivers.policy.base import PolicyDriver
from cloudsentry.drivers.pool.base import PoolDriver
from cloudsentry.drivers.signal.base import SignalDriver
from cloudsentry.drivers.steering.base import SteeringDriver
from cloudsentry.drivers.stretch.base import StretchDriver
from cloudsentry.errors import SentryError, UserError

if TYPE_CHECKING:
    from cloudsentry.clouds.session import Cloud

Connect = Callable[[str], "Cloud"]
"""Opens a cloud of clouds.yaml by name; no call is made by that."""

BASES: dict[str, type[Any]] = {
    "cloudsentry.pool": PoolDriver,
    "cloudsentry.balancer": BalancerDriver,
    "cloudsentry.stretch": StretchDriver,
    "cloudsentry.steering": SteeringDriver,
    "cloudsentry.mover": MoverDriver,
    "cloudsentry.policy": PolicyDriver,
    "cloudsentry.signal": SignalDriver,
    "cloudsentry.load": LoadDriver,
}
"""The families: entry point namespace → what its members subclass."""


def names(namespace: str) -> tuple[str, ...]:
    """The drivers that are installed for a family, sorted; loads none of them."""
    from stevedore.named import NamedExtensionManager

    found = NamedExtensionManager(namespace, names=[])
    return tuple(sorted(set(found.entry_points_names())))


def load(namespace: str, name: str) -> type[Any]:
    """The class behind an entry point of a family; no other plugin is loaded for it.

    Raises `UserError`: for an unknown name with the known ones, for a plugin that does not load with its
    cause, for a class that is not of the family.
    """
    from stevedore.named import NamedExtensionManager

    known = names(namespace)
    if name not in known:
        raise UserError(_unknown(namespace, name, known))
    found = NamedExtensionManager(namespace, names=[name], on_load_failure_callback=_refuse)
    plugin: Any = found[name].plugin
    base = BASES.get(namespace, object)
    if not (isinstance(plugin, type) and issubclass(plugin, base)):
        raise UserError(f"driver {name!r} of {namespace} is not a {base.__name__}: {found[name].entry_point_target}")
    return plugin


class Loader:
    """The drivers of one process: each is made once per cloud, and a cloud is opened once. Thread-safe."""

    def __init__(self, connect: Connect | None = None) -> None:
        """``connect`` opens a cloud; the default reads clouds.yaml."""
        self._connect = connect or _open_cloud
        self._clouds: dict[str, Cloud] = {}
        self._drivers: dict[tuple[str, str, str], Any] = {}
        # One lock for both tables: opening a cloud makes no call, so nobody waits long. Reentrant, as a
        # driver opens its cloud while it is being made.
        self._lock = threading.RLock()

    def pool(self, driver: str, cloud: str) -> PoolDriver:
        """The pool driver of that name on a cloud. Raises `UserError` as `load` does."""
        driven: PoolDriver = self._driver("cloudsentry.pool", driver, cloud)
        return driven

    def balancer(self, driver: str, cloud: str) -> BalancerDriver:
        """The balancer driver of that name at a cloud. Raises `UserError` as `load` does."""
        driven: BalancerDriver = self._driver("cloudsentry.balancer", driver, cloud)
        return driven

    def at(self, place: tuple[str, str, str]) -> Any:
        """The driver of a place, (family, cloud, driver). Raises `UserError` as `load` does."""
        family, cloud, driver = place
        namespace = f"cloudsentry.{family}"
        return self._driver(namespace, driver, cloud)

    def open(self, cloud: str) -> Cloud:
        """The one session on a cloud; opened at the first call."""
        with self._lock:
            if cloud not in self._clouds:
                self._clouds[cloud] = self._connect(cloud)
            return self._clouds[cloud]

    def calls(self) -> tuple[int, int]:
        """(reads, writes): the HTTP calls made so far on every cloud that was opened here."""
        with self._lock:
            clouds = tuple(self._clouds.values())
        counted = [cloud.calls() for cloud in clouds]
        return sum(calls.reads for calls in counted), sum(calls.writes for calls in counted)

    def _driver(self, namespace: str, name: str, cloud: str) -> Any:
        key = (namespace, name, cloud)
        with self._lock:
            if key not in self._drivers:
                self._drivers[key] = _construct(load(namespace, name), namespace, name, cloud, self.open)
            return self._drivers[key]


def _construct(kind: type[Any], namespace: str, name: str, cloud: str, connect: Connect) -> Any:
    try:
        return kind(cloud, connect=connect)
    except SentryError:
        raise
    except Exception as error:
        raise UserError(f"driver {name!r} of {namespace} cannot be made for {cloud}: {_told(error)}") from error


def _refuse(manager: Any, entry_point: Any, error: BaseException) -> None:
    raise UserError(
        f"driver {entry_point.name!r} of {entry_point.group} does not load ({entry_point.value}): {_told(error)}"
    ) from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _unknown(namespace: str, name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else "."
    return f"no driver {name!r} for {namespace}{hint} Known: {', '.join(known) or 'none'}"


def _open_cloud(name: str) -> Cloud:
    # The SDK costs half a second: only commands that look at a cloud pay it.
    from cloudsentry.clouds.opening import open_cloud

    return open_cloud(name)
