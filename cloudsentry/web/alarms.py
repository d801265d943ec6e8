"""From an alarm's words to calls for capacity, and from decisions to answers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cloudsentry.errors import UserError
from cloudsentry.journal.decisions import DecisionRow
from cloudsentry.records.scaling import Ask
from cloudsentry.scaling.gathering import HOOK
from cloudsentry.scaling.scale import Call, Scaler
from cloudsentry.web.bodies import Alert, Alertmanager, Aodh, Generic, Said

EVENT, POOL, SCALE = "cloudsentry_event", "cloudsentry_pool", "cloudsentry_scale"
"""Labels or annotations of an alert; labels go first."""

WEEK = 7 * 86400.0
"""Seconds for which an alert with a start, or a call with an id, is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """An alarm that asks for nothing, and why; ``refused`` where it was meant to and cannot be understood."""

    why: str
    event: str = ""
    pool: str = ""
    refused: bool = False


def ask_of(scale: str | int, source: str) -> Ask | None:
    """``+2``, ``-1`` or ``8`` as an ask; None for anything else, and for more than three digits."""
    found = re.fullmatch(r"([+-]?)([0-9]{1,3})", str(scale).strip())
    if found is None:
        return None
    number = int(found[2])
    if not found[1]:
        return Ask(to=number, source=source)
    return Ask(by=-number if found[1] == "-" else number, source=source)


def of_alertmanager(body: Alertmanager) -> tuple[Call | Nothing, ...]:
    """One call per event and pool: of several alerts in a delivery the one that asks for most is heard."""
    found = [_of_alert(alert) for alert in body.alerts]
    nothing = [one for one in found if isinstance(one, Nothing)]
    most: dict[tuple[str, str], Call] = {}
    for call in found:
        if isinstance(call, Call):
            key = (call.event, call.pool)
            most[key] = max(most.get(key, call), call, key=lambda one: one.ask.wish(0))
    return (*most.values(), *nothing)


def _of_alert(alert: Alert) -> Call | Nothing:
    words = {**alert.annotations, **alert.labels}
    event, pool, scale = words.get(EVENT, ""), words.get(POOL, ""), words.get(SCALE, "")
    name = words.get("alertname", "alert")
    if alert.status == "resolved":
        why = f"{name} is resolved: servers go by the policy, not by a call"
        return Nothing(why=why, event=event, pool=pool)
    source = f"{HOOK}alertmanager"
    return _call(event, pool, scale, f"alert {name}", source, (alert.fingerprint, alert.startsAt), WEEK)


def of_aodh(body: Aodh, event: str, pool: str, scale: str, again: float) -> Call | Nothing:
    """The call of an alarm that has gone off. Aodh tells no start, so the same alarm is new after ``again`` seconds."""
    name = body.alarm_name or body.alarm_id
    if body.current != "alarm":
        return Nothing(why=f"alarm {name} is {body.current}: nothing is asked for", event=event, pool=pool)
    return _call(event, pool, scale, f"alarm {name}", f"{HOOK}aodh", (body.alarm_id, event, pool, scale), again)


def of_generic(body: Generic, again: float) -> Call | Nothing:
    """The call itself."""
    parts = (body.id,) if body.id else (body.event, body.pool, str(body.scale), body.reason)
    source = f"{HOOK}generic"
    return _call(body.event, body.pool, body.scale, body.reason or "a call", source, parts, WEEK if body.id else again)


def _call(
    event: str, pool: str, scale: str | int, who: str, source: str, parts: Iterable[str], again: float
) -> Call | Nothing:
    if not (event and pool):
        why = f"{who} names no event and pool: expected {EVENT}, {POOL} and {SCALE}"
        return Nothing(why=why, event=event, pool=pool, refused=True)
    ask = ask_of(scale, who)
    if ask is None:
        why = f"{who}: expected +N, -N or N servers, at most 999, found {str(scale)[:40]!r}"
        return Nothing(why=why, event=event, pool=pool, refused=True)
    digest = hashlib.sha256(json.dumps(list(parts)).encode()).hexdigest()
    return Call(event=event, pool=pool, ask=ask, source=source, digest=digest, again=again)


def answered(scaler: Scaler, call: Call | Nothing) -> Said:
    """Decide on a call, and say what was decided."""
    if isinstance(call, Nothing):
        state = "refused" if call.refused else "ignored"
        return Said(decision=None, state=state, event=call.event, pool=call.pool, why=[call.why])  # type: ignore[arg-type]
    try:
        row, new = scaler.ask(call)
    except UserError as error:
        return Said(decision=None, state="refused", event=call.event, pool=call.pool, why=[str(error)])
    return said(row, repeated=not new)


def said(row: DecisionRow, *, repeated: bool = False) -> Said:
    """A decision as its caller is told."""
    return Said(
        decision=row.id,
        state=row.state,
        repeated=repeated,
        event=row.event,
        pool=row.pool,
        current=row.current,
        wanted=row.wanted,
        rule=row.rule,
        why=[*row.reasons, *([row.error] if row.error else [])],
        run=row.run,
        href=f"/v1/decisions/{row.id}",
    )
