"""Two files by which a process of the lab is known: `<name>.pid` from its first moment, `<name>.ready` once it serves.

Both hold "pid start", `start` being the process's start time in clock ticks since boot (field 22 of /proc/self/stat):
a recycled pid is never taken for ours.
"""

import os


def identity():
    """`"<pid> <start>"` of the calling process."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return f"{os.getpid()} {fields[19]}"


def write(path):
    """Leave the caller's identity in `path`, whole or not at all."""
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="ascii") as file:
        file.write(identity())
    os.replace(part, path)


def ready():
    """Say that this role serves."""
    write(os.environ["LAB_READY"])
