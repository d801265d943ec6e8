"""How the house is set up: oslo.config's files, read once into frozen records.

Everything works without any file. Read, the later winning: ``/etc/cloudsentry/cloudsentry.conf``,
``~/.config/cloudsentry/cloudsentry.conf``, ``$CLOUDSENTRY_CONF``; and above all of them oslo.config's
environment variables (``OS_EXECUTOR__THREADS``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oslo_config import cfg

from cloudsentry.conf.options import GROUPS, list_opts
from cloudsentry.errors import UserError

__all__ = [
    "ExecutorSettings",
    "HookSettings",
    "JournalSettings",
    "OwnershipSettings",
    "Settings",
    "list_opts",
    "load",
    "settings",
    "state_dir",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """``connection`` is an SQLAlchemy URL, and may hold a password."""

    connection: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipSettings:
    """``backend_url`` is a tooz URL, and may hold a password; ``lease`` is in seconds."""

    backend_url: str = field(repr=False)
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Times in seconds; ``poll_share`` is a share of 1. Each is explained at its option."""

    poll_least: float = 1.0
    poll_share: float = 0.25
    boot_timeout: float = 600.0
    balancer_timeout: float = 300.0
    attempts: int = 6
    budget: int = 100
    retry_first: float = 0.5
    retry_most: float = 20.0
    settle: float = 15.0
    threads: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSettings:
    """Who may call, and how often. Times in seconds; each is explained at its option."""

    alertmanager_token: str | None = field(default=None, repr=False)
    aodh_token: str | None = field(default=None, repr=False)
    generic_secret: str | None = field(default=None, repr=False)
    viewer_token: str | None = field(default=None, repr=False)
    keystone_cloud: str | None = None
    keystone_role: str = "member"
    window: float = 300.0
    duplicates: float = 300.0
    rate: str = "120/minute"
    body_most: int = 65536
    expiry: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. ``files`` are those that were read, in their order."""

    state: Path
    journal: JournalSettings
    ownership: OwnershipSettings
    executor: ExecutorSettings
    hook: HookSettings = field(default_factory=HookSettings)
    files: tuple[str, ...] = ()


def state_dir() -> Path:
    """Where things are kept: ``$CLOUDSENTRY_STATE_DIR``, or cloudsentry in XDG's state folder. Not made here."""
    chosen = os.environ.get("CLOUDSENTRY_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser().absolute() / "cloudsentry"


def settings(argv: Sequence[str] | None = None, config_files: Sequence[str] | None = None) -> Settings:
    """Read the configuration; ``argv`` takes oslo.config's ``--config-file`` and ``--config-dir``.

    ``config_files`` replaces the files that are looked for. Raises `UserError`, naming file and option,
    for a file that cannot be read and for a value that does not fit.
    """
    files = _files() if config_files is None else list(config_files)
    conf = _parsed(GROUPS, argv or (), files)
    _known_only(conf.config_file or ())
    state = state_dir()
    values = {
        group: {option.dest: _value(conf, group, option.dest, files) for option in GROUPS[group]} for group in GROUPS
    }
    journal, ownership = values["journal"], values["ownership"]
    return Settings(
        state=state,
        journal=JournalSettings(connection=journal["connection"] or f"sqlite:///{state / 'journal.sqlite'}"),
        ownership=OwnershipSettings(
            backend_url=ownership["backend_url"] or f"file://{state / 'locks'}", lease=ownership["lease"]
        ),
        executor=ExecutorSettings(**values["executor"]),
        hook=HookSettings(**values["hook"]),
        files=tuple(conf.config_file or ()),
    )


def load(config_file: str | None = None) -> Settings:
    """What a door asks for: the settings of one file, or of the usual places. Raises as `settings` does."""
    return settings(config_files=None if config_file is None else [config_file])


def _files() -> list[str]:
    """Those of the usual places that exist, and the one of the environment whether it exists or not."""
    usual = ("/etc/cloudsentry/cloudsentry.conf", "~/.config/cloudsentry/cloudsentry.conf")
    found = [str(path) for path in (Path(place).expanduser() for place in usual) if path.is_file()]
    chosen = os.environ.get("CLOUDSENTRY_CONF")
    return [*found, str(Path(chosen).expanduser())] if chosen else found


def _parsed(groups: Mapping[str, Sequence[Any]], argv: Sequence[str], files: Sequence[str]) -> Any:
    conf = cfg.ConfigOpts()
    for group, options in groups.items():
        conf.register_opts(options, group=group)
    try:
        conf(list(argv), project="cloudsentry", default_config_files=list(files), default_config_dirs=[])
    except (cfg.Error, OSError) as error:
        raise UserError(f"configuration: {error}") from error
    return conf


def _known_only(files: Sequence[str]) -> None:
    """Refuse groups and options that nobody reads, as oslo.config does not: a misspelt one would be without effect."""
    for file in files:
        found: dict[str, dict[str, Any]] = {}
        cfg.ConfigParser(file, found).parse()
        for group, options in found.items():
            if group not in GROUPS and (options or group != "DEFAULT"):
                raise UserError(f"{file}: there is no group [{group}]; known: {', '.join(GROUPS)}")
            known = [option.dest for option in GROUPS.get(group, ())]
            for name in options:
                if name.replace("-", "_") not in known:
                    raise UserError(f"{file}: [{group}] has no option {name!r}; known: {', '.join(known)}")


def _value(conf: Any, group: str, name: str, files: Sequence[str]) -> Any:
    try:
        return conf[group][name]
    except (cfg.NoSuchOptError, cfg.TemplateSubstitutionError) as error:
        # Not said is what follows the dollar sign: it may be half a password.
        place = ", ".join(conf.config_file or files) or "configuration"
        raise UserError(f"{place}: [{group}] {name}: a dollar sign is written twice") from error
    except (cfg.Error, ValueError) as error:
        told = error.__context__ or error
        raise UserError(f"{_origin(conf, group, name, files)}: [{group}] {name}: {told}") from error


def _origin(conf: Any, group: str, name: str, files: Sequence[str]) -> str:
    """The file or the variable that set an option.

    Asked of a second reading, in which any text fits: oslo.config tells only where good values come from.
    """
    loose = _parsed({group: [cfg.StrOpt(name)]}, (), conf.config_file or files)
    location = loose.get_location(name, group)
    return str(location.detail) if location else "configuration"
