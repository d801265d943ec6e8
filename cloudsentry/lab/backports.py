"""Packages that the machine's own suite has too old, from the same mirror's backports."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cloudsentry.errors import UserError

LEAST: Mapping[str, str] = {"qemu-system-x86": "1:10", "qemu-utils": "1:10"}
"""Package -> the least version that serves. QEMU 7.2 corrupts emulated guests that write while they migrate."""

SOURCES = Path("/etc/apt/sources.list.d/cloudsentry-backports.sources")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_INDEX = (
    "apt-get",
    "indextargets",
    "--format",
    "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)",
    "Created-By: Packages",
)


def outdated(package: str) -> bool:
    """Whether what is installed of a package is older than what serves; False for packages without a least version."""
    least = LEAST.get(package)
    return bool(least) and not _at_least(_asked(["dpkg-query", "-W", "-f", "${Version}", package]), least or "")


def wanting(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``packages`` for which the machine's configured suites have nothing new enough."""
    return tuple(name for name in packages if name in LEAST and not _at_least(_candidate(name), LEAST[name]))


def source() -> tuple[str, str]:
    """(suite, text for apt's sources): the backports of the machine's Debian, from the mirror that it uses already.

    Raises `UserError` where the machine's apt knows no Debian main archive.
    """
    for line in _asked(list(_INDEX)).splitlines():
        uri, codename, component, *origin = line.split()
        if component == "main" and origin == ["Debian"] and "-" not in codename:
            suite = f"{codename}-backports"
            signed = f"Signed-By: {KEYRING}\n" if KEYRING.exists() else ""
            return suite, f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n{signed}"
    least = ", ".join(f"{name} {version}" for name, version in sorted(LEAST.items()))
    raise UserError(f"no Debian archive is configured for apt: install by hand at least {least}")


def _candidate(package: str) -> str:
    lines = _asked(["apt-cache", "policy", package]).splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.strip().startswith("Candidate:")), "")


def _at_least(version: str, least: str) -> bool:
    if not version or version == "(none)":
        return False
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", least], check=False).returncode == 0


def _asked(command: list[str]) -> str:
    """What a command writes; nothing where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"})
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
