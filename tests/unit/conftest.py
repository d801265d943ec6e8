"""For every unit test: hypothesis judges answers, not seconds, for the machines are shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
