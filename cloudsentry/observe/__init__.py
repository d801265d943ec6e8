"""The library: reads, and only reads. One look at every place an event touches, side by side."""

from cloudsentry.observe.look import places_of, scope_of

__all__ = ["places_of", "scope_of"]
