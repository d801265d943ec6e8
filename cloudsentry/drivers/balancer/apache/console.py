"""The balancer-manager: what stands, and one post per member that changes; all on one connection.

It takes orders from whoever knows the nonce and comes from its own page; the nonce is the instance's token.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from cloudsentry.clouds.hosts import Host
from cloudsentry.drivers.balancer.apache.render import CONSOLE_PORT, console_of, health, url
from cloudsentry.drivers.balancer.daemon import Daemon
from cloudsentry.drivers.balancer.instance import PREFIX, joined, parted
from cloudsentry.errors import Ambiguous, DriverError, Unreachable
from cloudsentry.records.marks import Mark
from cloudsentry.records.orders import Monitor
from cloudsentry.records.views import Member

REFUSED = 400
"""How the balancer-manager answers a form that it cannot carry out."""

_SPACE = "{http://httpd.apache.org}"

Post = tuple[tuple[str, str], ...]
"""The fields of one form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the daemon has. Members are never freed: those of ours that were taken out stay disabled."""

    members: tuple[Member, ...]

    def within(self) -> tuple[Member, ...]:
        """Without those of ours that are taken out."""
        return tuple(member for member in self.members if not leaving(member))


def leaving(member: Member) -> bool:
    """Of ours, and disabled: nothing new reaches it."""
    return member.mark is not None and member.operating == "DISABLED"


def posts(now: Standing, wanted: Iterable[Member], monitor: Monitor | None) -> list[Post]:
    """Forms after which exactly ``wanted`` of ours serve. What comes or grows goes before what shrinks or leaves."""
    listed = {url(member): member for member in wanted}
    standing = {url(member): member for member in now.members}
    growing: list[Post] = []
    shrinking: list[Post] = []
    for where, member in sorted(listed.items()):
        old = standing.get(where)
        if old is None:
            growing.append((("b_wyes", "1"), ("b_nwrkr", where)))
        if old is None or leaving(old):
            growing.append((("w", where), *_health(monitor), *_weight(member), ("w_status_D", "0")))
        elif (old.weight, old.id) != (member.weight, member.id):
            (growing if member.weight >= old.weight else shrinking).append((("w", where), *_weight(member)))
    for where, old in sorted(standing.items()):
        if old.mark is not None and where not in listed and not leaving(old):
            shrinking.append((("w", where), ("w_status_D", "1")))
    return growing + shrinking


def differs(now: Standing, wanted: Iterable[Member]) -> bool:
    """Whether ours are not exactly ``wanted``."""
    found = {(url(member), member.id, member.weight) for member in now.within() if member.mark is not None}
    return found != {(url(member), member.id, member.weight) for member in wanted}


def _weight(member: Member) -> Post:
    # A fallback is what mod_proxy_balancer calls a hot standby.
    route = (("w_wr", member.id), *((("w_status_H", "1"),) if member.backup else ()))
    if member.weight == 0:
        return (*route, ("w_status_N", "1"))
    return (*route, ("w_lf", str(member.weight)), ("w_status_N", "0"))


def _health(monitor: Monitor | None) -> Post:
    if monitor is None:
        return ()
    told = health(monitor)
    fields = [("w_hm", told["method"]), ("w_hi", told["interval"]), ("w_hp", told["passes"]), ("w_hf", told["fails"])]
    # A newcomer waits for its checks: a cloud's ACTIVE does not mean that anything listens yet. So do those that come
    # where nobody serves: mod_proxy_hcheck counts no check that a trusted member passes, and who sends clients here
    # would never learn whether anybody was asked.
    return (*fields, ("w_hu", told.get("uri", "/")), ("w_status_C", "1"))


class Console:
    """One connection to the balancer-manager of one instance; made when first needed."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._http = _OnHost(daemon.host, console_of(daemon), CONSOLE_PORT)

    def standing(self) -> Standing:
        """Look. Raises `Unreachable` where nobody answers, `DriverError` where it is no balancer-manager."""
        instance = self._daemon.instance
        body = self._call("GET", f"?{urlencode({'xml': '1', 'nonce': instance.token})}")
        try:
            workers = ElementTree.fromstring(body).iter(f"{_SPACE}worker")
        except ElementTree.ParseError as error:
            raise DriverError("what answers is no balancer-manager", cloud=self._daemon.host.place) from error
        rows = ({item.tag.removeprefix(_SPACE): item.text or "" for item in worker} for worker in workers)
        members = (_member(row, instance.mark, watched=instance.monitor is not None) for row in rows)
        return Standing(members=tuple(member for member in members if member is not None))

    def tell(self, forms: Iterable[Post]) -> bool:
        """Post the forms in their order; False, and the rest is not posted, where a newcomer finds no place."""
        for form in forms:
            fields = urlencode([("b", "members"), ("nonce", self._daemon.instance.token), *form])
            try:
                self._call("POST", "", fields)
            except DriverError as error:
                if error.status == REFUSED and form[0][0] == "b_wyes":
                    return False
                raise
        return True

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def _call(self, verb: str, query: str, body: str | None = None) -> bytes:
        page = f"/{self._daemon.instance.token}"
        referer = f"http://{console_of(self._daemon)}:{CONSOLE_PORT}{page}"
        headers = {"Referer": referer, "Content-Type": "application/x-www-form-urlencoded"}
        place = self._daemon.host.place
        try:
            self._http.request(verb, page + query, body, headers)
            answer = self._http.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            # A daemon that dies may reset a look at it; nothing can have come of that.
            kind = Unreachable if verb == "GET" else Ambiguous
            raise kind(f"the console hung up: {type(error).__name__}", cloud=place) from error
        if answer.status != 200:
            raise DriverError(f"the console answered {answer.status}", cloud=place, status=answer.status)
        return content


class _OnHost(http.client.HTTPConnection):
    """HTTP over a connection that a host makes."""

    def __init__(self, host: Host, address: str, port: int) -> None:
        super().__init__(address, port)
        self._balancer_host = host

    def connect(self) -> None:
        """As seen from the host."""
        stream: Any = self._balancer_host.connect(self.host, self.port)
        self.sock = stream


def _member(row: dict[str, str], mark: Mark, *, watched: bool) -> Member | None:
    where = parted(joined(row["hostname"], int(row["port"])))
    if where is None:
        return None  # a member by host name: nobody's whom an event could name
    states, route = set(row["status"].split()), row["route"]
    ours = route.startswith(PREFIX)
    return Member(
        id=route if ours else row["name"],
        name=route.removeprefix(PREFIX) if ours else row["name"],
        address=where[0],
        port=where[1],
        weight=0 if "Drn" in states else round(float(row["loadfactor"])),
        mark=mark if ours else None,
        operating=_operating(states, watched=watched),
        connections=int(row["busy"]),
        backup="Stby" in states,
        served=int(row.get("elected") or 0),
    )


def _operating(states: set[str], *, watched: bool) -> str:
    if states & {"Dis", "Stop"}:
        return "DISABLED"
    if states & {"HcFl", "Err"}:
        return "OFFLINE"
    if "Drn" in states:
        return "DRAINING"
    return "ONLINE" if watched else "NO_MONITOR"
