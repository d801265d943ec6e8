"""CPU quotas in a tree of control groups: lab / hypervisor / server, in percent of one core.

A server never has more than its quota, all servers of a hypervisor together never more than the hypervisor's. Works
on the cpu controller of version 1 and of version 2. Only the standard library.
"""

import contextlib
import os
import signal
import time

PERIOD = 20_000  # microseconds: a server that has used up its share waits no longer than this
LEAST = 1_000  # microseconds, the least quota that the kernel takes
WEIGHT = 8  # all guests together against one other process: their quotas, not a busy machine, are to be their limit
V1, V2 = "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"


def root() -> str:
    """Where the lab's tree hangs on this machine."""
    return f"{V1}/lab" if os.path.exists(f"{V1}/cgroup.procs") else f"{V2}/lab"


def group(host: str, server: str | None = None) -> str:
    """The folder of a hypervisor's or a server's group."""
    return f"{root()}/{host}/{server}" if server else f"{root()}/{host}"


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _make(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    if root().startswith(V1):
        return
    for above in (V2, root(), os.path.dirname(folder)):
        with contextlib.suppress(OSError):
            _write(f"{above}/cgroup.subtree_control", "+cpu")


def _limit(folder: str, percent: float) -> None:
    quota = max(LEAST, int(percent * PERIOD / 100))
    if os.path.exists(f"{folder}/cpu.max"):
        _write(f"{folder}/cpu.max", f"{quota} {PERIOD}")
    else:
        _write(f"{folder}/cpu.cfs_period_us", str(PERIOD))
        _write(f"{folder}/cpu.cfs_quota_us", str(quota))


def _weigh() -> None:
    if os.path.exists(f"{root()}/cpu.weight"):
        _write(f"{root()}/cpu.weight", str(100 * WEIGHT))
    else:
        _write(f"{root()}/cpu.shares", str(1024 * WEIGHT))


def set_host(host: str, host_percent: float, server_percent: float) -> None:
    """The hypervisor and each server on it have these quotas; a server's is cut to the hypervisor's.

    Version 1 refuses a group more than the group above it has, and a group less than one below it has: so the servers
    are cut to next to nothing first, then the hypervisor is set, then the servers.
    """
    _make(group(host))
    _weigh()
    servers = [f"{group(host)}/{name}" for name in servers_of(host)]
    for folder in servers:
        _limit(folder, 1)
    _limit(group(host), host_percent)
    for folder in servers:
        _limit(folder, min(server_percent, host_percent))


def admit(host: str, server: str, percent: float) -> str:
    """The server has a group of its own on `host`, with a quota; what ran for it on another host is in it. The
    folder.
    """
    folder = group(host, server)
    _make(folder)
    _limit(folder, percent)
    for other in hosts():
        if other != host and os.path.isdir(group(other, server)):
            for pid in pids(other, server):
                with contextlib.suppress(OSError):
                    _write(f"{folder}/cgroup.procs", str(pid))
            _drop(group(other, server))
    return folder


def hosts() -> list[str]:
    with contextlib.suppress(OSError):
        return [entry.name for entry in os.scandir(root()) if entry.is_dir()]
    return []


def servers_of(host: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [entry.name for entry in os.scandir(group(host)) if entry.is_dir()]
    return []


def pids(host: str, server: str) -> list[int]:
    """The processes of a server, those it started included."""
    try:
        with open(f"{group(host, server)}/cgroup.procs", encoding="ascii") as file:
            return [int(line) for line in file]
    except OSError:
        return []


def send(host: str, server: str, number: int) -> None:
    """The signal reaches every process of the server, also one born meanwhile."""
    sent: set[int] = set()
    while fresh := set(pids(host, server)) - sent:
        for pid in fresh:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        sent |= fresh


def end(host: str, server: str) -> None:
    """Nothing of the server runs."""
    for _ in range(100):
        if not pids(host, server):
            return
        send(host, server, signal.SIGKILL)
        time.sleep(0.005)


def leave(host: str, server: str) -> None:
    """Nothing of the server runs and its group is gone."""
    end(host, server)
    _drop(group(host, server))


def clean(host: str) -> None:
    """Nothing of any server of the hypervisor runs; its groups are gone."""
    for server in servers_of(host):
        leave(host, server)
    _drop(group(host))


def _drop(folder: str) -> None:
    for _ in range(100):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return
