"""One site of hypervisors.yaml as this process talks to it: a connection per hypervisor, and what its errors mean.

The extra ``libvirt`` brings the library; it is imported where it is used and nowhere else.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from cloudsentry.clouds.hypervisors import Hypervisors, HypervisorSpec, SiteSpec, load
from cloudsentry.errors import (
    Ambiguous,
    Busy,
    Conflict,
    Denied,
    DriverError,
    NoCapacity,
    NotSupported,
    Unreachable,
    UserError,
)

_KINDS: dict[str, type[DriverError]] = {
    "VIR_ERR_NO_SUPPORT": NotSupported,
    "VIR_ERR_ARGUMENT_UNSUPPORTED": NotSupported,
    "VIR_ERR_OPERATION_UNSUPPORTED": NotSupported,
    "VIR_ERR_CONFIG_UNSUPPORTED": NotSupported,
    "VIR_ERR_XML_ERROR": NotSupported,
    "VIR_ERR_XML_DETAIL": NotSupported,
    "VIR_ERR_XML_INVALID_SCHEMA": NotSupported,
    "VIR_ERR_INVALID_ARG": NotSupported,
    "VIR_ERR_NO_STORAGE_POOL": NotSupported,
    "VIR_ERR_NO_STORAGE_VOL": NotSupported,
    "VIR_ERR_MIGRATE_UNSAFE": NotSupported,
    "VIR_ERR_CPU_INCOMPATIBLE": NotSupported,
    "VIR_ERR_AUTH_FAILED": Denied,
    "VIR_ERR_AUTH_CANCELLED": Denied,
    "VIR_ERR_AUTH_UNAVAILABLE": Denied,
    "VIR_ERR_ACCESS_DENIED": Denied,
    "VIR_ERR_OPERATION_DENIED": Denied,
    "VIR_ERR_NO_MEMORY": NoCapacity,
    "VIR_ERR_OPERATION_TIMEOUT": Busy,
    "VIR_ERR_AGENT_UNRESPONSIVE": Busy,
    "VIR_ERR_RESOURCE_BUSY": Busy,
    "VIR_ERR_OPERATION_INVALID": Conflict,
    "VIR_ERR_OPERATION_ABORTED": Conflict,
    "VIR_ERR_NO_DOMAIN": Conflict,
    "VIR_ERR_DOM_EXIST": Conflict,
}


class LibvirtSite:
    """The hypervisors of one site. Connections are opened when they are needed, kept, and opened anew when they died.

    Thread-safe. Every method raises the project's errors only.
    """

    def __init__(self, name: str, *, read: Callable[[], Hypervisors] = load) -> None:
        self.name = name
        self._read = read
        self._lock = threading.Lock()
        self._opened: dict[str, Any] = {}
        self._file: Hypervisors | None = None

    def __repr__(self) -> str:
        return f"LibvirtSite({self.name!r})"

    @property
    def file(self) -> Hypervisors:
        """The file, read once. Raises `UserError`."""
        if self._file is None:
            self._file = self._read()
        return self._file

    @property
    def spec(self) -> SiteSpec:
        """What the file says of this site. Raises `UserError`."""
        return self.file.site(self.name)

    def hypervisor(self, name: str) -> HypervisorSpec:
        """One host of the site. Raises `NotSupported` with the known ones."""
        known = self.spec.hypervisors
        if name not in known:
            raise NotSupported(f"there is no hypervisor {name!r}: {', '.join(sorted(known))}", cloud=self.name)
        return known[name]

    def connection(self, hypervisor: str) -> Any:
        """An open `virConnect`. Raises `Unreachable` or `Denied`."""
        library = libvirt()
        uri = self.hypervisor(hypervisor).uri
        with self._lock:
            kept = self._opened.get(hypervisor)
            if kept is not None and _alive(kept, library):
                return kept
            try:
                self._opened[hypervisor] = library.open(uri)
            except library.libvirtError as error:
                kind = _KINDS.get(_name(library, error), Unreachable)
                told = f"{hypervisor}: {error.get_error_message()}"
                raise (kind if kind is Denied else Unreachable)(told, cloud=self.name) from error
            return self._opened[hypervisor]

    @contextlib.contextmanager
    def answers(self, what: str, *, writes: bool = False) -> Iterator[None]:
        """Whatever libvirt raises in the block, in the project's words; a lost answer of a write is `Ambiguous`."""
        library = libvirt()
        try:
            yield
        except library.libvirtError as error:
            raise self.meaning(what, error, writes=writes) from error

    def meaning(self, what: str, error: Any, *, writes: bool = False) -> DriverError:
        """The project's error for one of libvirt's, by its code."""
        library = libvirt()
        told = f"{what}: {error.get_error_message()}"
        code, domain = _name(library, error), error.get_error_domain()
        if domain == library.VIR_FROM_RPC or code in ("VIR_ERR_RPC", "VIR_ERR_NO_CONNECT", "VIR_ERR_INVALID_CONN"):
            return (Ambiguous if writes else Unreachable)(told, cloud=self.name)
        return _KINDS.get(code, DriverError)(told, cloud=self.name)

    def domain(self, hypervisor: str, uuid: str) -> Any | None:
        """The domain of that UUID on a hypervisor, or None."""
        library = libvirt()
        connection = self.connection(hypervisor)
        try:
            return connection.lookupByUUIDString(uuid)
        except library.libvirtError as error:
            if error.get_error_code() == library.VIR_ERR_NO_DOMAIN:
                return None
            raise self.meaning(hypervisor, error) from error

    def close(self) -> None:
        """Hang up everywhere."""
        library = libvirt()
        with self._lock:
            for connection in self._opened.values():
                with contextlib.suppress(library.libvirtError):
                    connection.close()
            self._opened.clear()


def libvirt() -> Any:
    """The library. Raises `UserError` where it is not installed."""
    try:
        import libvirt as library
    except ImportError as error:
        raise UserError("hypervisors without OpenStack need libvirt: install cloudsentry[libvirt]") from error
    # By default it prints each error to standard error as well.
    library.registerErrorHandler(lambda context, error: None, None)
    return library


def _alive(connection: Any, library: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except library.libvirtError:
        return False


def _name(library: Any, error: Any) -> str:
    number = error.get_error_code()
    return next((name for name in _KINDS if getattr(library, name, None) == number), "") or _wire(library, number)


def _wire(library: Any, number: int) -> str:
    names = ("VIR_ERR_RPC", "VIR_ERR_NO_CONNECT", "VIR_ERR_INVALID_CONN")
    return next((name for name in names if getattr(library, name, None) == number), "")
