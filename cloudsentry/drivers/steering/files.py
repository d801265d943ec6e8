"""A file of the operator's, replaced from one moment to the next."""

from __future__ import annotations

from cloudsentry.clouds.hosts import Host
from cloudsentry.errors import Denied

# Owner and rights stay, whoever reads meanwhile gets the old file or the new one, and a connection that breaks while
# the text is on its way (so that only a part arrives) changes nothing.
_REPLACE = """set -e
f=$(readlink -f -- "$1"); t="${f%/*}/.${f##*/}.cloudsentry"
trap 'rm -f -- "$t"' EXIT
cp -p -- "$f" "$t"; cat >"$t"
[ "$(wc -c <"$t")" -eq "$2" ]
sync -- "$t"; mv -f -- "$t" "$f"
"""


def replace_file(host: Host, path: str, text: bytes) -> None:
    """The file that is there holds ``text``. Raises `Denied` where the account may not, or not all of it arrived."""
    done = host.run(["sh", "-c", _REPLACE, "sh", path, str(len(text))], text)
    if done.code:
        raise Denied(f"{path}: {done.err.strip() or 'it did not arrive whole'}", cloud=host.place)
