"""Drivers that send shares of the clients somewhere (``cloudsentry.steering``)."""
