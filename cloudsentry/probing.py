"""What the ends of stretched networks tell of each other, on its way from a look at the clouds to the journal."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from statistics import median

from cloudsentry.errors import SentryError
from cloudsentry.planner.stretches import probed
from cloudsentry.records.stretching import Probed
from cloudsentry.records.views import Snapshot

LOG = logging.getLogger(__name__)


def note(url: str, snapshot: Snapshot) -> None:
    """Keep what the ends of a full look have told of late. Nobody looks in vain because that could not be kept."""
    from cloudsentry.journal.probes import Probes

    told = probed(snapshot, dt.datetime.now(dt.UTC))
    if not told:
        return
    try:
        with contextlib.closing(Probes(url)) as kept:
            kept.note(told)
    except SentryError as failure:
        LOG.warning("%d probes are not kept: %s", len(told), failure)


def noted(url: str, event: str, stretch: str) -> tuple[Probed, ...]:
    """What was kept of a stretch, newest first."""
    from cloudsentry.journal.probes import Probes

    with contextlib.closing(Probes(url)) as kept:
        return kept.of(event, stretch)


def summed(found: tuple[Probed, ...]) -> tuple[str, ...]:
    """A line per end: how often it was seen alive since when, the usual round trip, and when it was last not well."""
    lines = []
    for cloud in sorted({one.cloud for one in found}):
        mine = [one for one in found if one.cloud == cloud]
        alive = sum(one.up for one in mine)
        rtts = [one.rtt for one in mine if one.rtt is not None]
        told = f"{cloud}: alive in {alive} of {len(mine)} probes since {mine[-1].at:%Y-%m-%d %H:%M:%S}Z"
        told += f", round trip {median(rtts):.1f} ms (median)" if rtts else ""
        bad = next((one for one in mine if not one.up or one.whole is False or one.twice), None)
        if bad is not None:
            what = "dead" if not bad.up else "narrow" if bad.whole is False else f"{bad.twice[0]} owned twice"
            told += f"; last {what} at {bad.at:%Y-%m-%d %H:%M:%S}Z"
        lines.append(told)
    return tuple(lines)
