"""Drivers that send load on purpose (``cloudsentry.load``)."""
