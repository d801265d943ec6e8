"""The door that nobody opens: a loop that keeps every event as it should be."""

from cloudsentry.agent.loop import Agent

__all__ = ["Agent"]
