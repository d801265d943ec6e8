"""Every file that the lab writes before a process starts: passwords, certificate, configuration, clouds.yaml.

The templates lie in `templates/`; a leading underscore marks a fragment of others. Files are 0600, folders 0700.
"""

from __future__ import annotations

import getpass
import json
import os
import secrets
import shutil
import subprocess
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from string import Template

import yaml

from cloudsentry.errors import SentryError
from cloudsentry.lab.layout import API_OFFSETS, BUS_PORT, DATABASE_PORT, HEARTBEAT_OFFSET, Cloud, Hypervisor, Layout

TEMPLATES = Path(__file__).parent / "templates"
CLOUD_FILES = (
    "keystone.conf",
    "placement.conf",
    "glance-api.conf",
    "nova.conf",
    "neutron.conf",
    "ml2_conf.ini",
    "octavia.conf",
)
CLOUD_FOLDERS = (
    "etc",
    "log",
    "run",
    "lock",
    "state/glance/images",
    "state/glance/staging",
    "state/glance/tasks",
    "state/nova",
    "state/neutron",
    "state/octavia",
    "state/keystone/fernet",
    "state/keystone/cred",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The passwords of one lab, made once. Not one of them is ever printed."""

    db_password: str = field(repr=False)
    bus_password: str = field(repr=False)
    svc_password: str = field(repr=False)
    admin_password: str = field(repr=False)
    demo_password: str = field(repr=False)
    ca_password: str = field(repr=False)
    certs_key: str = field(repr=False)
    heartbeat_key: str = field(repr=False)


def folder(path: Path) -> Path:
    """Make a folder that only this account enters, and what is missing above it likewise."""
    if not path.exists():
        folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def write(path: Path, text: str) -> None:
    """Put `text` into a file that only this account reads: the whole of it, or the old file stays."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def passwords(lab: Layout) -> Secrets:
    """The lab's passwords, generated on the first call."""
    path = lab.root / "secrets.json"
    if not path.exists():
        # 24 random bytes are 32 characters, which is what Octavia's certs_key must have.
        write(path, json.dumps({item.name: secrets.token_urlsafe(24) for item in fields(Secrets)}, indent=1))
    return Secrets(**json.loads(path.read_text(encoding="utf-8")))


def certificate(lab: Layout, known: Secrets) -> None:
    """Octavia's certificate authority, made once."""
    made, key = lab.root / "octavia-ca.pem", lab.root / "octavia-ca.key"
    if made.exists() and key.exists():
        return
    command = "openssl req -x509 -newkey rsa:2048 -days 3650 -subj /CN=lab-octavia-ca -passout env:CA_PASSWORD"
    env = os.environ | {"CA_PASSWORD": known.ca_password}
    done = subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", f"{made}.part"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SentryError(f"openssl: {done.stderr.strip()}")
    key.chmod(0o600)
    Path(f"{made}.part").replace(made)


def fill(name: str, values: dict[str, str]) -> str:
    """One template with its `$names` replaced; KeyError when one is unknown."""
    return Template((TEMPLATES / name).read_text(encoding="utf-8")).substitute(values)


def values(lab: Layout, cloud: Cloud, known: Secrets) -> dict[str, str]:
    """What the templates of a cloud may name."""
    found = {
        "lab": str(lab.root),
        "venv": str(lab.venv),
        "cloud": cloud.name,
        "folder": str(lab.folder(cloud.name)),
        "database": f"mysql+pymysql://root:{known.db_password}@127.0.0.1:{DATABASE_PORT}",
        "bus_url": f"rabbit://lab:{known.bus_password}@127.0.0.1:{BUS_PORT}",
        "heartbeat_port": str(cloud.base_port + HEARTBEAT_OFFSET),
        **asdict(known),
        **{api: cloud.url(api) for api in API_OFFSETS},
        **{f"{api}_port": str(cloud.port(api)) for api in API_OFFSETS},
    }
    for fragment in ("log", "auth", "token", "bus"):
        found[fragment] = fill(f"_{fragment}.ini", found)
    return found


def hypervisor(lab: Layout, cloud: Cloud, host: Hypervisor, named: dict[str, str]) -> None:
    """The configuration of one nova-compute, and the size of what it drives."""
    state = folder(lab.folder(cloud.name) / "state" / "nova" / host.name)
    write(
        lab.folder(cloud.name) / "etc" / f"nova-{host.name}.conf", fill("nova-host.conf", {**named, "host": host.name})
    )
    size = ("kind", "vcpus", "memory_mb", "local_gb", "server_quota", "host_quota")
    write(state / "hv.json", json.dumps({name: getattr(host, name) for name in size}))


def cloud_files(lab: Layout, cloud: Cloud, known: Secrets) -> None:
    """All configuration of one cloud."""
    base = lab.folder(cloud.name)
    for name in CLOUD_FOLDERS:
        folder(base / name)
    named = values(lab, cloud, known)
    for name in CLOUD_FILES:
        write(base / "etc" / name, fill(name, named))
    for paste in ("glance/glance-api-paste.ini", "nova/api-paste.ini"):
        shutil.copy(lab.venv / "etc" / paste, base / "etc")
    for host in cloud.hypervisors:
        hypervisor(lab, cloud, host, named)
    bridges = {h.name: {net: f"br-{net}" for net in h.physical_networks} for h in cloud.hypervisors}
    write(base / "run" / "hosts.json", json.dumps(bridges))


def infra_files(lab: Layout, known: Secrets) -> None:
    """Configuration of MariaDB and RabbitMQ, and the accounts with which they are born."""
    for name in ("run", "log", "rabbit"):
        folder(lab.infra / name)
    named = {
        "lab": str(lab.root),
        "user": getpass.getuser(),
        "database_port": str(DATABASE_PORT),
        "bus_port": str(BUS_PORT),
        "db_password": known.db_password,
    }
    write(lab.infra / "my.cnf", fill("my.cnf", named))
    write(lab.infra / "client.cnf", fill("client.cnf", named))
    write(lab.infra / "rabbit" / "rabbitmq.conf", fill("rabbitmq.conf", named))
    write(lab.infra / "rabbit" / "enabled_plugins", "[].\n")
    hosts = [f"{cloud.name}_{project}" for cloud in lab.clouds for project in ("nova", "neutron", "octavia")]
    right = {"user": "lab", "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "users": [{"name": "lab", "password": known.bus_password, "tags": "administrator"}],
        "vhosts": [{"name": host} for host in hosts],
        "permissions": [{**right, "vhost": host} for host in hosts],
    }
    write(lab.infra / "rabbit" / "definitions.json", json.dumps(definitions))


def clouds_yaml(lab: Layout, known: Secrets) -> str:
    """The clients' file: per cloud an administrator, and a member of the project `demo` under `<cloud>-member`."""

    def entry(cloud: Cloud, user: str, password: str, project: str) -> dict[str, object]:
        names = {"username": user, "password": password, "project_name": project}
        domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
        return {
            "auth_type": "password",
            "auth": {"auth_url": f"{cloud.url('keystone')}/v3", **names, **domains},
            "region_name": cloud.name,
            "identity_api_version": "3",
            "compute_default_microversion": "2.96",
        }

    entries = {}
    for cloud in lab.clouds:
        entries[cloud.name] = entry(cloud, "admin", known.admin_password, "admin")
        entries[f"{cloud.name}-member"] = entry(cloud, "demo", known.demo_password, "demo")
    return yaml.safe_dump({"clouds": entries}, sort_keys=False)


def write_all(lab: Layout) -> None:
    """Every file is as the blueprint says. Needs the OpenStack environment (for its paste files)."""
    known = passwords(lab)
    certificate(lab, known)
    folder(lab.run)
    infra_files(lab, known)
    for cloud in lab.clouds:
        cloud_files(lab, cloud, known)
    write(lab.clouds_yaml, clouds_yaml(lab, known))
