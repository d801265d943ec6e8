"""The databases of both clouds, from nothing: each schema is migrated for one cloud and copied to the others."""

from __future__ import annotations

import getpass
import grp
import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cloudsentry.errors import SentryError
from cloudsentry.lab import configs, packages, processes
from cloudsentry.lab.layout import Cloud, Layout


def build(lab: Layout) -> None:
    """All databases have their schemas, Keystone its keys and first account, Nova its cells. Needs MariaDB, empty."""
    first = lab.clouds[0]
    copies = lab.clouds[1:]

    def nova() -> None:
        _manage(lab, first, "nova-manage", "nova.conf", "api_db", "sync")
        _manage(lab, first, "nova-manage", "nova.conf", "db", "sync", "--local_cell")
        _copy(lab, f"{first.name}_nova", f"{first.name}_nova_cell0")
        _copies(lab, first, copies, "nova_api", "nova", "nova_cell0")

    def neutron() -> None:
        _manage(lab, first, "neutron-db-manage", "neutron.conf", "upgrade", "heads")
        _copies(lab, first, copies, "neutron")

    def others() -> None:
        _manage(lab, first, "keystone-manage", "keystone.conf", "db_sync")
        _manage(lab, first, "placement-manage", "placement.conf", "db", "sync")
        _manage(lab, first, "glance-manage", "glance-api.conf", "db_sync")
        _manage(lab, first, "octavia-db-manage", "octavia.conf", "upgrade", "head")
        _copies(lab, first, copies, "keystone", "placement", "glance", "octavia")

    together((neutron, nova, others))
    together(partial(_accounts, lab, cloud) for cloud in lab.clouds)


def together(tasks: Iterable[Callable[[], object]]) -> None:
    """Run all tasks at once; raises the first error once all have ended."""
    with ThreadPoolExecutor() as pool:
        started = [pool.submit(task) for task in tasks]
    for task in started:
        task.result()


def _accounts(lab: Layout, cloud: Cloud) -> None:
    """Nova's cells, Keystone's keys and administrator, and Keystone's own endpoint."""
    # Without --database_connection cell 0 is "<nova's database>_cell0", and no password stands on a command line.
    _manage(lab, cloud, "nova-manage", "nova.conf", "cell_v2", "map_cell0")
    _manage(lab, cloud, "nova-manage", "nova.conf", "cell_v2", "create_cell", "--name", "cell1")
    owner = (f"--keystone-user={getpass.getuser()}", f"--keystone-group={grp.getgrgid(os.getgid()).gr_name}")
    _manage(lab, cloud, "keystone-manage", "keystone.conf", "fernet_setup", *owner)
    _manage(lab, cloud, "keystone-manage", "keystone.conf", "credential_setup", *owner)
    url = f"{cloud.url('keystone')}/v3"
    endpoints = [f"--bootstrap-{kind}-url={url}" for kind in ("admin", "internal", "public")]
    password = {"OS_BOOTSTRAP_PASSWORD": configs.passwords(lab).admin_password}
    region = f"--bootstrap-region-id={cloud.name}"
    _manage(lab, cloud, "keystone-manage", "keystone.conf", "bootstrap", *endpoints, region, env=password)


def _manage(
    lab: Layout, cloud: Cloud, program: str, config: str, *arguments: str, env: dict[str, str] | None = None
) -> None:
    """One of OpenStack's own manage commands; its output goes to the cloud's log/schema.<program>.log."""
    folder = lab.folder(cloud.name)
    files = [f"--config-file={folder / 'etc' / config}"]
    if program == "neutron-db-manage":
        files.append(f"--config-file={folder / 'etc' / 'ml2_conf.ini'}")
    command = [str(lab.venv / "bin" / program), *files, *arguments]
    packages.logged(command, folder / "log" / f"schema.{program}.log", processes.environment(lab.root) | (env or {}))


def _copies(lab: Layout, first: Cloud, others: tuple[Cloud, ...], *names: str) -> None:
    for other in others:
        for name in names:
            _copy(lab, f"{first.name}_{name}", f"{other.name}_{name}")


def _copy(lab: Layout, source: str, target: str) -> None:
    """Fill the empty database `target` with the tables and rows of `source`."""
    account = f"--defaults-file={lab.infra / 'client.cnf'}"
    env = processes.environment(lab.root)
    pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
    dump = subprocess.Popen(["mariadb-dump", account, source], env=env, stdout=pipe, stderr=nothing)
    load = subprocess.run(["mariadb", account, target], env=env, stdin=dump.stdout, capture_output=True, check=False)
    if dump.stdout:
        dump.stdout.close()
    if dump.wait() or load.returncode:
        raise SentryError(f"copying database {source} to {target}: {load.stderr.decode(errors='replace').strip()}")
