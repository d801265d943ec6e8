"""Drivers that keep servers on the hypervisors they are pinned to (``cloudsentry.pool``)."""
