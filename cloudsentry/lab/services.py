"""The OpenStack processes: start, stop, kill and look at them, one or all.

Each project ("family") is imported once by a zygote, which stays and forks a process per role: a restart is quick.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import configs, daemons, packages, processes, waiting
from cloudsentry.lab.layout import FAMILIES, Cloud, Layout, Role, roles
from cloudsentry.lab.processes import Process

UP, STARTING, DOWN = "up", "starting", "down"
START_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One service of the lab. Memory is the proportional set size in MiB; the endpoint is "" where nothing listens."""

    cloud: str
    service: str
    state: str
    pid: int
    memory_mb: int
    endpoint: str


def _launcher(lab: Layout) -> str:
    return str(lab.inside / "launch.py")


def _file(lab: Layout, role: Role, kind: str) -> Path:
    return lab.folder(role.cloud) / "run" / f"{role.name}.{kind}"


def process(lab: Layout, role: Role) -> Process | None:
    """The living process of a role."""
    return processes.known(_file(lab, role, "pid"), _launcher(lab))


def state(lab: Layout, role: Role) -> str:
    """ "up" when it serves, "starting" when it only lives, else "down"."""
    found = process(lab, role)
    if found is None:
        return DOWN
    return UP if processes.known(_file(lab, role, "ready"), _launcher(lab)) == found else STARTING


def zygote(lab: Layout, family: str) -> Process | None:
    """The living zygote of a family."""
    return processes.known(lab.run / f"{family}.pid", _launcher(lab))


def warm(lab: Layout, families: Iterable[str] = FAMILIES) -> None:
    """A zygote of each family runs; it may still import. Returns once each listens for orders."""
    new = [family for family in families if zygote(lab, family) is None]
    for family in new:
        _zygote(lab, family)
    for family in new:
        waiting.until(partial(_listens, lab, family), f"the {family} zygote", deadline_s=30)


def _listens(lab: Layout, family: str) -> bool:
    return zygote(lab, family) is not None


def _zygote(lab: Layout, family: str) -> None:
    for kind in ("pid", "ready"):
        (lab.run / f"{family}.{kind}").unlink(missing_ok=True)
    orders = lab.run / f"{family}.orders"
    orders.unlink(missing_ok=True)
    os.mkfifo(orders, 0o600)
    log = configs.folder(lab.root / "log") / f"zygote.{family}.log"
    with log.open("ab") as out:
        subprocess.Popen(
            [str(lab.venv / "bin" / "python"), _launcher(lab), family],
            env=processes.environment(lab.root),
            cwd=lab.root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            umask=0o077,
        )


def order(lab: Layout, role: Role) -> None:
    """Tell the role's zygote to fork it. Returns at once; nothing happens when the role already runs."""
    if process(lab, role) is not None:
        return
    for kind in ("pid", "ready"):
        _file(lab, role, kind).unlink(missing_ok=True)
    line = json.dumps(asdict(role)) + "\n"
    try:
        pipe = os.open(lab.run / f"{role.family}.orders", os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno not in (errno.ENXIO, errno.ENOENT):
            raise
        raise SentryError(f"the {role.family} zygote does not run: see {lab.root / 'log'}") from error
    try:
        os.write(pipe, line.encode())
    finally:
        os.close(pipe)


def wait(lab: Layout, role: Role) -> None:
    """The role serves. Raises SentryError with its last words when it, or its zygote, has died instead."""

    def serves() -> bool:
        now = state(lab, role)
        # The pid file is of this start (order() removed any older): with it, "down" means dead, not late.
        if now == DOWN and (_file(lab, role, "pid").exists() or zygote(lab, role.family) is None):
            out = lab.folder(role.cloud) / "log" / f"{role.name}.out"
            words = packages.last_line(out)
            raise SentryError(f"{role.cloud}/{role.name} ended while starting: {words} (see {out.parent})")
        return now == UP

    waiting.until(serves, f"{role.cloud}/{role.name}", deadline_s=START_S)


# A role is ordered once those named here serve in its cloud.
NEEDS = {"neutron-agent": ("neutron",)}


def start(lab: Layout, wanted: Iterable[Role]) -> None:
    """All wanted roles serve when this returns; running ones are left alone. The daemons must have been started.

    Only the database is waited for first: what needs the bus prepares itself while RabbitMQ boots.
    """
    left = [role for role in wanted if state(lab, role) != UP]
    if not left:
        return
    # Only who holds the lab's lock starts services: these were left, on their way up or down, by one that was killed.
    stop(lab, [role for role in left if state(lab, role) == STARTING], grace_s=0)
    warm(lab, {role.family for role in left})
    daemons.wait(lab, daemons.DATABASE)
    for role in sorted(left, key=lambda role: len(NEEDS.get(role.role, ()))):
        for need in _needs(lab, role):
            wait(lab, need)
        order(lab, role)
    daemons.wait(lab, daemons.BUS)
    for role in left:
        wait(lab, role)


def _needs(lab: Layout, role: Role) -> tuple[Role, ...]:
    names = NEEDS.get(role.role, ())
    return tuple(other for other in roles(lab.cloud(role.cloud)) if other.role in names)


def stop(lab: Layout, wanted: Iterable[Role], *, grace_s: float = 2) -> None:
    """None of the wanted roles runs; 0 kills at once, as a crash would."""
    doomed = list(wanted)
    # First, so that a service that was told to end, and has not yet, is not taken for one that serves.
    for role in doomed:
        _file(lab, role, "ready").unlink(missing_ok=True)
    processes.end([found for role in doomed if (found := process(lab, role))], grace_s=grace_s)
    for role in doomed:
        for kind in ("pid", "ready"):
            _file(lab, role, kind).unlink(missing_ok=True)


def cool(lab: Layout) -> None:
    """No zygote runs."""
    processes.end([found for family in FAMILIES if (found := zygote(lab, family))], grace_s=2)


def every(lab: Layout) -> tuple[Role, ...]:
    """All roles of all clouds, those of equal rank side by side."""
    return tuple(role for rank in zip(*(roles(cloud) for cloud in lab.clouds), strict=True) for role in rank)


def find(lab: Layout, cloud: str, name: str) -> Role:
    """The role of that name; raises UserError with the names that there are."""
    known = {role.name: role for one in lab.clouds if one.name == cloud for role in roles(one)}
    if not known:
        raise UserError(f"the lab has no cloud {cloud!r}; it has {', '.join(one.name for one in lab.clouds)}")
    if name not in known:
        raise UserError(f"{cloud} has no service {name!r}; it has {', '.join(known)}")
    return known[name]


def kill(lab: Layout, role: Role) -> None:
    """SIGKILL the role's process, as a crash would."""
    if found := process(lab, role):
        found.send(signal.SIGKILL)
    stop(lab, [role], grace_s=0)


def status(lab: Layout) -> tuple[Status, ...]:
    """Every daemon, zygote and service of the lab."""
    rows = [_daemon(lab, daemon) for daemon in daemons.PORTS]
    rows += [_service(lab, role, lab.cloud(role.cloud)) for role in every(lab)]
    rows += [_zygote_status(lab, family) for family in FAMILIES]
    return tuple(rows)


def _daemon(lab: Layout, daemon: str) -> Status:
    found = daemons.running(lab, daemon)
    port = daemons.PORTS[daemon]
    return Status(
        cloud="lab",
        service=daemon,
        state=(UP if waiting.listening(port) else STARTING) if found else DOWN,
        pid=min((one.pid for one in found), default=0),
        memory_mb=sum(one.pss_kb for one in found) // 1024,
        endpoint=f"127.0.0.1:{port}",
    )


def _service(lab: Layout, role: Role, cloud: Cloud) -> Status:
    found = process(lab, role)
    return Status(
        cloud=cloud.name,
        service=role.name,
        state=state(lab, role),
        pid=found.pid if found else 0,
        memory_mb=found.pss_kb // 1024 if found else 0,
        endpoint=f"http://127.0.0.1:{role.port}" if role.port else "",
    )


def _zygote_status(lab: Layout, family: str) -> Status:
    found = zygote(lab, family)
    return Status(
        cloud="lab",
        service=f"zygote-{family}",
        state=UP if found else DOWN,
        pid=found.pid if found else 0,
        memory_mb=found.pss_kb // 1024 if found else 0,
        endpoint="",
    )
