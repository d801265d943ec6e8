"""The example of the page on scaling is an event, and does what the page says."""

from __future__ import annotations

import datetime as dt
import textwrap
from pathlib import Path

from cloudsentry.drivers.policy.timetable import peak
from cloudsentry.spec.load import load_text
from cloudsentry.spec.scaling import capacities

PAGE = Path(__file__).parents[3] / "docs" / "scaling.rst"


def test_the_example_is_valid_and_counts_the_weaker_servers_for_a_fifth() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("   :caption: event.yaml\n\n")
    block, _, _ = rest.partition("\nThe keys are")
    event = load_text(textwrap.dedent(block), "event.yaml")
    assert capacities(event.pools["front"].pins, event.scaling["front"])[4] == 1200
    assert event.calendar is not None
    final = dt.datetime(2010, 8, 21, 4, 0, tzinfo=dt.UTC)
    assert peak(event.calendar.demands(), final, final + dt.timedelta(hours=3)) == 2400
