"""Drivers that set members and weights (``cloudsentry.balancer``)."""
