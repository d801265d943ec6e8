"""One function per thing that is asked of libvirt; what goes wrong comes out in the project's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloudsentry.clouds.domains import KEY, NAMESPACE, STATES, Definition, Identity, shape, volume_xml
from cloudsentry.clouds.libvirts import LibvirtSite, libvirt
from cloudsentry.errors import NotSupported
from cloudsentry.records.views import Hypervisor

GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A domain of ours."""

    uuid: str
    hypervisor: str
    status: str
    identity: Identity


def domains(site: LibvirtSite, hypervisor: str) -> list[Found]:
    """Every domain of ours on a host, one list and one look at each domain's metadata. Raises `DriverError`."""
    with site.answers(hypervisor):
        listed = site.connection(hypervisor).listAllDomains()
    found = [_found(site, hypervisor, domain) for domain in listed]
    return [one for one in found if one is not None]


def _found(site: LibvirtSite, hypervisor: str, domain: Any) -> Found | None:
    library = libvirt()
    try:
        identity = Identity.of(domain.metadata(library.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE))
        if identity is None:
            return None
        state, reason = domain.state()
        uuid = domain.UUIDString()
    except library.libvirtError as error:
        # Gone since it was listed, or somebody else's.
        if error.get_error_code() in (library.VIR_ERR_NO_DOMAIN, library.VIR_ERR_NO_DOMAIN_METADATA):
            return None
        raise site.meaning(hypervisor, error) from error
    status = STATES[state] if state < len(STATES) else "UNKNOWN"
    if status == "PAUSED" and reason in _moving(library):
        status = "MIGRATING"
    return Found(uuid=uuid, hypervisor=hypervisor, status=status, identity=identity)


def _moving(library: Any) -> tuple[int, ...]:
    return (library.VIR_DOMAIN_PAUSED_MIGRATION, library.VIR_DOMAIN_PAUSED_STARTING_UP)


def host(site: LibvirtSite, name: str) -> Hypervisor:
    """A hypervisor of the site, with what is free. Raises `DriverError`."""
    spec = site.hypervisor(name)
    with site.answers(name):
        connection = site.connection(name)
        _, memory, cpus, *_ = connection.getInfo()
        stats = connection.getMemoryStats(-1)
    used = sum(stats.get(kind, 0) for kind in ("free", "buffers", "cached")) // 1024
    return Hypervisor(
        name=name,
        up=True,
        enabled=True,
        zone=spec.zone,
        aggregates=spec.aggregates,
        free_vcpus=cpus,
        free_ram=used or memory,
    )


def define(site: LibvirtSite, hypervisor: str, definition: Definition) -> None:
    """The domain is defined; it does not run yet."""
    with site.answers(f"{hypervisor}: {definition.identity.name}", writes=True):
        site.connection(hypervisor).defineXMLFlags(definition.xml(), libvirt().VIR_DOMAIN_DEFINE_VALIDATE)


def pool_path(site: LibvirtSite, hypervisor: str) -> str:
    """The folder of the site's storage pool on a host. Raises `DriverError`."""
    from xml.etree import ElementTree as ET

    with site.answers(f"{hypervisor}: storage pool {site.spec.storage!r}"):
        xml = site.connection(hypervisor).storagePoolLookupByName(site.spec.storage).XMLDesc()
    return str(ET.fromstring(xml).findtext("target/path") or "")


def start(site: LibvirtSite, hypervisor: str, uuid: str, identity: Identity) -> None:
    """It runs, with its disk made first where it lacks it. One that runs already is started."""
    library = libvirt()
    with site.answers(f"{hypervisor}: {uuid}", writes=True):
        domain = site.connection(hypervisor).lookupByUUIDString(uuid)
        for path in shape(domain.XMLDesc()).disks:
            _ensure_volume(site, hypervisor, path, identity)
        try:
            if domain.state()[0] == library.VIR_DOMAIN_PAUSED:
                domain.resume()
            else:
                domain.create()
        except library.libvirtError:
            if not domain.isActive():
                raise


def rest(site: LibvirtSite, hypervisor: str, uuid: str, *, paused: bool) -> None:
    """It is paused, or does not run: switched off, for its clients have left and its disk is its own."""
    library = libvirt()
    with site.answers(f"{hypervisor}: {uuid}", writes=True):
        domain = site.connection(hypervisor).lookupByUUIDString(uuid)
        if domain.state()[0] == library.VIR_DOMAIN_RUNNING:
            domain.suspend() if paused else domain.destroy()


def _ensure_volume(site: LibvirtSite, hypervisor: str, path: str, identity: Identity) -> None:
    library = libvirt()
    pool = site.connection(hypervisor).storagePoolLookupByName(site.spec.storage)
    name = path.rsplit("/", 1)[-1]
    pool.refresh()
    try:
        pool.storageVolLookupByName(name)
        return
    except library.libvirtError as error:
        if error.get_error_code() != library.VIR_ERR_NO_STORAGE_VOL:
            raise
    image = site.spec.images.get(identity.image)
    if image is None:
        raise NotSupported(f"there is no image {identity.image!r} for the disk of {identity.name}", cloud=site.name)
    capacity = max(identity.size * GIB, _capacity(site, hypervisor, image.disk))
    pool.createXML(volume_xml(name, capacity=capacity, backing=image.disk, backing_format=image.disk_format))


def _capacity(site: LibvirtSite, hypervisor: str, path: str) -> int:
    return int(site.connection(hypervisor).storageVolLookupByPath(path).info()[1]) if path else 0


def remove(site: LibvirtSite, hypervisor: str, uuid: str) -> None:
    """Neither domain nor disk is there any more; what is gone is removed."""
    library = libvirt()
    domain = site.domain(hypervisor, uuid)
    if domain is None:
        return
    with site.answers(f"{hypervisor}: {uuid}", writes=True):
        connection = site.connection(hypervisor)
        disks = [path for path in shape(domain.XMLDesc()).disks if uuid in path]
        if domain.isActive():
            domain.destroy()
        for path in disks:
            try:
                connection.storagePoolLookupByName(site.spec.storage).refresh()
                connection.storageVolLookupByPath(path).delete()
            except library.libvirtError as error:
                if error.get_error_code() != library.VIR_ERR_NO_STORAGE_VOL:
                    raise
        # Last: while it is defined, its mark says whose the disk is.
        domain.undefine()


def metadata(site: LibvirtSite, hypervisor: str, uuid: str, identity: Identity) -> None:
    """The domain says so of itself, now and after its next start."""
    library = libvirt()
    with site.answers(f"{hypervisor}: {uuid}", writes=True):
        domain = site.connection(hypervisor).lookupByUUIDString(uuid)
        flags = library.VIR_DOMAIN_AFFECT_CONFIG | (library.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0)
        domain.setMetadata(library.VIR_DOMAIN_METADATA_ELEMENT, identity.bare(), KEY, NAMESPACE, flags)
