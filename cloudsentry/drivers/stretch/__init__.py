"""Drivers for ONE end of a stretched network (``cloudsentry.stretch``)."""
