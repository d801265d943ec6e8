"""What goes wrong on the wire, for the fakes; the error it becomes is the one that the real session makes of it.

An accident is an answer of some status, or an exception below HTTP; `faults` tells what it means, as for a real call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import requests

from cloudsentry.clouds import faults
from cloudsentry.errors import SentryError

Effect = Literal["none", "now", "later"]
"""Whether a write that met the accident was carried out: not at all, before the answer was lost, or some time after."""

SERVICES = {"pool": "compute", "balancer": "load-balancer", "stretch": "network"}
"""The service that a family's calls go to."""

Garbled = Literal["garbled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accident:
    """An answer with ``status`` (and ``Retry-After``), or no usable one where that is 0: ``failure`` says why."""

    status: int = 0
    after: int = 0
    failure: type[requests.exceptions.RequestException] | Garbled = "garbled"
    effect: Effect = "none"

    def error(self, family: str, cloud: str, *, reads: bool) -> SentryError:
        """What the session raises for it."""
        call = faults.Call(
            cloud=cloud, service=SERVICES.get(family, family), method="GET" if reads else "POST", path="/fake"
        )
        if self.status:
            return faults.answered(call, self._answer())
        if self.failure == "garbled":
            return faults.garbled(call)
        return faults.lost(call, self.failure("fake"))

    def _answer(self) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.reason = self.status, "fake fault"
        if self.after:
            answer.headers["Retry-After"] = str(self.after)
        return answer


_LOST = requests.exceptions.ConnectionError
_LATE = requests.exceptions.ReadTimeout

ACCIDENTS: Mapping[str, Accident] = MappingProxyType(
    {
        "500": Accident(status=500),
        "502": Accident(status=502),
        "503": Accident(status=503),
        "504": Accident(status=504),
        "500 after the effect": Accident(status=500, effect="now"),
        "502 after the effect": Accident(status=502, effect="now"),
        "504, the effect comes later": Accident(status=504, effect="later"),
        "429, Retry-After 7": Accident(status=429, after=7),
        "401 (no new token to be had)": Accident(status=401),
        "409": Accident(status=409),
        "refused connection": Accident(failure=requests.exceptions.ConnectTimeout),
        "reset": Accident(failure=_LOST),
        "answer lost after the effect": Accident(failure=_LOST, effect="now"),
        "timeout": Accident(failure=_LATE),
        "timeout, the effect comes later": Accident(failure=_LATE, effect="later"),
        "cut JSON after the effect": Accident(effect="now"),
    }
)
"""By the name that a `FaultRule` has as its kind."""
