"""MariaDB and RabbitMQ of the lab: on ports of its own, with data in its own folder, never Debian's instances."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from cloudsentry.errors import SentryError, UserError
from cloudsentry.lab import configs, packages, processes, waiting
from cloudsentry.lab.layout import BUS_NODE_PORT, BUS_PORT, DATABASE_PORT, DATABASES, EPMD_PORT, Layout
from cloudsentry.lab.processes import Process

PART = "CLOUDSENTRY_LAB_PART"
DATABASE, BUS = "mariadb", "rabbitmq"
PORTS = {DATABASE: DATABASE_PORT, BUS: BUS_PORT}
# Debian's own path: the wrapper on PATH changes to the account "rabbitmq".
RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def running(lab: Layout, daemon: str) -> tuple[Process, ...]:
    """All processes of one daemon (RabbitMQ has several)."""
    return processes.marked(lab.root, f"{PART}={daemon}")


def claim(lab: Layout) -> None:
    """Raises UserError when a port of the lab is taken by somebody else while nothing of the lab runs on it."""
    if processes.marked(lab.root):
        return
    taken = [str(port) for port in lab.ports() if waiting.listening(port)]
    if taken:
        raise UserError(f"something that is not this lab listens on port {', '.join(taken)} of 127.0.0.1")


def start(lab: Layout, daemon: str) -> None:
    """The daemon runs (it may not answer yet). One that an interrupted `stop` left is ended first."""
    if _stopping(lab).exists():
        stop(lab)
    if not running(lab, daemon):
        {DATABASE: _start_database, BUS: _start_bus}[daemon](lab)


def wait(lab: Layout, daemon: str) -> None:
    """The daemon accepts connections. Raises SentryError when it has died instead."""

    def answers() -> bool:
        if waiting.listening(PORTS[daemon]):
            return True
        if not running(lab, daemon):
            raise SentryError(f"{daemon} ended while starting: see {lab.infra / 'log'}")
        return False

    waiting.until(answers, daemon, deadline_s=90)


def stop(lab: Layout, *, grace_s: float = 30) -> None:
    """Neither daemon runs; MariaDB gets `grace_s` seconds for a clean shutdown."""
    if lab.infra.exists():
        _stopping(lab).touch(mode=0o600)
    processes.end((*running(lab, DATABASE), *running(lab, BUS)), grace_s=grace_s)
    _stopping(lab).unlink(missing_ok=True)


def _stopping(lab: Layout) -> Path:
    return lab.infra / "stopping"


def _spawn(lab: Layout, daemon: str, command: list[str], env: dict[str, str]) -> None:
    with (lab.infra / "log" / f"{daemon}.out").open("ab") as out:
        subprocess.Popen(
            command,
            env=processes.environment(lab.root) | {PART: daemon} | env,
            cwd=lab.infra,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            umask=0o077,
        )


def _start_database(lab: Layout) -> None:
    data = lab.infra / "mysql"
    command = ["mariadbd", f"--defaults-file={lab.infra / 'my.cnf'}"]
    if not data.exists():
        command.append(f"--init-file={_install_database(lab, data)}")
    _spawn(lab, DATABASE, command, {})


def _install_database(lab: Layout, data: Path) -> Path:
    """An empty data folder; returns the SQL that its first start must run."""
    part = data.with_name("mysql.part")
    shutil.rmtree(part, ignore_errors=True)
    options = ("--auth-root-authentication-method=normal", "--skip-test-db", f"--datadir={part}")
    command = ["mariadb-install-db", f"--defaults-file={lab.infra / 'my.cnf'}", *options]
    packages.logged(command, lab.infra / "log" / "install.log", processes.environment(lab.root))
    part.replace(data)
    password = configs.passwords(lab).db_password
    lines = [
        f"ALTER USER root@localhost IDENTIFIED BY '{password}';",
        f"CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{password}';",
        "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;",
    ]
    for cloud in lab.clouds:
        lines += [f"CREATE DATABASE IF NOT EXISTS {cloud.name}_{name} CHARACTER SET utf8mb4;" for name in DATABASES]
    sql = lab.infra / "init.sql"
    configs.write(sql, "\n".join(lines) + "\n")
    return sql


def _start_bus(lab: Layout) -> None:
    """RabbitMQ always starts empty: accounts come from its definitions, queues from the services."""
    home = lab.infra / "rabbit"
    shutil.rmtree(home / "mnesia", ignore_errors=True)
    env = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": "lab@localhost",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(lab.infra / "log"),
        "RABBITMQ_PID_FILE": str(lab.infra / "run" / "rabbit.pid"),
        "RABBITMQ_DIST_PORT": str(BUS_NODE_PORT),
        "ERL_EPMD_PORT": str(EPMD_PORT),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # One scheduler that sleeps when idle: the lab shares few cores.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +A 16 -kernel inet_dist_use_interface {127,0,0,1}",
    }
    _spawn(lab, BUS, [RABBITMQ_SERVER], env)
