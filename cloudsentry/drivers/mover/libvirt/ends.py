"""What the mover asks of its two sites: every method is one look or one write, and raises `DriverError`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudsentry.clouds.domains import KEY, NAMESPACE, Identity, Shape, shape
from cloudsentry.clouds.libvirts import LibvirtSite, libvirt
from cloudsentry.drivers.mover.libvirt.watching import Job
from cloudsentry.errors import Conflict
from cloudsentry.records.precopy import MIB, Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A domain as it is now on one hypervisor. ``broken``: paused because its post-copy lost the path."""

    hypervisor: str
    active: bool
    running: bool
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a look at a running server tells: bytes that hold something, and bytes/s of pages written."""

    memory: int
    dirty: float


class End:
    """One site, as source or as target."""

    def __init__(self, site: LibvirtSite) -> None:
        self.site = site

    def standing(self, uuid: str) -> Standing | None:
        """Where the domain is at this site: the hypervisor on which it is active, else any that knows it."""
        found = [one for name in sorted(self.site.spec.hypervisors) if (one := self._standing(name, uuid))]
        return next((one for one in found if one.active), found[0] if found else None)

    def _standing(self, hypervisor: str, uuid: str) -> Standing | None:
        library = libvirt()
        domain = self.site.domain(hypervisor, uuid)
        if domain is None:
            return None
        try:
            state, reason = domain.state()
        except library.libvirtError as error:
            if error.get_error_code() == library.VIR_ERR_NO_DOMAIN:
                # What a migration that was ended had begun to make went between the two questions.
                return None
            raise self.site.meaning(hypervisor, error) from error
        off = (library.VIR_DOMAIN_SHUTOFF, library.VIR_DOMAIN_CRASHED, library.VIR_DOMAIN_NOSTATE)
        return Standing(
            hypervisor=hypervisor,
            active=state not in off,
            running=state in (library.VIR_DOMAIN_RUNNING, library.VIR_DOMAIN_BLOCKED),
            broken=state == library.VIR_DOMAIN_PAUSED and reason == library.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED,
        )

    def _domain(self, hypervisor: str, uuid: str) -> Any:
        domain = self.site.domain(hypervisor, uuid)
        if domain is None:
            raise Conflict(f"{hypervisor}: server {uuid} is gone", cloud=self.site.name)
        return domain

    def shape(self, hypervisor: str, uuid: str) -> Shape:
        """What it is made of."""
        domain = self._domain(hypervisor, uuid)
        with self.site.answers(hypervisor):
            return shape(domain.XMLDesc())

    def identity(self, hypervisor: str, uuid: str) -> Identity | None:
        """Whose it is; None where it is not ours."""
        library = libvirt()
        domain = self._domain(hypervisor, uuid)
        try:
            return Identity.of(domain.metadata(library.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE))
        except library.libvirtError as error:
            if error.get_error_code() == library.VIR_ERR_NO_DOMAIN_METADATA:
                return None
            raise self.site.meaning(hypervisor, error) from error

    def mark(self, hypervisor: str, uuid: str, identity: Identity) -> None:
        """It says so of itself from now on."""
        library = libvirt()
        domain = self._domain(hypervisor, uuid)
        with self.site.answers(hypervisor, writes=True):
            flags = library.VIR_DOMAIN_AFFECT_CONFIG | (library.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0)
            domain.setMetadata(library.VIR_DOMAIN_METADATA_ELEMENT, identity.bare(), KEY, NAMESPACE, flags)

    def free(self, hypervisor: str) -> int:
        """MiB of memory that a hypervisor has free."""
        with self.site.answers(hypervisor):
            stats = self.site.connection(hypervisor).getMemoryStats(-1)
        return sum(int(stats.get(kind, 0)) for kind in ("free", "buffers", "cached")) // 1024

    def bytes_of(self, hypervisor: str, paths: tuple[str, ...]) -> int:
        """How much the files hold."""
        with self.site.answers(hypervisor):
            connection = self.site.connection(hypervisor)
            return sum(int(connection.storageVolLookupByPath(path).info()[2]) for path in paths)

    def folder(self, hypervisor: str) -> str:
        """Where the site's storage pool keeps its files on a hypervisor."""
        from xml.etree import ElementTree as ET

        with self.site.answers(f"{hypervisor}: storage pool {self.site.spec.storage!r}"):
            pool = self.site.connection(hypervisor).storagePoolLookupByName(self.site.spec.storage)
            return str(ET.fromstring(pool.XMLDesc()).findtext("target/path") or "")

    # Measuring

    def look_begins(self, hypervisor: str, uuid: str, seconds: int) -> None:
        """Ask the hypervisor to count the pages that the server writes."""
        domain = self._domain(hypervisor, uuid)
        with self.site.answers(hypervisor, writes=True):
            domain.startDirtyRateCalc(seconds)

    def look_ends(self, hypervisor: str, uuid: str) -> Measured | None:
        """What was counted; None while it still counts."""
        library = libvirt()
        domain = self._domain(hypervisor, uuid)
        with self.site.answers(hypervisor):
            connection = self.site.connection(hypervisor)
            [(_, told)] = connection.domainListGetStats([domain], library.VIR_DOMAIN_STATS_DIRTYRATE)
            if told.get("dirtyrate.calc_status") != library.VIR_DOMAIN_DIRTYRATE_MEASURED:
                return None
            memory = domain.memoryStats()
        resident = int(memory.get("rss", memory.get("actual", 0))) * 1024
        return Measured(
            memory=min(resident, int(memory.get("actual", 0)) * 1024 or resident),
            dirty=float(told.get("dirtyrate.megabytes_per_second", 0)) * MIB,
        )

    # A migration under way, seen from the hypervisor that it leaves

    def job(self, hypervisor: str, uuid: str) -> Job | None:
        """The migration that is under way; None where there is none."""
        library = libvirt()
        domain = self.site.domain(hypervisor, uuid)
        if domain is None:
            return None
        try:
            told, (state, reason) = domain.jobStats(), domain.state()
        except library.libvirtError as error:
            # A hypervisor that takes a server in has no figures of it: its source has.
            silent = (
                library.VIR_ERR_OPERATION_INVALID,
                library.VIR_ERR_OPERATION_UNSUPPORTED,
                library.VIR_ERR_NO_DOMAIN,
            )
            if error.get_error_code() in silent:
                return None
            raise self.site.meaning(hypervisor, error) from error
        if told.get("type", 0) == library.VIR_DOMAIN_JOB_NONE:
            return None
        return Job(
            round=int(told.get("memory_iteration", 0)),
            left=int(told.get("memory_remaining", 0)),
            total=int(told.get("memory_total", 0)),
            speed=float(told.get("memory_bps", 0)),
            throttle=int(told.get("auto_converge_throttle", 0)),
            elapsed=int(told.get("time_elapsed", 0)) / 1000,
            late=state == library.VIR_DOMAIN_PAUSED and reason == library.VIR_DOMAIN_PAUSED_POSTCOPY,
            disks=int(told.get("disk_remaining", 0)),
        )

    def downtime(self, hypervisor: str, uuid: str, milliseconds: int) -> None:
        """For how long the server may stand still at the end."""
        self._under_way(hypervisor, uuid, lambda domain: domain.migrateSetMaxDowntime(milliseconds))

    def postcopy(self, hypervisor: str, uuid: str) -> None:
        """The server goes on at the target now, and fetches what it lacks; nothing where the migration is over."""
        self._under_way(hypervisor, uuid, lambda domain: domain.migrateStartPostCopy())

    def abort(self, hypervisor: str, uuid: str) -> None:
        """The migration ends, and the server goes on here; nothing where it was over already, however it ended.
        Raises `Conflict` after post-copy's switch."""
        self._under_way(hypervisor, uuid, lambda domain: domain.abortJob())

    def _under_way(self, hypervisor: str, uuid: str, write: Callable[[Any], object]) -> None:
        """A migration may come to its end between the look that led to the write and the write."""
        domain = self.site.domain(hypervisor, uuid)
        if domain is None:
            return
        try:
            with self.site.answers(hypervisor, writes=True):
                write(domain)
        except Conflict:
            if self.job(hypervisor, uuid) is not None:
                raise

    def start(self, hypervisor: str, uuid: str) -> None:
        """Start what is defined and off."""
        domain = self._domain(hypervisor, uuid)
        with self.site.answers(hypervisor, writes=True):
            domain.create()

    def forget(self, hypervisor: str, uuid: str) -> None:
        """The definition of a domain that is off is gone. Raises `Conflict` where it runs."""
        domain = self.site.domain(hypervisor, uuid)
        if domain is None:
            return
        with self.site.answers(hypervisor, writes=True):
            if domain.isActive():
                raise Conflict(f"{hypervisor}: server {uuid} runs", cloud=self.site.name)
            domain.undefine()

    def drop_files(self, hypervisor: str, paths: tuple[str, ...]) -> int:
        """Delete those of the files that are there; returns how many there were."""
        library = libvirt()
        dropped = 0
        with self.site.answers(hypervisor, writes=True):
            connection = self.site.connection(hypervisor)
            connection.storagePoolLookupByName(self.site.spec.storage).refresh()
            for path in paths:
                try:
                    connection.storageVolLookupByPath(path).delete()
                    dropped += 1
                except library.libvirtError as error:
                    if error.get_error_code() != library.VIR_ERR_NO_STORAGE_VOL:
                        raise
        return dropped


class Asking:
    """A migration that was asked for by this process, with its answer once there is one."""

    def __init__(self, source: End, target: End, ends: tuple[str, str], uuid: str) -> None:
        self._source, self._target, self._ends, self._uuid = source, target, ends, uuid
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def begin(self, parameters: Parameters, *, disks: bool, resume: bool = False) -> None:
        """Ask for it. Goes on without this process should that end."""
        self._folder = tempfile.TemporaryDirectory(prefix="cloudsentry-move-")
        library = libvirt()
        near, far = self._ends
        spec = self._target.site.hypervisor(far)
        asked = {
            "uri": self._source.site.hypervisor(near).uri,
            "uuid": self._uuid,
            "peer": spec.reached,
            "parameters": typed(parameters, spec.address or ""),
            "flags": flags(parameters, library, disks=disks, resume=resume),
        }
        command = [sys.executable, "-m", "cloudsentry.drivers.mover.libvirt.perform", str(self._answer)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        pipe = self._process.stdin
        if pipe is not None:
            pipe.write(json.dumps(asked).encode())
            pipe.close()

    @property
    def _answer(self) -> Path:
        return Path(self._folder.name if self._folder else "/nonexistent") / "answer"

    @property
    def waiting(self) -> bool:
        """Asked for, and not answered yet."""
        return self._process is not None and self._process.poll() is None

    def failed(self) -> None:
        """Raise what went wrong, once; nothing where it went well or was never asked for here."""
        if self._process is None or self._process.poll() is None:
            return
        self._process = None
        try:
            answer = json.loads(self._answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            answer = {"message": "the answer of the migration was lost", "code": 0, "domain": 0}
        if answer:
            raise self._source.site.meaning(self._ends[0], _Told(**answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """An error of libvirt that came by way of another process."""

    message: str
    code: int
    domain: int

    def get_error_message(self) -> str:
        return self.message

    def get_error_code(self) -> int:
        return self.code

    def get_error_domain(self) -> int:
        return self.domain


def typed(parameters: Parameters, address: str) -> dict[str, Any]:
    """libvirt's typed parameters."""
    found: dict[str, Any] = {}
    if address:
        found["migrate_uri"] = f"tcp://{address}"
    if parameters.bandwidth:
        found["bandwidth"] = parameters.bandwidth
    if parameters.late:
        found["bandwidth.postcopy"] = parameters.late
    if parameters.channels > 1:
        found["parallel.connections"] = parameters.channels
    if parameters.throttle:
        found["auto_converge.initial"] = parameters.throttle
        found["auto_converge.increment"] = parameters.step
    return found


def flags(parameters: Parameters, library: Any, *, disks: bool, resume: bool = False) -> int:
    """libvirt's flags. The source keeps its definition until the move is released: the way back needs it."""
    wanted = library.VIR_MIGRATE_LIVE | library.VIR_MIGRATE_PEER2PEER | library.VIR_MIGRATE_PERSIST_DEST
    if disks:
        wanted |= library.VIR_MIGRATE_NON_SHARED_DISK
    if parameters.channels > 1:
        wanted |= library.VIR_MIGRATE_PARALLEL
    if parameters.throttle:
        wanted |= library.VIR_MIGRATE_AUTO_CONVERGE
    if parameters.postcopy:
        wanted |= library.VIR_MIGRATE_POSTCOPY
    if resume:
        wanted |= library.VIR_MIGRATE_POSTCOPY_RESUME
    return int(wanted)
