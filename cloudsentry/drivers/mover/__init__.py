"""Movers: one server, or one pool, from one cloud to another, phase by phase."""
