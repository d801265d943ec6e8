"""The disks of one hypervisor's servers: <state_path>/instances/<uuid>/disk, the image's very bytes.

The hypervisors of a cloud lie side by side, as on a storage that they share.
"""

import os
import shutil
import threading


class Disks:
    """`state_path` is the hypervisor's own folder; `images` is Nova's Glance API."""

    def __init__(self, state_path, images):
        self.state_path, self.images = state_path, images
        self._lock = threading.Lock()

    def folder(self, uuid, host=None):
        base = os.path.join(os.path.dirname(self.state_path), host) if host else self.state_path
        return os.path.join(base, "instances", uuid)

    def path(self, uuid):
        return f"{self.folder(uuid)}/disk"

    def exists(self, uuid):
        return os.path.exists(self.path(uuid))

    def make(self, context, uuid, image):
        """The server has its disk; a fresh one is a copy of the image, which is downloaded once for each hypervisor."""
        if self.exists(uuid):
            return
        os.makedirs(self.folder(uuid), exist_ok=True)
        if not image:
            with open(self.path(uuid), "wb"):
                return
        base = os.path.join(self.state_path, "_base", image)
        with self._lock:
            if not os.path.exists(base):
                os.makedirs(os.path.dirname(base), exist_ok=True)
                self.images.download(context, image, dest_path=f"{base}.part")
                os.replace(f"{base}.part", base)
        shutil.copyfile(base, self.path(uuid))

    def take(self, uuid, source):
        """The disk of another hypervisor's server is here too."""
        if os.path.isdir(self.folder(uuid, source)):
            shutil.copytree(self.folder(uuid, source), self.folder(uuid), dirs_exist_ok=True)

    def give(self, uuid, dest):
        """The server's disk is on the other hypervisor too."""
        if os.path.isdir(self.folder(uuid)):
            shutil.copytree(self.folder(uuid), self.folder(uuid, dest), dirs_exist_ok=True)

    def remove(self, uuid):
        shutil.rmtree(self.folder(uuid), ignore_errors=True)
