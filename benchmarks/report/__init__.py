"""The report of an event with real figures in it."""
