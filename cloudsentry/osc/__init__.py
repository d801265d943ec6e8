"""The doors at the terminal: `cloudsentry …` and `openstack sentry …`, the same commands behind both."""
