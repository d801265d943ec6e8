"""cloudsentry: flash-crowd capacity for an IaaS that is already there."""

__version__ = "0.1.0"
