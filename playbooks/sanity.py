"""`ansible-test sanity` over the collection, without containers, with what a Python package index has.

ansible-test makes an environment per test and fetches its pip from a site of its own. Where that cannot be reached
it takes a script from its cache: here one that asks the standard library's ensurepip, and then the index.

    python sanity.py FOLDER [TEST…]      FOLDER keeps the environments between runs
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

COLLECTION = Path(__file__).parent / "collections" / "ansible_collections" / "cloudsentry" / "burst"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
BOOTSTRAP = """
import subprocess, sys
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-script-location", *wanted], check=True)
"""


def main() -> int:
    """The exit code of ansible-test."""
    home = Path(sys.argv[1]).absolute()
    pip = get_venv_packages(SimpleNamespace(version=PYTHON))["pip"]
    script = home / ".ansible" / "test" / "cache" / f"get_pip_{pip.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(BOOTSTRAP)
    program = str(Path(sys.executable).with_name("ansible-test"))
    asked = [word for test in sys.argv[2:] for word in ("--test", test)]
    command = [program, "sanity", "--python", PYTHON, "--requirements", "--color", "no", *asked]
    return subprocess.run(command, cwd=COLLECTION, env={**os.environ, "HOME": str(home)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
