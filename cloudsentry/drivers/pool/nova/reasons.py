"""Why servers are in ERROR, where Nova's list does not say: those that no cell took have it only one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cloudsentry.clouds import Cloud
from cloudsentry.drivers.pool.nova import calls
from cloudsentry.errors import Conflict
from cloudsentry.records.views import Server

AT_ONCE = 5
"""Most servers asked about in one look: a reason or two explain a hundred servers."""


class Reasons:
    """Remembers what was asked: a server's reason is asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def told(self, cloud: Cloud, servers: Iterable[Server]) -> tuple[Server, ...]:
        """The same servers, those in ERROR with their reason where it is known; at most `AT_ONCE` calls."""
        listed = tuple(servers)
        mute = [server.id for server in listed if server.status == "ERROR" and not server.fault]
        for id in [id for id in mute if id not in self._known][:AT_ONCE]:
            self._known[id] = _reason(cloud, id)
        return tuple(
            replace(server, fault=self._known[server.id]) if server.id in mute and server.id in self._known else server
            for server in listed
        )


def _reason(cloud: Cloud, id: str) -> str:
    try:
        return str((calls.server(cloud, id).get("fault") or {}).get("message") or "")
    except Conflict as gone:
        if gone.status != 404:
            raise
        return ""
