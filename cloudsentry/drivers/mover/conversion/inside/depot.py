"""What a conversion host runs: it keeps a disk that comes block by block, and gives it to the Glance beside it.

One JSON object on the input says what to do, one on the output what came of it; the token is among the input and
nowhere else. Disks lie in /var/tmp/cloudsentry-UID, which is the account's alone. Standard library of Python 3.7.

``look``  how many bytes are free
``copy``  one disk, named and labelled by the image that it is of. Blocks are those that are new, and runs of blocks
          that the disk's earlier state had, wherever they were. A copy that was cut goes on at its next block. With a
          URL all of it is put there while it comes; then what it shares with its earlier state is not copied here.
``drop``  nothing is left of that name
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import http.client
import json
import os
import shutil
import ssl
import struct
import sys
import urllib.parse
from typing import Iterator  # noqa: UP035 - Python 3.7

FRESH = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
SUM = 16
PLACE = struct.Struct(">Q")  # 0: a block of its own, else one more than the block of the earlier state
RUN = struct.Struct(">QI")


def folder() -> str:
    path = f"/var/tmp/cloudsentry-{os.geteuid()}"
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(path)
    return path


def tell(told: dict[str, object]) -> None:
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.flush()


def taken(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) != size:
        raise EOFError
    return data


class Put:
    """An image's bytes on their way to Glance. What Glance says against it is told at the end."""

    def __init__(self, head: dict[str, str], size: int) -> None:
        self.error: dict[str, object] = {}
        url = urllib.parse.urlsplit(head["url"])
        if url.scheme == "https":
            context = ssl.create_default_context(cadata=head.get("ca") or None)
            if head.get("insecure"):
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.door: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.netloc, timeout=300, context=context
            )
        else:
            self.door = http.client.HTTPConnection(url.netloc, timeout=300)
        try:
            self.door.putrequest("PUT", url.path)
            for name, value in (
                ("X-Auth-Token", head["token"]),
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(size)),
                ("User-Agent", head.get("agent", "cloudsentry")),
            ):
                self.door.putheader(name, value)
            self.door.endheaders()
        except (OSError, http.client.HTTPException) as error:
            self._failed(error)

    def send(self, data: bytes) -> None:
        if not self.error:
            try:
                self.door.send(data)
            except OSError as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Whoever refuses before all has come may have said why."""
        try:
            self.error = {"state": "refused", "status": self.door.getresponse().status}
        except (OSError, http.client.HTTPException):
            self.error = {"state": "unreachable", "text": str(error)}

    def end(self) -> dict[str, object]:
        if self.error:
            return self.error
        try:
            status = self.door.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return {"state": "lost", "text": str(error)}
        return {"state": "done"} if 200 <= status < 300 else {"state": "refused", "status": status}


class Disk:
    """One disk as it comes: its blocks so far, and those of its earlier state."""

    def __init__(self, base: str, label: str, size: int, block: int, lean: bool) -> None:
        self._lean = lean
        self.size, self.block, self.count = size, block, (size + block - 1) // block
        self.whole, self.part = f"{base}.{label}.disk", f"{base}.{label}.part"
        if os.path.exists(self.whole):  # all of it came, and was perhaps not taken by Glance
            os.rename(self.whole + ".sums", self.part + ".sums")
            os.rename(self.whole, self.part)
        gone(*(path for path in glob.glob(glob.escape(base) + ".*.part") if path != self.part))
        self.earlier = [path for path in glob.glob(glob.escape(base) + ".*.disk") if os.path.exists(path + ".sums")]
        self._old = os.open(self.earlier[0], os.O_RDONLY | os.O_NOFOLLOW) if self.earlier else -1
        parts = (self.part, self.part + ".sums", self.part + ".from")
        self._new, self._sums, self._from = (os.open(path, FRESH, 0o600) for path in parts)
        os.ftruncate(self._new, size)
        self._known = b""
        self.kept = min(os.fstat(self._sums).st_size // SUM, self.count)

    def known(self) -> bytes:
        """The digests of its earlier state, block by block."""
        if not self.earlier:
            return b""
        with open(self.earlier[0] + ".sums", "rb") as file:
            self._known = file.read()
        return self._known

    def had(self) -> Iterator[bytes]:
        """What has come already."""
        for index in range(self.kept):
            (place,) = PLACE.unpack(os.pread(self._from, PLACE.size, index * PLACE.size) or bytes(PLACE.size))
            length = min(self.block, self.size - index * self.block)
            yield os.pread(self._old, length, (place - 1) * self.block) if place else self._own(length, index)

    def _own(self, length: int, index: int) -> bytes:
        return os.pread(self._new, length, index * self.block)

    def take(self, kind: bytes, index: int, first: int, run: int) -> bytes:
        """Blocks from ``index`` on as they are told: as those from ``first`` on were, all zero, or what comes now."""
        length = min(run * self.block, self.size - index * self.block)
        if kind == b"=":
            data = os.pread(self._old, length, first * self.block)
            sums = self._known[first * SUM : (first + run) * SUM]
        else:
            data = bytes(length) if kind == b"0" else taken(length)
            blocks = (data[at : at + self.block] for at in range(0, length, self.block))
            sums = b"".join(hashlib.blake2b(block, digest_size=SUM).digest() for block in blocks)
        lent = kind == b"=" and self._lean
        places = range(first + 1, first + run + 1) if lent else [0] * run
        os.pwrite(self._from, b"".join(map(PLACE.pack, places)), index * PLACE.size)
        if kind != b"0" and not lent:
            os.pwrite(self._new, data, index * self.block)
        # After the blocks themselves: what has a digest is there.
        os.pwrite(self._sums, sums, index * SUM)
        return data

    def end(self) -> None:
        """It is whole, and its earlier state is gone; where it lives on that it stays a part."""
        if self._lean:
            return
        os.rename(self.part + ".sums", self.whole + ".sums")
        os.rename(self.part, self.whole)
        os.unlink(self.part + ".from")
        gone(*self.earlier)


def gone(*paths: str) -> None:
    for path in paths:
        for each in (path, path + ".sums", path + ".from"):
            if os.path.exists(each):
                os.unlink(each)


def copy(head: dict[str, str]) -> None:
    base = os.path.join(folder(), head["name"])
    lock = os.open(base + ".lock", FRESH, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return tell({"state": "busy"})
    disk = Disk(base, head["label"], int(head["size"]), int(head["block"]), bool(head.get("url")))
    known = disk.known()
    tell({"state": "ready", "kept": disk.kept, "old": len(known) // SUM})
    sys.stdout.buffer.write(known)
    sys.stdout.buffer.flush()
    put = Put(head, disk.size) if head.get("url") else None
    for data in disk.had() if put else ():
        put.send(data)
    index = disk.kept
    while index < disk.count:
        kind, (first, run) = taken(1), RUN.unpack(taken(RUN.size))
        data = disk.take(kind, index, first, run)
        if put:
            put.send(data)
        index += run
    disk.end()
    return tell(put.end() if put else {"state": "done"})


def drop(head: dict[str, str]) -> None:
    for path in glob.glob(glob.escape(os.path.join(folder(), head["name"])) + ".*"):
        os.unlink(path)
    tell({"state": "done"})


def look(head: dict[str, str]) -> None:
    tell({"state": "done", "free": shutil.disk_usage(folder()).free})


def main() -> None:
    head = json.loads(sys.stdin.buffer.readline())
    try:
        {"copy": copy, "drop": drop, "look": look}[head["verb"]](head)
    except EOFError:
        sys.exit(9)
    except OSError as error:
        tell({"state": "failed", "text": os.strerror(error.errno or 0)})


if __name__ == "__main__":
    main()
