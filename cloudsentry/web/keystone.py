"""Callers for whom a cloud's Keystone vouches: a token of the hook's own project, with a role.

What Keystone said is believed for a minute, by the token's digest; a token itself is kept nowhere.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from cloudsentry.clouds import open_cloud
from cloudsentry.clouds.session import Cloud
from cloudsentry.conf import HookSettings
from cloudsentry.errors import Conflict, Denied, DriverError
from cloudsentry.web.refused import Refused

BELIEVED = 60.0
"""Seconds for which an answer of Keystone holds: a role that is taken away is gone after that."""
KNOWN_MOST = 1000
"""Tokens whose answers are kept at once."""


class Vouched:
    """Thread-safe. ``connect`` opens a cloud by name, ``wall`` tells the time, aware."""

    def __init__(
        self, settings: HookSettings, wall: Callable[[], dt.datetime], connect: Callable[[str], Cloud] = open_cloud
    ) -> None:
        self._settings, self._wall, self._connect = settings, wall, connect
        self._known: dict[str, float] = {}
        self._lock = threading.Lock()

    @cached_property
    def _cloud(self) -> Cloud:
        return self._connect(str(self._settings.keystone_cloud))

    @cached_property
    def _project(self) -> str:
        return self._cloud.project()

    def check(self, token: str) -> None:
        """Nothing, where the token lets in. Raises `Refused`: 401 for one that does not, 503 where nobody can tell."""
        if not self._settings.keystone_cloud:
            raise Refused(401, "[hook] keystone_cloud is not set: no token of Keystone lets in")
        digest, now = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest(), self._wall().timestamp()
        with self._lock:
            if self._known.get(digest, 0.0) > now:
                return
        try:
            told = self._cloud.told_of(token)
            project = self._project
        except (Conflict, Denied) as error:
            raise Refused(401, "Keystone does not know this token") from error
        except DriverError as error:
            raise Refused(503, "Keystone cannot be asked just now", 5) from error
        self._fits(told, project)
        with self._lock:
            if len(self._known) >= KNOWN_MOST:
                self._known.clear()
            ends = dt.datetime.fromisoformat(str(told["expires_at"])).timestamp()
            self._known[digest] = min(now + BELIEVED, ends)

    def _fits(self, told: Mapping[str, Any], project: str) -> None:
        if (told.get("project") or {}).get("id") != project:
            raise Refused(401, "the token is of another project")
        if self._settings.keystone_role not in {role.get("name") for role in told.get("roles") or ()}:
            raise Refused(401, f"the token has not the role {self._settings.keystone_role}")
