"""Up, down and reset: lists of named stages, each of which may be interrupted and is made good by the next `up`."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cloudsentry.errors import Owned
from cloudsentry.lab import configs, daemons, golden, packages, processes, ready, schemas, seed, services, sites
from cloudsentry.lab.layout import FAMILIES, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One named piece of work."""

    name: str
    work: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How long an `up` or `reset` took, and whether the state had to be built (cold) or was there (warm)."""

    seconds: float
    cold: bool
    memory_mb: int


class Progress(Protocol):
    """Hears of stages."""

    def begin(self, name: str) -> None:
        """A stage begins."""

    def end(self, name: str, seconds: float) -> None:
        """The stage is done."""


def run(stages: list[Stage], progress: Progress) -> None:
    """Do the stages in order; an error ends the run and passes through."""
    for stage in stages:
        began = time.monotonic()
        progress.begin(stage.name)
        stage.work()
        progress.end(stage.name, time.monotonic() - began)


@contextmanager
def owned(lab: Layout) -> Iterator[None]:
    """Only one command changes the lab at a time. Raises Owned when another one does."""
    configs.folder(lab.root)
    with (lab.root / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Owned(f"another command is changing the lab in {lab.root}") from error
        yield


def up(lab: Layout, progress: Progress, *, fresh: bool = False) -> Outcome:
    """Both clouds are ready. Builds, restores or only starts, whatever is lacking; a running lab is left alone.

    `fresh` builds from nothing, without the golden state. Raises UserError when packages or ports are missing.
    """
    began = time.monotonic()
    with owned(lab):
        run(_prepare(lab), progress)
        if fresh:
            run([Stage(name="everything away", work=lambda: _forget(lab))], progress)
        cold = not golden.built(lab) and not golden.archive(lab).exists()
        run(_build(lab) if cold else _continue(lab), progress)
    return Outcome(seconds=time.monotonic() - began, cold=cold, memory_mb=memory(lab))


def reset(lab: Layout, progress: Progress) -> Outcome:
    """Both clouds are ready and hold exactly the golden state; builds it if there is none."""
    began = time.monotonic()
    with owned(lab):
        run(_prepare(lab), progress)
        cold = not golden.archive(lab).exists()
        stages = _build(lab) if cold else [Stage(name="state away", work=lambda: _drop(lab)), *_continue(lab)]
        run(stages, progress)
    return Outcome(seconds=time.monotonic() - began, cold=cold, memory_mb=memory(lab))


def down(lab: Layout, progress: Progress, *, keep_warm: bool = False) -> None:
    """No process, port, namespace, or file outside its folder is left of the lab; its state stays for the next `up`.

    `keep_warm` leaves the zygotes, which have the services' code in memory.
    """
    with owned(lab):
        run([Stage(name="down", work=lambda: halt(lab, keep_warm=keep_warm))], progress)


def memory(lab: Layout) -> int:
    """Proportional set size of all that the lab runs, in MiB."""
    return sum(process.pss_kb for process in processes.marked(lab.root)) // 1024


def _prepare(lab: Layout) -> list[Stage]:
    """Packages and files; what runs from older code than today's is stopped."""

    def files() -> None:
        if not golden.inside_is_current(lab):
            halt(lab)
            golden.refresh_inside(lab)
        configs.write_all(lab)
        daemons.claim(lab)

    return [
        Stage(
            name="Debian packages",
            work=lambda: packages.install_debian(lab.root / "log" / "apt.log", packages.needed()),
        ),
        Stage(name="OpenStack packages", work=lambda: _environment(lab)),
        Stage(name="configuration", work=files),
    ]


def _environment(lab: Layout) -> None:
    if not packages.environment_is_current(lab):
        halt(lab)
        packages.install_environment(lab)


def _continue(lab: Layout) -> list[Stage]:
    """From a state that is there, or golden."""

    def state() -> None:
        if not golden.built(lab):
            halt(lab, keep_warm=True, grace_s=0)
            services.warm(lab)
            daemons.start(lab, daemons.BUS)
            golden.restore(lab)
            configs.write_all(lab)
        services.warm(lab)
        for daemon in daemons.PORTS:
            daemons.start(lab, daemon)
        sites.begin(lab)

    return [
        Stage(name="state, MariaDB, RabbitMQ", work=state),
        Stage(name="services", work=lambda: services.start(lab, services.every(lab))),
        Stage(name="ready", work=lambda: ready.wait(lab)),
    ]


def _build(lab: Layout) -> list[Stage]:
    """From nothing, keeping the result as the golden state."""

    def infra() -> None:
        halt(lab, keep_warm=True, grace_s=0)
        golden.wipe(lab)
        configs.write_all(lab)
        for daemon in daemons.PORTS:
            daemons.start(lab, daemon)
        daemons.wait(lab, daemons.DATABASE)

    def accounts() -> None:
        services.start(lab, [role for role in services.every(lab) if role.role == "keystone"])
        schemas.together(partial(seed.identity, lab, cloud) for cloud in lab.clouds)

    def content() -> None:
        schemas.together(partial(seed.resources, lab, cloud) for cloud in lab.clouds)

    def snapshot() -> None:
        services.stop(lab, services.every(lab))
        daemons.stop(lab)
        golden.take(lab)
        golden.mark_built(lab)

    return [
        Stage(name="MariaDB, RabbitMQ", work=infra),
        Stage(name="schemas", work=lambda: schemas.build(lab)),
        Stage(name="accounts", work=accounts),
        Stage(name="services", work=lambda: services.start(lab, services.every(lab))),
        Stage(name="hypervisors", work=lambda: ready.wait(lab)),
        Stage(name="networks, flavors, image", work=content),
        Stage(name="golden state", work=snapshot),
        *_continue(lab),
    ]


def _forget(lab: Layout) -> None:
    halt(lab)
    golden.wipe(lab)
    golden.archive(lab).unlink(missing_ok=True)


def _drop(lab: Layout) -> None:
    """The state in place counts no more: the next stage restores the golden one."""
    (lab.root / "built").unlink(missing_ok=True)


def halt(lab: Layout, *, keep_warm: bool = False, grace_s: float = 5) -> None:
    """Nothing of the lab runs, warm zygotes aside. With `grace_s` 0 its state is not needed any more."""
    services.stop(lab, services.every(lab), grace_s=min(grace_s, 2))
    if not keep_warm:
        services.cool(lab)
    # The servers' namespaces, cgroups and balancers go with their clouds; they come back with them.
    sites.clean(lab)
    daemons.stop(lab, grace_s=30 if grace_s else 0)
    spared = {services.zygote(lab, family) for family in FAMILIES}
    processes.end([one for one in processes.marked(lab.root) if one not in spared], grace_s=grace_s)
