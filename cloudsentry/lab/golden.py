"""The golden state: databases and state folders of a freshly built lab, kept to go back to.

`built` names the fingerprint of the state in place, and is removed before that state is touched: a lab whose `built` is
missing was interrupted, and is built again or restored.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

from cloudsentry.lab import configs, packages
from cloudsentry.lab.layout import FLAVORS, Layout

HERE = Path(__file__).parent


def _hash(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:16]


def _files(folder: Path) -> Iterable[bytes]:
    """Names and contents of a folder's files, in order, caches aside."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(folder)).encode()
            yield path.read_bytes()


def state_fingerprint(lab: Layout) -> str:
    """What the databases depend on: blueprint, requirements, makers of schemas and content, folder, passwords."""
    makers = [(HERE / name).read_bytes() for name in ("schemas.py", "seed.py")]
    known = (lab.root / "secrets.json").read_bytes()
    return _hash(repr((lab, FLAVORS)).encode(), packages.fingerprint().encode(), known, *makers)


def service_fingerprint() -> str:
    """What the running processes depend on besides their state: the inner code, the templates, the requirements."""
    return _hash(packages.fingerprint().encode(), *_files(HERE / "inside"), *_files(HERE / "templates"))


def built(lab: Layout) -> bool:
    """Is the state in place complete and made from today's blueprint?"""
    try:
        return (lab.root / "built").read_text(encoding="ascii") == state_fingerprint(lab)
    except OSError:
        return False


def mark_built(lab: Layout) -> None:
    """The state in place is complete."""
    configs.write(lab.root / "built", state_fingerprint(lab))


def archive(lab: Layout) -> Path:
    """Where the golden state of today's blueprint is, or would be."""
    return lab.root / f"golden-{state_fingerprint(lab)}.tar"


def _kept(lab: Layout) -> tuple[Path, ...]:
    return (lab.infra / "mysql", *(lab.folder(cloud.name) / "state" for cloud in lab.clouds))


def wipe(lab: Layout) -> None:
    """No state is left. Nothing of the lab may run."""
    (lab.root / "built").unlink(missing_ok=True)
    for path in (lab.infra / "mysql.part", *_kept(lab)):
        if path.exists():
            shutil.rmtree(path)
    for cloud in lab.clouds:
        shutil.rmtree(lab.folder(cloud.name) / "run", ignore_errors=True)


def take(lab: Layout) -> None:
    """Keep the state in place as the golden one. MariaDB may not run. Older golden states are dropped."""
    kept = archive(lab)
    part = kept.with_suffix(".part")
    with tarfile.open(part, "w") as tar:
        for path in _kept(lab):
            tar.add(path, arcname=path.relative_to(lab.root))
    part.chmod(0o600)
    part.replace(kept)
    for old in lab.root.glob("golden-*"):
        if old != kept:
            old.unlink()


def restore(lab: Layout) -> None:
    """The state in place is the golden one. Nothing of the lab may run."""
    wipe(lab)
    with tarfile.open(archive(lab)) as tar:
        tar.extractall(lab.root, filter="tar")
    mark_built(lab)


def refresh_inside(lab: Layout) -> None:
    """The lab's copy of the inner code is today's. Nothing of the old one may run."""
    shutil.rmtree(lab.inside, ignore_errors=True)
    shutil.copytree(HERE / "inside", lab.inside, ignore=shutil.ignore_patterns("__pycache__"))
    configs.write(lab.root / "running", service_fingerprint())


def inside_is_current(lab: Layout) -> bool:
    """Do the lab's processes run today's inner code and templates (if they run)?"""
    try:
        return (lab.root / "running").read_text(encoding="ascii") == service_fingerprint()
    except OSError:
        return False
