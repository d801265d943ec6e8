"""Which Apache a host has: distributions name it, and place its modules, each in their own way."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloudsentry.clouds.hosts import Host
from cloudsentry.errors import NotSupported

LEAST = (2, 4, 41)
"""First version whose console can be used by a program: it asks for a Referer of its own, and takes IPv6 members."""

_PROBE = """
for p in apache2 httpd; do command -v "$p" >/dev/null && { echo "$p"; "$p" -v; break; }; done
for d in /usr/lib/apache2/modules /usr/lib64/httpd/modules /usr/lib/httpd/modules; do
  [ -e "$d/mod_proxy_balancer.so" ] && { echo "modules $d"; break; }
done
echo "uid $(id -u)"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program's name, the folder of its modules, and whether it is started as root."""

    name: str
    modules: str
    root: bool

    def argv(self, config: str, *words: str) -> tuple[str, ...]:
        """The program with a configuration."""
        return (self.name, "-f", config, *words)


def program_of(host: Host) -> Program:
    """By one command. Raises `NotSupported` where there is none, or one too old."""
    text = host.run(["sh", "-c", _PROBE]).out.decode(errors="replace")
    name = text.split("\n", 1)[0]
    modules = re.search(r"^modules (\S+)$", text, re.MULTILINE)
    if name not in ("apache2", "httpd") or modules is None:
        raise NotSupported("apache with mod_proxy_balancer is not installed", cloud=host.place)
    found = re.search(r"Apache/(\d+)\.(\d+)\.(\d+)", text)
    version = tuple(int(part) for part in found.groups()) if found else (0, 0, 0)
    if version < LEAST:
        have, need = (".".join(map(str, one)) for one in (version, LEAST))
        raise NotSupported(f"apache {have}: its balancer-manager is used from {need} on", cloud=host.place)
    return Program(name=name, modules=modules[1], root="\nuid 0\n" in text)
