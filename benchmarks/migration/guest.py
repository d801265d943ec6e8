"""The guest: Debian's cloud kernel and a busybox initramfs, made once and kept in the account's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "guest"
META_PACKAGE = "linux-image-cloud-amd64"
MODULES = (
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
    "drivers/block/virtio_blk",
)
# usleep is not in every busybox's list of links; all of these are in Debian's static one.
APPLETS = [
    "sh",
    "mount",
    "insmod",
    "ip",
    "hostname",
    "httpd",
    "cat",
    "echo",
    "mkdir",
    "rm",
    "kill",
    "usleep",
    "sleep",
    "setsid",
    "tr",
    "dd",
    "sync",
    "printf",
]


def folder() -> Path:
    """Where the guest is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cloudsentry" / "guest"


def built() -> tuple[Path, Path]:
    """(kernel, initramfs), made if they were not; the kernel comes from the machine's own Debian mirror."""
    home = folder()
    home.mkdir(parents=True, exist_ok=True)
    kernel = home / "vmlinuz"
    if not kernel.exists():
        _fetch_kernel(home)
    sources = b"".join(path.read_bytes() for path in (HERE / "init", HERE / "writer.c", Path(__file__)))
    initramfs = home / f"initramfs-{hashlib.sha256(sources).hexdigest()[:12]}.gz"
    if not initramfs.exists():
        _pack(home, initramfs)
    return kernel, initramfs


def _run(command: str, **options: object) -> str:
    done = subprocess.run(["sh", "-ec", command], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{command.split(maxsplit=1)[0]} failed: {done.stderr.strip()[-400:]}")
    return str(done.stdout)


def _fetch_kernel(home: Path) -> None:
    """Unpacked, not installed: the machine keeps its own kernel."""
    listed = _run(f"apt-cache depends {META_PACKAGE}").split()
    package = next(word for word in listed if word.startswith("linux-image-") and word != META_PACKAGE)
    with tempfile.TemporaryDirectory() as scratch:
        _run(f"cd {scratch}; apt-get download -q {package} -o APT::Sandbox::User=root; dpkg -x {package}_*.deb root")
        root = Path(scratch) / "root"
        shutil.rmtree(home / "modules", ignore_errors=True)
        kept = home / "modules"
        kept.mkdir()
        for name in MODULES:
            for found in root.glob(f"lib/modules/*/kernel/{name}.ko"):
                shutil.copy(found, kept)
        part = home / f"vmlinuz.{os.getpid()}"
        shutil.copy(next(root.glob("boot/vmlinuz-*")), part)
        part.replace(home / "vmlinuz")


def _pack(home: Path, initramfs: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "root"
        for name in ("bin", "proc", "sys", "dev", "mod", "run", "www"):
            (root / name).mkdir(parents=True)
        _run(f"cc -O2 -static -o {root}/bin/writer {HERE}/writer.c")
        shutil.copy(shutil.which("busybox") or "/bin/busybox", root / "bin" / "busybox")
        for name in APPLETS:
            (root / "bin" / name).symlink_to("busybox")
        for module in (home / "modules").iterdir():
            shutil.copy(module, root / "mod")
        shutil.copy(HERE / "init", root / "init")
        (root / "init").chmod(0o755)
        part = initramfs.with_suffix(f".{os.getpid()}")
        # Not piped into gzip: a cpio that fails, or is not there, would leave an empty archive in the cache.
        _run(f"cd {root}; find . | cpio -o -H newc --quiet -F {scratch}/cpio; gzip -1 < {scratch}/cpio > {part}")
        part.replace(initramfs)
