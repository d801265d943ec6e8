"""The lab's two C programs: compiled where they run, once for each version of their source."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from cloudsentry.errors import UserError
from cloudsentry.lab import packages
from cloudsentry.lab.layout import Layout

HERE = Path(__file__).parent / "inside"
WAN, WEB = "wan", "web"


def path(lab: Layout, name: str) -> Path:
    """Where the program of today's source is, or would be; `bin/<name>` points there."""
    source = (HERE / f"{name}.c").read_bytes()
    return lab.root / "bin" / f"{name}-{hashlib.sha256(source).hexdigest()[:12]}"


def compiled(lab: Layout, name: str) -> Path:
    """The program, compiled if it was not. UserError where there is no compiler."""
    program = path(lab, name)
    if not program.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise UserError("the lab needs a C compiler; as root: apt-get install gcc libc6-dev")
        program.parent.mkdir(parents=True, exist_ok=True)
        part = program.with_name(f"{program.name}.{os.getpid()}")
        command = [compiler, "-O2", "-o", str(part), str(HERE / f"{name}.c")]
        packages.logged(command, lab.root / "log" / "compiler.log", os.environ)
        part.replace(program)
    link = program.with_name(name)
    part = program.with_name(f"{name}.{os.getpid()}")
    part.symlink_to(program.name)
    part.replace(link)
    return program
